-- What whoever can log in may do though nobody gave it to them: make temporary tables and large objects. Analysts only
-- read. Who migrates without owning the database, or the functions, leaves them as they are.
do $$
declare
    maker regprocedure;
begin
    execute format('revoke temporary on database %I from public', current_database());
    for maker in select oid from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace and proname in ('lo_create', 'lo_creat', 'lo_from_bytea')
    loop
        execute format('revoke execute on function %s from public', maker);
    end loop;
exception
    when insufficient_privilege then null;
end $$;
