-- Who has leases on messages of Fiks IO. What takes over the leases of one that is gone takes its line away, and so tells
-- it, should it come back. Unlike the leases this outlives a crash of PostgreSQL, which must not look like that.

create table holder (id uuid primary key);
comment on table holder is 'Gateways whose leases nobody has taken over.';
