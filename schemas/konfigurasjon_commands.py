"""What can be asked of an organisation's configuration. Each is decided in the order of the log.

A command lies in the stream that it wants to change, so that it has one order with what decides about it. ``av`` is the
actor who asks; ``som_rot`` says that the gateway has seen, in its memory, that the actor administrates the organisation
by a right in the stream of ROOT. All other fields are those of the event that follows.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schemas.catalogue import event
from schemas.fiks_io_konto_commands import AdresseCommand, FiksIoKontoCommand
from schemas.fiks_protokoll_commands import FiksProtokollCommand
from schemas.konfigurasjon import Organisasjonstype


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateOrganisasjon:
    """Asks for ``OrganisasjonOpprettet``, in the stream that it begins."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    orgnr: str | None = None
    navn: str
    type: Organisasjonstype
    kommunenr: str | None = None
    intern: bool = False


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeOrganisasjon:
    """Asks for ``OrganisasjonEndret``. Only root may set ``kommunenr``, ``synlig`` and ``intern``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
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
class ClaimOrganisasjonsnummer:
    """Asks for ``OrganisasjonsnummerTildelt``, in the stream of ROOT, before the number is the organisation's own."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    eier_id: UUID
    orgnr: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeFaktura:
    """Asks for ``FakturaEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
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
class InitialiseTjeneste:
    """Asks for ``TjenesteInitialisert``. Where the service is there already, its resource is kept."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    tjeneste: str
    ressurs_id: UUID
    ressurstype: str
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ConfigureTjeneste:
    """Asks for ``TjenesteKonfigurert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    tjeneste: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateRessurs:
    """Asks for ``RessursOpprettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    ressurs_id: UUID
    forelder_id: UUID
    type: str
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RenameRessurs:
    """Asks for ``RessursEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    ressurs_id: UUID
    navn: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateIntegrasjon:
    """Asks for ``IntegrasjonOpprettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID
    autorisert_orgnr: str
    navn: str
    passord_hash: str
    beskrivelse: str | None = None
    opprettet: datetime | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeIntegrasjon:
    """Asks for ``IntegrasjonEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID
    autorisert_orgnr: str | None = None
    navn: str | None = None
    beskrivelse: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeleteIntegrasjon:
    """Asks for ``IntegrasjonSlettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class MakePassord:
    """Asks for ``PassordLaget``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID
    passord_hash: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AttachRessurs:
    """Asks for ``RessursTilknyttet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID
    ressurs_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DetachRessurs:
    """Asks for ``RessursFrakoblet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID
    ressurs_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeGlobalIntegrasjon:
    """Asks for ``GlobalIntegrasjonEndret``, in the stream of ROOT."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    integrasjon_id: UUID
    kode: str | None = None
    er_global: bool | None = None
    forespurte_privilegier: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class GrantPrivilegium:
    """Asks for ``PrivilegieTildelt``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str
    ressurs_id: UUID
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RevokePrivilegium:
    """Asks for ``PrivilegieTrukketTilbake``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str
    ressurs_id: UUID
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class GrantTypePrivilegium:
    """Asks for ``TypePrivilegieTildelt``, in the stream of ROOT."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str
    ressurstype: str
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RevokeTypePrivilegium:
    """Asks for ``TypePrivilegieTrukketTilbake``, in the stream of ROOT."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str
    ressurstype: str
    privilegium: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ActivateAktor:
    """Asks for ``AktorAktivert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeactivateAktor:
    """Asks for ``AktorDeaktivert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateKonto:
    """Asks for ``KontoOpprettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    tjeneste: str
    navn: str
    tags: tuple[str, ...] = ()
    opprettet: datetime | None = None
    opprettet_av: str | None = None
    for_konto_id: UUID | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RenameKonto:
    """Asks for ``KontoEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    navn: str
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class TagKonto:
    """Asks for ``KontoTagget``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    tag: str
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class UntagKonto:
    """Asks for ``KontoTagFjernet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    tag: str
    endret: datetime | None = None
    endret_av: str | None = None


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeleteKonto:
    """Asks for ``KontoSlettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    endret: datetime | None = None
    endret_av: str | None = None


KontoCommand = CreateKonto | RenameKonto | TagKonto | UntagKonto | DeleteKonto


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreatePerson:
    """Asks for ``PersonOpprettet``. ``som_rot`` is about something in the organisation, on which a right is given."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str
    opplysninger_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangePerson:
    """Asks for ``PersonopplysningerEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    aktor: str
    opplysninger_id: UUID


Command = (
    CreateOrganisasjon
    | ChangeOrganisasjon
    | ClaimOrganisasjonsnummer
    | ChangeFaktura
    | InitialiseTjeneste
    | ConfigureTjeneste
    | CreateRessurs
    | RenameRessurs
    | CreateIntegrasjon
    | ChangeIntegrasjon
    | DeleteIntegrasjon
    | MakePassord
    | AttachRessurs
    | DetachRessurs
    | ChangeGlobalIntegrasjon
    | GrantPrivilegium
    | RevokePrivilegium
    | GrantTypePrivilegium
    | RevokeTypePrivilegium
    | ActivateAktor
    | DeactivateAktor
    | CreatePerson
    | ChangePerson
    | KontoCommand
    | FiksIoKontoCommand
    | AdresseCommand
    | FiksProtokollCommand
)
