"""What can be said about organisations and who may what in them. Contract: auth.md 4 and 6.

An actor is a text: ``integrasjon:<uuid>`` or ``person:<keyed hash>``. What spans organisations (root operators, type
rights, global integrations) lies in the stream of ``ROOT``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.catalogue import Personal, event

ROOT = UUID(int=0)
"""The resource above all organisations, and the stream of what spans them."""


class Organisasjonstype(StrEnum):
    """What kind of organisation it is."""

    UKJENT = "UKJENT"
    KOMMUNE = "KOMMUNE"
    FYLKESKOMMUNE = "FYLKESKOMMUNE"
    KOMMUNAL_VIRKSOMHET = "KOMMUNAL_VIRKSOMHET"
    STATLIG_VIRKSOMHET = "STATLIG_VIRKSOMHET"
    LEVERANDOR = "LEVERANDOR"


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class OrganisasjonOpprettet:
    """A Fiks organisation exists. Its id is also that of the resource above all that it owns."""

    fiks_org_id: UUID
    orgnr: str | None = None
    navn: str
    type: Organisasjonstype = Organisasjonstype.UKJENT
    kommunenr: str | None = None
    intern: bool = False


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class OrganisasjonEndret:
    """An organisation has other properties; those that are null stay as they were."""

    fiks_org_id: UUID
    navn: str | None = None
    orgnr: str | None = None
    kommunenr: str | None = None
    epost: tuple[str, ...] | None = None
    innbyggerkontakt_epost: str | None = None
    avtaleadmin: str | None = None
    konfigurert: bool | None = None
    synlig: bool | None = None
    intern: bool | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class OrganisasjonsnummerTildelt:
    """The organisation ``eier_id`` alone may have the number, and no other any more. In the stream of ROOT."""

    fiks_org_id: UUID
    eier_id: UUID
    orgnr: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class FakturaEndret:
    """Where invoices go, complete."""

    fiks_org_id: UUID
    orgnr: str
    navn: str
    juridisk_navn: str
    referanse: str
    postnummer: str
    poststed: str
    epost: str | None = None
    telefon: str | None = None
    adresselinje1: str | None = None
    adresselinje2: str | None = None
    kundenummer: str | None = None
    endepunkt_id: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class TjenesteInitialisert:
    """The organisation has a service: the resource of that service exists below it."""

    fiks_org_id: UUID
    tjeneste: str
    ressurs_id: UUID
    ressurstype: str
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class TjenesteKonfigurert:
    """A service of the organisation is set up and can be used."""

    fiks_org_id: UUID
    tjeneste: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RessursOpprettet:
    """A resource exists below another of the same organisation."""

    fiks_org_id: UUID
    ressurs_id: UUID
    forelder_id: UUID
    type: str
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RessursEndret:
    """A resource has another name."""

    fiks_org_id: UUID
    ressurs_id: UUID
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoOpprettet:
    """An account of a service exists, for example one that sends by SvarUt: a resource of type ``SVARUT_KONTO``.

    It lies below the service where the organisation has that, else directly below the organisation. One of
    Dokumentlager may belong to an account of Fiks IO, ``for_konto_id``.
    """

    fiks_org_id: UUID
    konto_id: UUID
    tjeneste: str
    navn: str
    tags: tuple[str, ...] = ()
    opprettet: datetime | None = None
    opprettet_av: str | None = None
    for_konto_id: UUID | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoEndret:
    """An account has another name."""

    fiks_org_id: UUID
    konto_id: UUID
    navn: str
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoTagget:
    """An account has a tag."""

    fiks_org_id: UUID
    konto_id: UUID
    tag: str
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoTagFjernet:
    """An account has a tag no more."""

    fiks_org_id: UUID
    konto_id: UUID
    tag: str
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoSlettet:
    """An account is closed and takes nothing more; what it holds is about to be deleted. Rights on it still stand."""

    fiks_org_id: UUID
    konto_id: UUID
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class IntegrasjonOpprettet:
    """An integration exists. ``passord_hash`` is an Argon2 hash in PHC form; the password itself is nowhere."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    autorisert_orgnr: str
    navn: str
    passord_hash: str
    beskrivelse: str | None = None
    opprettet: datetime | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class IntegrasjonEndret:
    """An integration has other properties; those that are null stay as they were."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    autorisert_orgnr: str | None = None
    navn: str | None = None
    beskrivelse: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class IntegrasjonSlettet:
    """An integration exists no more, and all that it was granted is void."""

    fiks_org_id: UUID
    integrasjon_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class PassordLaget:
    """An integration has a new password; the old one is worth nothing from here on."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    passord_hash: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RessursTilknyttet:
    """An integration is attached to a resource."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    ressurs_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RessursFrakoblet:
    """An integration is attached to a resource no more."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    ressurs_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class GlobalIntegrasjonEndret:
    """An integration is offered to all organisations, or no more. In the stream of ROOT; null stays as it was."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    kode: str | None = None
    er_global: bool | None = None
    forespurte_privilegier: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class PrivilegieTildelt:
    """An actor holds a privilege on a resource and on all below it."""

    fiks_org_id: UUID
    aktor: str
    ressurs_id: UUID
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class PrivilegieTrukketTilbake:
    """An actor holds a privilege on a resource no more, unless by inheritance."""

    fiks_org_id: UUID
    aktor: str
    ressurs_id: UUID
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class TypePrivilegieTildelt:
    """An actor holds a privilege on every resource of a type, whoever owns it. In the stream of ROOT."""

    fiks_org_id: UUID
    aktor: str
    ressurstype: str
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class TypePrivilegieTrukketTilbake:
    """An actor holds a privilege on the resources of a type no more. In the stream of ROOT."""

    fiks_org_id: UUID
    aktor: str
    ressurstype: str
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AktorDeaktivert:
    """An actor has lost every right in the organisation, and gets none until it is activated."""

    fiks_org_id: UUID
    aktor: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AktorAktivert:
    """An actor may hold rights in the organisation again. What it held before does not come back."""

    fiks_org_id: UUID
    aktor: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class MottakersystemRegistrert:
    """A mottakersystem takes forsendelser to ``orgnr``; no type or no level means all. Contract: svarut.md 7.3."""

    fiks_org_id: UUID
    mottakersystem_id: UUID
    navn: str
    orgnr: str
    forsendelsestype: str | None = None
    niva: int | None = None


class Avslagsgrunn(StrEnum):
    """Why a command was refused."""

    IKKE_TILGANG = "IKKE_TILGANG"
    FINNES_IKKE = "FINNES_IKKE"
    UGYLDIG = "UGYLDIG"


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KommandoAvvist:
    """A command was refused, and nothing was changed. ``melding`` is for the person who asked."""

    fiks_org_id: UUID
    grunn: Avslagsgrunn
    melding: str


@event(topic="fiks.konfigurasjon", stream="person_id")
class PersonRegistrert:
    """A person who may hold rights is known. Each is a stream, so that each can be forgotten."""

    person_id: UUID
    aktor: str
    fnr: Personal[str]
    navn: Personal[str]


@event(topic="fiks.konfigurasjon", stream="person_id")
class PersonEndret:
    """A person has other properties; those that are null stay as they were."""

    person_id: UUID
    aktor: str
    navn: Personal[str] | None = None
    tittel: Personal[str] | None = None
    telefon: Personal[str] | None = None
    epost: Personal[str] | None = None


@event(topic="fiks.konfigurasjon", stream="person_id")
class PersonopplysningerOppgitt:
    """Somebody has said something about a person in one organisation. Each such pair is a stream with a key of its own.

    It counts once the organisation's stream says so, under ``opplysninger_id``; what is null was not said.
    """

    person_id: UUID
    fiks_org_id: UUID
    aktor: str
    opplysninger_id: UUID
    fnr: Personal[str] | None = None
    navn: Personal[str] | None = None
    tittel: Personal[str] | None = None
    telefon: Personal[str] | None = None
    epost: Personal[str] | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class PersonOpprettet:
    """The organisation knows a person. What was said under ``opplysninger_id`` counts where nothing was said before."""

    fiks_org_id: UUID
    aktor: str
    opplysninger_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class PersonopplysningerEndret:
    """What was said under ``opplysninger_id`` counts in the organisation, in place of what was said before."""

    fiks_org_id: UUID
    aktor: str
    opplysninger_id: UUID
