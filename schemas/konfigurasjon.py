"""What can be said about organisations, their integrations, accounts and privileges. Contract: auth.md 4 and 6."""

from __future__ import annotations

from uuid import UUID

from schemas.catalogue import event


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class OrganisasjonOpprettet:
    """A Fiks organisation exists."""

    fiks_org_id: UUID
    orgnr: str
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class IntegrasjonOpprettet:
    """An integration exists. ``passord_hash`` is an Argon2 hash in PHC form; the password itself is nowhere."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    autorisert_orgnr: str
    navn: str
    passord_hash: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoOpprettet:
    """An account of a service exists, for example an account that sends by SvarUt."""

    fiks_org_id: UUID
    konto_id: UUID
    tjeneste: str
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class PrivilegieTildelt:
    """An integration holds a privilege on a resource (an account)."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    ressurs_id: UUID
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class MottakersystemRegistrert:
    """A mottakersystem takes forsendelser to ``orgnr``; no type or no level means all. Contract: svarut.md 7.3."""

    fiks_org_id: UUID
    mottakersystem_id: UUID
    navn: str
    orgnr: str
    forsendelsestype: str | None = None
    niva: int | None = None
