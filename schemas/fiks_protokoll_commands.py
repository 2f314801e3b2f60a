"""What can be asked of the configuration of Fiks Protokoll; each is decided as ``schemas.konfigurasjon_commands`` says.

What a system asks of an account lies in the stream of the account's owner, since that decides who may send to it. Where
the system is of another organisation that stream does not know who may ask for it, so it takes the gateway's word: the
gateway asks only for somebody who may configure the system, as far as its memory has come.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schemas.catalogue import event
from schemas.fiks_protokoll import Protokollpart


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateProtokollSystem:
    """Asks for ``ProtokollSystemOpprettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    system_id: UUID
    integrasjon_id: UUID
    orgnummer: str
    navn: str
    beskrivelse: str
    eposter: tuple[str, ...]
    offentlig: bool
    konfigureres_av_integrasjon: bool
    passord_hash: str
    opprettet: datetime


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeProtokollSystem:
    """Asks for ``ProtokollSystemEndret``. Only who administrates the system may set what its integration may."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    system_id: UUID
    navn: str | None = None
    beskrivelse: str | None = None
    eposter: tuple[str, ...] | None = None
    offentlig: bool | None = None
    automatisk_godkjenning: bool | None = None
    leverandor_navn: str | None = None
    leverandor_kontaktpunkt: str | None = None
    orgnummer: str | None = None
    konfigureres_av_integrasjon: bool | None = None
    endret: datetime


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeleteProtokollSystem:
    """Asks for ``ProtokollSystemSlettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateProtokollKonto:
    """Asks for ``ProtokollKontoOpprettet``. The gateway has judged the certificate."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID
    navn: str
    beskrivelse: str
    protokoll: str
    parter: tuple[Protokollpart, ...]
    pem: str | None = None
    opprettet: datetime
    opprettet_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeProtokollKonto:
    """Asks for ``ProtokollKontoEndret``. The gateway has judged the certificate."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    navn: str | None = None
    beskrivelse: str | None = None
    parter: tuple[Protokollpart, ...] | None = None
    pem: str | None = None
    send_meldinger_deaktivert: bool | None = None
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeleteProtokollKonto:
    """Asks for ``ProtokollKontoSlettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class GrantTilgang:
    """Asks for ``ProtokollTilgangGitt``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RevokeTilgang:
    """Asks for ``ProtokollTilgangFjernet``, for the account."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeclineForesporsel:
    """Asks for ``ProtokollForesporselFjernet``, for the account."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RequestTilgang:
    """Asks, for the system, for ``ProtokollTilgangForespurt``; where requests are granted at once it is granted."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class WithdrawForesporsel:
    """Asks for ``ProtokollForesporselFjernet``, for the system."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class GiveUpTilgang:
    """Asks for ``ProtokollTilgangFjernet``, for the system."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    system_id: UUID


OfSystem = RequestTilgang | WithdrawForesporsel | GiveUpTilgang
"""What a system asks of an account that may be another organisation's."""
FiksProtokollCommand = (
    CreateProtokollSystem
    | ChangeProtokollSystem
    | DeleteProtokollSystem
    | CreateProtokollKonto
    | ChangeProtokollKonto
    | DeleteProtokollKonto
    | GrantTilgang
    | RevokeTilgang
    | DeclineForesporsel
    | OfSystem
)
