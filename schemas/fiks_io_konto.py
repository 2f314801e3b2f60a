"""What can be said about an account of Fiks IO beyond that it exists, and its addresses. Contract: fiks-io.md 1.5, 1.6.

That it exists says ``KontoOpprettet``. ``endret`` and ``endret_av`` say when and by whom, an actor as the log names it.
An address spans organisations, since no two that are active may mean the same: all that is said of one lies in the
stream of ROOT, whoever owns its account.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.catalogue import event


class Identifikatortype(StrEnum):
    """What kind of number an address is found by."""

    ORG_NO = "ORG_NO"
    NAVENHET_ID = "NAVENHET_ID"


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoAktivert:
    """An account sends and receives."""

    fiks_org_id: UUID
    konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class KontoDeaktivert:
    """An account neither sends nor receives until it is activated."""

    fiks_org_id: UUID
    konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class OffentligNokkelSatt:
    """Content for an account is encrypted for this certificate: ``pem``, as it was uploaded."""

    fiks_org_id: UUID
    konto_id: UUID
    pem: str
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class OffentligNokkelFjernet:
    """An account has no certificate, so it takes no content."""

    fiks_org_id: UUID
    konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AvsenderAkseptert:
    """An account takes messages from another, also where it filters its senders."""

    fiks_org_id: UUID
    konto_id: UUID
    avsender_konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AvsenderFjernet:
    """A sender is accepted no more."""

    fiks_org_id: UUID
    konto_id: UUID
    avsender_konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AvsenderfilterEndret:
    """Whether an account takes messages from accepted senders alone."""

    fiks_org_id: UUID
    konto_id: UUID
    aktivert: bool
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class UnikKlientMeldingIdEndret:
    """Whether who sends to the account again under the same ``klientMeldingId`` gets the first answer."""

    fiks_org_id: UUID
    konto_id: UUID
    aktivert: bool
    endret: datetime
    endret_av: str


# --- Addresses, in the stream of ROOT --------------------------------------------------------------------------------


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseOpprettet:
    """An address of the account ``konto_id`` of ``eier_id`` exists. It is not active and means nothing yet."""

    fiks_org_id: UUID
    adresse_id: UUID
    eier_id: UUID
    konto_id: UUID
    beskrivelse: str
    opprettet: datetime
    opprettet_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseBeskrevet:
    """An address has another description."""

    fiks_org_id: UUID
    adresse_id: UUID
    beskrivelse: str
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseUtvidet:
    """An address means more. An identifier is its type and number: ``ORG_NO.310991007``."""

    fiks_org_id: UUID
    adresse_id: UUID
    identifikatorer: tuple[str, ...] = ()
    meldingsprotokoller: tuple[str, ...] = ()
    sikkerhetsnivaer: tuple[int, ...] = ()
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseInnskrenket:
    """An address means less."""

    fiks_org_id: UUID
    adresse_id: UUID
    identifikatorer: tuple[str, ...] = ()
    meldingsprotokoller: tuple[str, ...] = ()
    sikkerhetsnivaer: tuple[int, ...] = ()
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseAktivert:
    """An address is found by whoever looks for it."""

    fiks_org_id: UUID
    adresse_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseDeaktivert:
    """An address is not found until it is activated."""

    fiks_org_id: UUID
    adresse_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AdresseSlettet:
    """An address exists no more."""

    fiks_org_id: UUID
    adresse_id: UUID


FiksIoKontoEvent = (
    KontoAktivert
    | KontoDeaktivert
    | OffentligNokkelSatt
    | OffentligNokkelFjernet
    | AvsenderAkseptert
    | AvsenderFjernet
    | AvsenderfilterEndret
    | UnikKlientMeldingIdEndret
)
AdresseEvent = (
    AdresseOpprettet
    | AdresseBeskrevet
    | AdresseUtvidet
    | AdresseInnskrenket
    | AdresseAktivert
    | AdresseDeaktivert
    | AdresseSlettet
)
