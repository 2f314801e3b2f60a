-- name: tables
create table dokumentlager_dokument (
    dokument_id uuid not null,
    fiks_org_id uuid not null,
    konto_id uuid not null,
    status text not null,
    opprettet timestamptz not null,
    tilgjengelig_til timestamptz,
    dokumentnavn text not null,
    mimetype text not null,
    sikkerhetsniva int not null,
    ukryptert_storrelse bigint not null,
    kryptert_storrelse bigint not null,
    korrelasjonsid uuid,
    blob text not null,
    nokkel_id text not null,
    eksponert text[] not null,
    lagre_nedlastinger boolean not null,
    partisjon int not null,
    plass bigint not null,
    slettet_fordi text,
    mark bigint not null,
    primary key (dokument_id)
) with (fillfactor = 80);
create table dokumentlager_hendelse (
    dokument_id uuid not null,
    made bigint not null,
    tidspunkt timestamptz not null,
    type text not null,
    aktor text,
    detalj text,
    primary key (dokument_id, made)
);
create table dokumentlager_konto_slettet (
    konto_id uuid not null,
    tidspunkt timestamptz not null,
    mark bigint not null,
    primary key (konto_id)
);
create table dokumentlager_konto_hendelse (
    konto_id uuid not null,
    made bigint not null,
    tidspunkt timestamptz not null,
    type text not null,
    aktor text,
    detalj text,
    primary key (konto_id, made)
);

-- name: indexes
create index if not exists dokumentlager_dokument_konto on dokumentlager_dokument (konto_id, opprettet desc, dokument_id);
create index if not exists dokumentlager_dokument_korrelasjon on dokumentlager_dokument (konto_id, korrelasjonsid) where korrelasjonsid is not null;
create index if not exists dokumentlager_dokument_statistikk on dokumentlager_dokument (fiks_org_id, konto_id, status) include (ukryptert_storrelse, kryptert_storrelse);
