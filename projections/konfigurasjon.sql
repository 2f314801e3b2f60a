-- name: tables
-- The key's columns stand first. An id that two organisations claim has a row of each: the lower organisation's counts.
create table konfigurasjon_strom (
    fiks_org_id uuid not null,
    siste_beslutning bigint not null,
    primary key (fiks_org_id)
);
create table konfigurasjon_organisasjon (
    fiks_org_id uuid not null,
    navn text not null,
    orgnr text,
    type text not null,
    kommunenr text,
    intern boolean not null,
    epost text[] not null,
    innbyggerkontakt_epost text,
    avtaleadmin text,
    konfigurert boolean not null,
    synlig boolean not null,
    primary key (fiks_org_id)
);
create table konfigurasjon_faktura (
    fiks_org_id uuid not null,
    orgnr text not null,
    navn text not null,
    juridisk_navn text not null,
    referanse text not null,
    postnummer text not null,
    poststed text not null,
    epost text,
    telefon text,
    adresselinje1 text,
    adresselinje2 text,
    kundenummer text,
    endepunkt_id text,
    primary key (fiks_org_id)
);
create table konfigurasjon_tjeneste (
    fiks_org_id uuid not null,
    tjeneste text not null,
    ressurs_id uuid not null,
    konfigurert boolean not null,
    primary key (fiks_org_id, tjeneste)
);
create table konfigurasjon_ressurs (
    fiks_org_id uuid not null,
    id uuid not null,
    type text not null,
    navn text not null,
    sti uuid[] not null,
    primary key (fiks_org_id, id)
);
-- Accounts of which more is known than that they are resources.
create table konfigurasjon_konto (
    fiks_org_id uuid not null,
    id uuid not null,
    tags text[] not null,
    slettet boolean not null,
    primary key (fiks_org_id, id)
);
create table konfigurasjon_fiks_io_konto (
    fiks_org_id uuid not null,
    id uuid not null,
    aktiv boolean not null,
    pem text,
    avsendere uuid[] not null,
    avsenderfilter boolean not null,
    unik_klient_melding_id boolean not null,
    opprettet timestamptz,
    opprettet_av text,
    endret timestamptz,
    endret_av text,
    primary key (fiks_org_id, id)
);
-- Of every organisation, in the stream of ROOT.
create table konfigurasjon_adresse (
    fiks_org_id uuid not null,
    id uuid not null,
    eier_id uuid not null,
    konto_id uuid not null,
    beskrivelse text not null,
    opprettet timestamptz not null,
    opprettet_av text not null,
    aktiv boolean not null,
    identifikatorer text[] not null,
    meldingsprotokoller text[] not null,
    sikkerhetsnivaer bigint[] not null,
    endret timestamptz,
    endret_av text,
    primary key (fiks_org_id, id)
);
create table konfigurasjon_integrasjon (
    fiks_org_id uuid not null,
    id uuid not null,
    autorisert_orgnr text not null,
    navn text not null,
    beskrivelse text,
    opprettet timestamptz,
    slettet boolean not null,
    primary key (fiks_org_id, id)
);
create table konfigurasjon_rettighet (
    fiks_org_id uuid not null,
    aktor text not null,
    ressurs_id uuid not null,
    privilegium text not null,
    primary key (fiks_org_id, aktor, ressurs_id, privilegium)
);
create table konfigurasjon_typerettighet (
    fiks_org_id uuid not null,
    aktor text not null,
    ressurstype text not null,
    privilegium text not null,
    primary key (fiks_org_id, aktor, ressurstype, privilegium)
);
create table konfigurasjon_inaktiv_aktor (
    fiks_org_id uuid not null,
    aktor text not null,
    primary key (fiks_org_id, aktor)
);
create table konfigurasjon_tilknytning (
    fiks_org_id uuid not null,
    integrasjon_id uuid not null,
    ressurs_id uuid not null,
    primary key (fiks_org_id, integrasjon_id, ressurs_id)
);
create table konfigurasjon_mottakersystem (
    fiks_org_id uuid not null,
    nr integer not null,
    id uuid not null,
    navn text not null,
    orgnr text not null,
    forsendelsestype text,
    niva bigint,
    primary key (fiks_org_id, nr)
);
create table konfigurasjon_global_integrasjon (
    fiks_org_id uuid not null,
    integrasjon_id uuid not null,
    kode text,
    er_global boolean not null,
    forespurte_privilegier text[] not null,
    tags text[] not null,
    primary key (fiks_org_id, integrasjon_id)
);
-- Whose each number is, by the stream of ROOT, of all organisations that have got one since numbers are told apart there.
create table konfigurasjon_organisasjonsnummer (
    fiks_org_id uuid not null,
    orgnr text not null,
    eier_id uuid not null,
    primary key (fiks_org_id, orgnr)
);
create table konfigurasjon_protokollsystem (
    fiks_org_id uuid not null,
    id uuid not null,
    integrasjon_id uuid not null,
    beskrivelse text not null,
    eposter text[] not null,
    offentlig boolean not null,
    opprettet timestamptz not null,
    automatisk_godkjenning boolean not null,
    leverandor_navn text,
    leverandor_kontaktpunkt text,
    endret timestamptz,
    primary key (fiks_org_id, id)
);
-- Parts by name, each with the version that stands in its place of the other column.
create table konfigurasjon_protokollkonto (
    fiks_org_id uuid not null,
    id uuid not null,
    system_id uuid not null,
    beskrivelse text not null,
    protokoll text not null,
    parter text[] not null,
    versjoner text[] not null,
    opprettet timestamptz not null,
    send_meldinger_deaktivert boolean not null,
    endret timestamptz,
    primary key (fiks_org_id, id)
);
-- Which systems, of whatever organisation, may send to an account or have asked to.
create table konfigurasjon_protokolltilgang (
    fiks_org_id uuid not null,
    konto_id uuid not null,
    system_id uuid not null,
    status text not null,
    primary key (fiks_org_id, konto_id, system_id)
);
-- What each event changed of who may what. arsak is the command that asked for it.
create table konfigurasjon_rettighetssteg (
    fiks_org_id uuid not null,
    plass bigint not null,
    nr integer not null,
    partisjon integer not null,
    hendelse_id text not null,
    tidspunkt timestamptz not null,
    type text not null,
    arsak text,
    aktor text not null,
    endring text not null,
    privilegium text,
    ressurs_id uuid,
    ressurstype text,
    primary key (fiks_org_id, plass, nr)
);
-- Who asked for what. Refused commands are among them.
create table konfigurasjon_kommando (
    partisjon integer not null,
    plass bigint not null,
    fiks_org_id uuid not null,
    hendelse_id text not null,
    tidspunkt timestamptz not null,
    type text not null,
    aktor text,
    lovhjemmel text,
    primary key (partisjon, plass)
);

-- name: indexes
create index if not exists konfigurasjon_kommando_id on konfigurasjon_kommando (hendelse_id);
create index if not exists konfigurasjon_rettighetssteg_aktor on konfigurasjon_rettighetssteg (aktor, tidspunkt);
create index if not exists konfigurasjon_rettighetssteg_ressurs on konfigurasjon_rettighetssteg (ressurs_id);
create index if not exists konfigurasjon_ressurs_id on konfigurasjon_ressurs (id);
create index if not exists konfigurasjon_integrasjon_id on konfigurasjon_integrasjon (id);
create index if not exists konfigurasjon_rettighet_ressurs on konfigurasjon_rettighet (ressurs_id);
create index if not exists konfigurasjon_rettighet_aktor on konfigurasjon_rettighet (aktor);
