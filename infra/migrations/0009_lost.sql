-- A projection whose tables somebody dropped is left out of what its worker does with the others, and told of.

alter table projection add column tables text[] not null default '{}';
comment on column projection.tables is 'The tables that the live version has, so that one that is gone is missed.';
update projection p set tables = array(
    select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = p.name || '_v' || p.live and c.relkind = 'r'
);

create view lost as
    select name, live as version from projection
    where to_regnamespace(format('%I', name || '_v' || live)) is null
       or exists (select from unnest(tables) as one where to_regclass(format('%I.%I', name || '_v' || live, one)) is null);
comment on view lost is 'Live versions whose tables are gone, or some of them: a rebuild makes them anew.';
