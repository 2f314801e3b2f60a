-- Which keys no event was seen to tell of yet, and since when they are known here (projections/orphan_keys.py). By the
-- clock of this database alone: a table that is filled anew only waits longer.

alter table nokkel add column seen timestamptz not null default now();
alter table nokkel add column told boolean not null default false;
create index nokkel_untold on nokkel (seen, name) where not told;
