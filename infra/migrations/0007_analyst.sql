-- Analysts: a role that reads the schema `read` and nothing else. It cannot log in; a login is made a member of it, and
-- whoever runs a server of his own may let the role itself in. Roles belong to the server, so another database of it, or
-- the operator, may have made it before.
do $$
begin
    create role fiks_analyst;
exception
    when duplicate_object or unique_violation then null;
    when insufficient_privilege then
        raise insufficient_privilege using message = 'let an administrator run "create role fiks_analyst" first';
end $$;

grant usage on schema read to fiks_analyst;
grant select on all tables in schema read to fiks_analyst;
-- A rebuild makes the views anew.
alter default privileges in schema read grant select on tables to fiks_analyst;
