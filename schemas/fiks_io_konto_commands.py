"""What can be asked of an account of Fiks IO, in the way of ``konfigurasjon_commands``.

What is asked of an address lies in the stream of ROOT. That stream does not know who may what elsewhere, so it takes
the gateway's word: it asks only for somebody who may configure the account, as far as its memory has come.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schemas.catalogue import event


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ActivateKonto:
    """Asks for ``KontoAktivert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeactivateKonto:
    """Asks for ``KontoDeaktivert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class SetOffentligNokkel:
    """Asks for ``OffentligNokkelSatt``. The gateway has judged the certificate."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    pem: str
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RemoveOffentligNokkel:
    """Asks for ``OffentligNokkelFjernet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class AcceptAvsender:
    """Asks for ``AvsenderAkseptert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    avsender_konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class RemoveAvsender:
    """Asks for ``AvsenderFjernet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    avsender_konto_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeAvsenderfilter:
    """Asks for ``AvsenderfilterEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    aktivert: bool
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ChangeUnikKlientMeldingId:
    """Asks for ``UnikKlientMeldingIdEndret``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    konto_id: UUID
    aktivert: bool
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class CreateAdresse:
    """Asks for ``AdresseOpprettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID
    eier_id: UUID
    konto_id: UUID
    beskrivelse: str
    opprettet: datetime
    opprettet_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DescribeAdresse:
    """Asks for ``AdresseBeskrevet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID
    beskrivelse: str
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ExtendAdresse:
    """Asks for ``AdresseUtvidet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID
    identifikatorer: tuple[str, ...] = ()
    meldingsprotokoller: tuple[str, ...] = ()
    sikkerhetsnivaer: tuple[int, ...] = ()
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class NarrowAdresse:
    """Asks for ``AdresseInnskrenket``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID
    identifikatorer: tuple[str, ...] = ()
    meldingsprotokoller: tuple[str, ...] = ()
    sikkerhetsnivaer: tuple[int, ...] = ()
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class ActivateAdresse:
    """Asks for ``AdresseAktivert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeactivateAdresse:
    """Asks for ``AdresseDeaktivert``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID
    endret: datetime
    endret_av: str


@event(topic="fiks.konfigurasjon", stream="fiks_org_id")
class DeleteAdresse:
    """Asks for ``AdresseSlettet``."""

    fiks_org_id: UUID
    av: str
    som_rot: bool = False
    adresse_id: UUID


FiksIoKontoCommand = (
    ActivateKonto
    | DeactivateKonto
    | SetOffentligNokkel
    | RemoveOffentligNokkel
    | AcceptAvsender
    | RemoveAvsender
    | ChangeAvsenderfilter
    | ChangeUnikKlientMeldingId
)
AdresseCommand = (
    CreateAdresse
    | DescribeAdresse
    | ExtendAdresse
    | NarrowAdresse
    | ActivateAdresse
    | DeactivateAdresse
    | DeleteAdresse
)
