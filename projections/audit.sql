-- name: tables
create table audit (
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    id text not null,
    type text not null,
    stream text not null,
    time timestamptz not null,
    correlation_id text not null,
    causation_id text,
    actor text,
    on_behalf_of text,
    supplier text,
    level smallint,
    integration text,
    legal_basis text,
    source text not null
);

-- name: indexes
-- The key is made with the rest: nothing is looked up while a version is filled, and at once it costs a third.
create unique index if not exists audit_pkey on audit (topic, partition, "offset");
create index if not exists audit_stream on audit (stream, topic, partition, "offset");
create index if not exists audit_actor on audit (actor, time);
create index if not exists audit_on_behalf_of on audit (on_behalf_of, time) where on_behalf_of is not null;
