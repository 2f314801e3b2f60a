-- name: tables
create table svarut_status (
    forsendelse_id uuid not null,
    fiks_org_id uuid not null,
    konto_id uuid not null,
    status text not null,
    sist_endret timestamptz not null,
    mottatt timestamptz not null,
    ekstern_referanse text,
    avgivende_system text,
    mark bigint not null,
    primary key (forsendelse_id)
) with (fillfactor = 80);
create table svarut_hendelse (
    forsendelse_id uuid not null,
    made bigint not null,
    since bigint,
    tidspunkt timestamptz not null,
    type text not null,
    detalj text
);

-- name: indexes
-- The key of what is only appended to is made with the rest: at once it costs a fraction of what it costs row by row.
create unique index if not exists svarut_hendelse_pkey on svarut_hendelse (forsendelse_id, made);
create index if not exists svarut_status_referanse on svarut_status (konto_id, ekstern_referanse) where ekstern_referanse is not null;
