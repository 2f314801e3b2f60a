-- The data keys, as the compacted topic fiks.nokkel says (streams/keys.py). Both tables can be rebuilt from it: empty
-- them, delete the checkpoint named nokler, and the role reads the topic again.

create table nokkel (
    name text collate "C" primary key,
    generation integer not null,
    wrapped bytea not null
);
comment on table nokkel is 'Wrapped data keys. The keys of a key id are those named <id> and <id>#<suffix>.';

create table nokkel_slettet (
    name text collate "C" primary key
);
comment on table nokkel_slettet is 'Names of keys that were destroyed, so that nothing said of them later counts.';
