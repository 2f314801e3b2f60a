-- name: tables
-- What was said of a message when it was sent. Headers are as they lie on the log, sealed.
create table fiks_io_melding (
    mottaker_konto_id uuid not null,
    melding_id uuid not null,
    partisjon int not null,
    plass bigint not null,
    hendelse_id text not null,
    sendt timestamptz not null,
    korrelasjon text not null,
    avsender_konto_id uuid not null,
    avsender_org_id uuid not null,
    mottaker_org_id uuid not null,
    avsender_navn text not null,
    melding_type text not null,
    svar_pa_melding uuid,
    svar_til_type text,
    ttl bigint not null,
    utloper timestamptz not null,
    klient_melding_id uuid,
    klient_korrelasjons_id uuid,
    header_navn text[] not null,
    header_verdi text[] not null,
    storrelse bigint not null,
    blob text,
    nokkel text,
    dokumentlager_id uuid,
    plattform boolean not null,
    tatt_inn_av uuid,
    mark bigint not null,
    primary key (mottaker_konto_id, melding_id)
);
-- Where a message is: the fold of its stream. Its place in the queue is the offset at which it was sent.
create table fiks_io_tilstand (
    mottaker_konto_id uuid not null,
    melding_id uuid not null,
    plass bigint not null,
    status text not null,
    utloper timestamptz not null,
    forsok int not null,
    sett boolean not null,
    klar_fra timestamptz,
    passert boolean not null,
    levering uuid,
    konto_slettet boolean not null,
    siste_beslutning bigint not null,
    sist_endret timestamptz not null,
    primary key (mottaker_konto_id, melding_id)
);
-- Every step that a message took; those without effect came too late, or a second time.
create table fiks_io_steg (
    mottaker_konto_id uuid not null,
    melding_id uuid not null,
    plass bigint not null,
    partisjon int not null,
    hendelse_id text not null,
    tidspunkt timestamptz not null,
    type text not null,
    virkning boolean not null,
    aktor text,
    detalj text,
    primary key (mottaker_konto_id, melding_id, plass)
);
-- Wakes the gateways whose consumers wait for an account: its id, and the seconds until the first message is ready; of
-- those that rest the first too, where others are ready.
create function wake_consumers() returns trigger language plpgsql as $$
begin
    if tg_table_schema = (select 'fiks_io_v' || live from public.projection where name = 'fiks_io') then
        perform pg_notify('fiks_io', mottaker_konto_id || ' ' || seconds) from (
            select mottaker_konto_id, extract(epoch from greatest(min(coalesce(klar_fra, now())) - now(), '0'))::text as seconds
            from new where status = 'VENTER'
            group by mottaker_konto_id, coalesce(klar_fra, '-infinity') > now()) as ready;
    end if;
    return null;
end $$;
create trigger wake_consumers_of_new after insert on fiks_io_tilstand
    referencing new table as new for each statement execute function wake_consumers();
create trigger wake_consumers_of_old after update on fiks_io_tilstand
    referencing new table as new for each statement execute function wake_consumers();

-- name: indexes
create index if not exists fiks_io_tilstand_ko on fiks_io_tilstand (mottaker_konto_id, plass) where status = 'VENTER';
create index if not exists fiks_io_tilstand_hviler on fiks_io_tilstand (mottaker_konto_id, klar_fra)
    where status = 'VENTER' and klar_fra is not null;
create index if not exists fiks_io_tilstand_levert on fiks_io_tilstand (sist_endret) where status = 'LEVERT';
create index if not exists fiks_io_melding_mottaker on fiks_io_melding (mottaker_konto_id, partisjon, plass);
create index if not exists fiks_io_melding_avsender on fiks_io_melding (avsender_konto_id, partisjon, plass);
create index if not exists fiks_io_melding_id on fiks_io_melding (melding_id);
