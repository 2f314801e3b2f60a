"""What can be said about systems and accounts of Fiks Protokoll, and who may send to whom. Contract: fiks-io.md 5.

A system is a resource with one integration, and below it lies each of its accounts, with the id of the account of Fiks
IO that it is. ``opprettet`` and ``endret`` say when.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schemas.catalogue import event, part


@part
class Protokollpart:
    """A part of a protocol, in one version of it."""

    navn: str
    versjon: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollSystemOpprettet:
    """A system exists, and with it its integration, which sends and receives with all accounts of the system.

    The integration configures them too if ``konfigureres_av_integrasjon``. The hash is as in ``IntegrasjonOpprettet``.
    """

    fiks_org_id: UUID
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
class ProtokollSystemEndret:
    """A system has other properties; those that are null stay as they were.

    ``orgnummer`` is whose tokens its integration calls with.
    """

    fiks_org_id: UUID
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
class ProtokollSystemSlettet:
    """A system exists no more, nor does its integration."""

    fiks_org_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollKontoOpprettet:
    """A system has an account, which sends and receives as ``parter`` of ``protokoll``.

    With it the account of Fiks IO of the same id exists, activated. Content is encrypted for the certificate ``pem``.
    """

    fiks_org_id: UUID
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
class ProtokollKontoEndret:
    """An account has other properties; those that are null stay as they were.

    One with ``send_meldinger_deaktivert`` only receives.
    """

    fiks_org_id: UUID
    konto_id: UUID
    navn: str | None = None
    beskrivelse: str | None = None
    parter: tuple[Protokollpart, ...] | None = None
    pem: str | None = None
    send_meldinger_deaktivert: bool | None = None
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollKontoSlettet:
    """An account exists no more, nor does that of Fiks IO."""

    fiks_org_id: UUID
    konto_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollTilgangForespurt:
    """A system, of whatever organisation, has asked to send to an account. In the stream of the account's owner."""

    fiks_org_id: UUID
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollForesporselFjernet:
    """A system asks no more: it took that back, or was told no."""

    fiks_org_id: UUID
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollTilgangGitt:
    """An account takes messages from a system, of whatever organisation."""

    fiks_org_id: UUID
    konto_id: UUID
    system_id: UUID


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ProtokollTilgangFjernet:
    """An account takes messages from a system no more."""

    fiks_org_id: UUID
    konto_id: UUID
    system_id: UUID


ProtokollSystemEvent = ProtokollSystemOpprettet | ProtokollSystemEndret | ProtokollSystemSlettet
ProtokollKontoEvent = ProtokollKontoOpprettet | ProtokollKontoEndret | ProtokollKontoSlettet
ProtokollTilgangEvent = (
    ProtokollTilgangForespurt | ProtokollForesporselFjernet | ProtokollTilgangGitt | ProtokollTilgangFjernet
)
FiksProtokollEvent = ProtokollSystemEvent | ProtokollKontoEvent | ProtokollTilgangEvent
