"""What is known of an account of Fiks IO beside its being a resource, and of addresses. Contract: fiks-io.md 1.5, 1.6.

**Which address counts.** Two active addresses clash when they have an identifier, a protocol and a level in common:
then a look-up would find both, whoever owns them. Streams of two organisations have no common order, so all that is
said of addresses lies in the stream of ROOT. Whoever is first there has it, and one call is one command, so that
nothing is half done. The price is that the right to change an address is judged by the memory of the gateway that asks,
not at a place on the log; the right to all else of an account is judged in the order of its owner's stream.

Knows no organisation: ``konfigurasjon`` says where both are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from schemas.fiks_io_konto import (
    AdresseAktivert,
    AdresseBeskrevet,
    AdresseDeaktivert,
    AdresseEvent,
    AdresseInnskrenket,
    AdresseOpprettet,
    AdresseSlettet,
    AdresseUtvidet,
    AvsenderAkseptert,
    AvsenderfilterEndret,
    AvsenderFjernet,
    FiksIoKontoEvent,
    KontoAktivert,
    KontoDeaktivert,
    OffentligNokkelFjernet,
    OffentligNokkelSatt,
    UnikKlientMeldingIdEndret,
)

TJENESTE = "FIKS_IO"
KONTO = "FIKS_IO_KONTO"
"""The type of the resource that an account is."""
SENDE_MOTTA = "SVARINN.SENDE_MOTTA"
KONFIGURERE = "SVARINN.KONFIGURERE"


@dataclass(frozen=True, slots=True)
class FiksIoKonto:
    """An account as it was set. ``pem`` is the certificate that content is encrypted for, ``avsendere`` the accounts
    that are accepted, which matters while ``avsenderfilter`` is on.
    """

    aktiv: bool = False
    pem: str | None = None
    avsendere: frozenset[UUID] = frozenset()
    avsenderfilter: bool = False
    unik_klient_melding_id: bool = False
    opprettet: datetime | None = None
    opprettet_av: str | None = None
    endret: datetime | None = None
    endret_av: str | None = None


@dataclass(frozen=True, slots=True)
class Adresse:
    """Where an account is found: by any of the identifiers, for any of the protocols, at any of the levels (1 to 4)."""

    id: UUID
    eier_id: UUID
    konto_id: UUID
    beskrivelse: str
    opprettet: datetime
    opprettet_av: str
    aktiv: bool = False
    identifikatorer: frozenset[str] = frozenset()
    meldingsprotokoller: frozenset[str] = frozenset()
    sikkerhetsnivaer: frozenset[int] = frozenset()
    endret: datetime | None = None
    endret_av: str | None = None

    @property
    def gyldig(self) -> bool:
        """Whether it says enough to be found."""
        return bool(self.identifikatorer and self.meldingsprotokoller and self.sikkerhetsnivaer)


def evolve(konto: FiksIoKonto, event: FiksIoKontoEvent) -> FiksIoKonto:
    """The account after the event."""
    now = replace(konto, endret=event.endret, endret_av=event.endret_av)
    match event:
        case KontoAktivert():
            return replace(now, aktiv=True)
        case KontoDeaktivert():
            return replace(now, aktiv=False)
        case OffentligNokkelSatt():
            return replace(now, pem=event.pem)
        case OffentligNokkelFjernet():
            return replace(now, pem=None)
        case AvsenderAkseptert():
            return replace(now, avsendere=konto.avsendere | {event.avsender_konto_id})
        case AvsenderFjernet():
            return replace(now, avsendere=konto.avsendere - {event.avsender_konto_id})
        case AvsenderfilterEndret():
            return replace(now, avsenderfilter=event.aktivert)
        case UnikKlientMeldingIdEndret():
            return replace(now, unik_klient_melding_id=event.aktivert)
        case _:
            assert_never(event)


def evolve_adresse(adresse: Adresse | None, event: AdresseEvent) -> Adresse | None:
    """The address after the event; None when there is none. What is said of one that does not exist is void."""
    if isinstance(event, AdresseOpprettet):
        return adresse or Adresse(
            event.adresse_id, event.eier_id, event.konto_id, event.beskrivelse, event.opprettet, event.opprettet_av
        )
    if adresse is None or isinstance(event, AdresseSlettet):
        return None
    now = replace(adresse, endret=event.endret, endret_av=event.endret_av)
    match event:
        case AdresseBeskrevet():
            return replace(now, beskrivelse=event.beskrivelse)
        case AdresseUtvidet():
            return extended(now, event.identifikatorer, event.meldingsprotokoller, event.sikkerhetsnivaer)
        case AdresseInnskrenket():
            return narrowed(now, event.identifikatorer, event.meldingsprotokoller, event.sikkerhetsnivaer)
        case AdresseAktivert():
            return replace(now, aktiv=True)
        case AdresseDeaktivert():
            return replace(now, aktiv=False)
        case _:
            assert_never(event)


def extended(
    adresse: Adresse,
    identifikatorer: Iterable[str] = (),
    meldingsprotokoller: Iterable[str] = (),
    sikkerhetsnivaer: Iterable[int] = (),
) -> Adresse:
    """The address, meaning these too."""
    return replace(
        adresse,
        identifikatorer=adresse.identifikatorer.union(identifikatorer),
        meldingsprotokoller=adresse.meldingsprotokoller.union(meldingsprotokoller),
        sikkerhetsnivaer=adresse.sikkerhetsnivaer.union(sikkerhetsnivaer),
    )


def narrowed(
    adresse: Adresse,
    identifikatorer: Iterable[str],
    meldingsprotokoller: Iterable[str],
    sikkerhetsnivaer: Iterable[int],
) -> Adresse:
    """The address, meaning none of these."""
    return replace(
        adresse,
        identifikatorer=adresse.identifikatorer.difference(identifikatorer),
        meldingsprotokoller=adresse.meldingsprotokoller.difference(meldingsprotokoller),
        sikkerhetsnivaer=adresse.sikkerhetsnivaer.difference(sikkerhetsnivaer),
    )


def common(one: Adresse, other: Adresse) -> Adresse:
    """``other``, meaning only what both mean."""
    return replace(
        other,
        identifikatorer=one.identifikatorer & other.identifikatorer,
        meldingsprotokoller=one.meldingsprotokoller & other.meldingsprotokoller,
        sikkerhetsnivaer=one.sikkerhetsnivaer & other.sikkerhetsnivaer,
    )


def clashes(adresser: Iterable[Adresse], adresse: Adresse) -> list[Adresse]:
    """What of other addresses, all active, would be found where ``adresse`` is."""
    shared = (common(adresse, one) for one in adresser if one.aktiv and one.id != adresse.id)
    return [one for one in shared if one.gyldig]
