-- name: tables
-- The key's columns stand first. An id that two organisations claim has a row of each: the lower organisation's counts.
create table konfigurasjon_strom (
    fiks_org_id uuid not null,
    siste_beslutning bigint not null,
    primary key (fiks_org_id)
);
create table organisasjon (
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
create table faktura (
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
create table tjeneste (
    fiks_org_id uuid not null,
    tjeneste text not null,
    ressurs_id uuid not null,
    konfigurert boolean not null,
    primary key (fiks_org_id, tjeneste)
);
create table ressurs (
    fiks_org_id uuid not null,
    id uuid not null,
    type text not null,
    navn text not null,
    sti uuid[] not null,
    primary key (fiks_org_id, id)
);
create table integrasjon (
    fiks_org_id uuid not null,
    id uuid not null,
    autorisert_orgnr text not null,
    navn text not null,
    beskrivelse text,
    opprettet timestamptz,
    slettet boolean not null,
    primary key (fiks_org_id, id)
);
create table rettighet (
    fiks_org_id uuid not null,
    aktor text not null,
    ressurs_id uuid not null,
    privilegium text not null,
    primary key (fiks_org_id, aktor, ressurs_id, privilegium)
);
create table typerettighet (
    fiks_org_id uuid not null,
    aktor text not null,
    ressurstype text not null,
    privilegium text not null,
    primary key (fiks_org_id, aktor, ressurstype, privilegium)
);
create table inaktiv_aktor (
    fiks_org_id uuid not null,
    aktor text not null,
    primary key (fiks_org_id, aktor)
);
create table tilknytning (
    fiks_org_id uuid not null,
    integrasjon_id uuid not null,
    ressurs_id uuid not null,
    primary key (fiks_org_id, integrasjon_id, ressurs_id)
);
create table mottakersystem (
    fiks_org_id uuid not null,
    nr integer not null,
    id uuid not null,
    navn text not null,
    orgnr text not null,
    forsendelsestype text,
    niva bigint,
    primary key (fiks_org_id, nr)
);
create table global_integrasjon (
    fiks_org_id uuid not null,
    integrasjon_id uuid not null,
    kode text,
    er_global boolean not null,
    forespurte_privilegier text[] not null,
    tags text[] not null,
    primary key (fiks_org_id, integrasjon_id)
);

-- name: indexes
create index if not exists ressurs_id on ressurs (id);
create index if not exists integrasjon_id on integrasjon (id);
create index if not exists rettighet_ressurs on rettighet (ressurs_id);
create index if not exists rettighet_aktor on rettighet (aktor);
