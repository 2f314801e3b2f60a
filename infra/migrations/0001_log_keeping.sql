-- What is remembered of the log: which version of each projection is live, how far each has come, and what deciders
-- know of each stream. All of it can be rebuilt from the log.

create schema if not exists read;

create table projection (
    name text primary key,
    live integer not null,
    logic integer not null
);
comment on table projection is 'The version that is read, and the logic (the handlers'' version) that built it.';

create table building (
    name text not null,
    version integer not null,
    logic integer not null,
    started timestamptz not null default now(),
    primary key (name, version)
);
comment on table building is 'Versions that a rebuild is filling beside the live one.';

create table checkpoint (
    name text not null,
    version integer not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null default 0,
    primary key (name, version, topic, partition)
) with (fillfactor = 50);
comment on table checkpoint is 'Committed together with the rows: its row lock is what guards every write.';

create table journal (
    decider text not null,
    stream text not null,
    journal bytea not null,
    primary key (decider, stream)
) with (fillfactor = 80);
comment on table journal is 'What a decider knows of a stream: its state, the last decision that counted, and what waits.';

create table frist (
    decider text not null,
    stream text not null,
    name text not null,
    due timestamptz not null,
    topic text not null,
    partition integer not null,
    appended boolean not null default false,
    primary key (decider, stream, name, due)
);
create index frist_due on frist (decider, due) where not appended;
comment on table frist is 'Deadlines that run; once one has been appended as an event, reading that event settles it.';
