"""Systems and accounts of Fiks Protokoll, and who may send to whom: the pure fold of one organisation's part of it.

What an event means beyond that (a resource, an integration, its rights, an account of Fiks IO) is what other events
mean that say it alone: ``implied`` names them, and ``konfigurasjon`` folds them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar, assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.fiks_io_konto import OffentligNokkelSatt
from schemas.fiks_protokoll import (
    FiksProtokollEvent,
    ProtokollForesporselFjernet,
    ProtokollKontoEndret,
    ProtokollKontoEvent,
    ProtokollKontoOpprettet,
    ProtokollKontoSlettet,
    Protokollpart,
    ProtokollSystemEndret,
    ProtokollSystemEvent,
    ProtokollSystemOpprettet,
    ProtokollSystemSlettet,
    ProtokollTilgangEvent,
    ProtokollTilgangFjernet,
    ProtokollTilgangForespurt,
    ProtokollTilgangGitt,
)
from schemas.konfigurasjon import (
    IntegrasjonEndret,
    IntegrasjonOpprettet,
    IntegrasjonSlettet,
    KontoEndret,
    KontoOpprettet,
    KontoSlettet,
    PrivilegieTildelt,
    PrivilegieTrukketTilbake,
    RessursEndret,
    RessursOpprettet,
)
from streams.domain.changes import changed
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_konto import KONFIGURERE, KONTO, SENDE_MOTTA

TJENESTE = "FIKS_PROTOKOLL"
SYSTEM = "FIKS_PROTOKOLL_SYSTEM"
"""The type of the resource that a system is; an account is that of Fiks IO."""
KONFIGURER = "FIKS.KONFIGURER"
KONFIGURERENDE = (KONFIGURER, KONFIGURERE)
"""What an integration holds that configures its system: by this API, and keys by that of Fiks IO."""


T = TypeVar("T")


class Tilgang(StrEnum):
    """What there is between an account and a system that does not own it."""

    FORESPURT = "FORESPURT"
    GITT = "GITT"


@dataclass(frozen=True, slots=True)
class ProtokollSystem:
    """A system. Its name is that of its resource; its orgnummer and what it may are those of its integration."""

    integrasjon_id: UUID
    beskrivelse: str
    eposter: tuple[str, ...]
    offentlig: bool
    opprettet: datetime
    automatisk_godkjenning: bool = False
    leverandor_navn: str | None = None
    leverandor_kontaktpunkt: str | None = None
    endret: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProtokollKonto:
    """An account of a system. Its name is that of its resource."""

    system_id: UUID
    beskrivelse: str
    protokoll: str
    parter: tuple[Protokollpart, ...]
    opprettet: datetime
    send_meldinger_deaktivert: bool = False
    endret: datetime | None = None


class FiksProtokoll(Struct, frozen=True):
    """What an organisation's stream says of Fiks Protokoll. ``tilganger`` are by account, then by system of anybody.

    What was said of an account that exists no more still stands, and means nothing.
    """

    systemer: dict[UUID, ProtokollSystem] = {}
    kontoer: dict[UUID, ProtokollKonto] = {}
    tilganger: dict[UUID, dict[UUID, Tilgang]] = {}


def counts(state: FiksProtokoll, event: FiksProtokollEvent) -> bool:
    """Whether what the event is about exists. What is said of anything else is void."""
    match event:
        case ProtokollSystemOpprettet():
            return event.system_id not in state.systemer
        case ProtokollKontoOpprettet():
            return event.system_id in state.systemer and event.konto_id not in state.kontoer
        case ProtokollSystemEndret() | ProtokollSystemSlettet():
            return event.system_id in state.systemer
        case _:
            return event.konto_id in state.kontoer


def implied(state: FiksProtokoll, event: FiksProtokollEvent, service: UUID) -> Iterator[Any]:
    """The events that say alone what this one, which counts, says too. Systems lie below the resource ``service``."""
    of = event.fiks_org_id
    match event:
        case ProtokollSystemOpprettet(system_id=id_, integrasjon_id=integrasjon_id):
            yield RessursOpprettet(fiks_org_id=of, ressurs_id=id_, forelder_id=service, type=SYSTEM, navn=event.navn)
            yield IntegrasjonOpprettet(
                fiks_org_id=of,
                integrasjon_id=integrasjon_id,
                autorisert_orgnr=event.orgnummer,
                navn=event.navn,
                passord_hash=event.passord_hash,
                opprettet=event.opprettet,
            )
            held = (SENDE_MOTTA, *(KONFIGURERENDE if event.konfigureres_av_integrasjon else ()))
            yield from _rights(PrivilegieTildelt, event, integrasjon_id, held)
        case ProtokollSystemEndret(system_id=id_):
            integrasjon_id = state.systemer[id_].integrasjon_id
            if event.navn is not None:
                yield RessursEndret(fiks_org_id=of, ressurs_id=id_, navn=event.navn)
            if event.orgnummer is not None:
                yield IntegrasjonEndret(fiks_org_id=of, integrasjon_id=integrasjon_id, autorisert_orgnr=event.orgnummer)
            if event.konfigureres_av_integrasjon is not None:
                change = PrivilegieTildelt if event.konfigureres_av_integrasjon else PrivilegieTrukketTilbake
                yield from _rights(change, event, integrasjon_id, KONFIGURERENDE)
        case ProtokollSystemSlettet(system_id=id_):
            yield IntegrasjonSlettet(fiks_org_id=of, integrasjon_id=state.systemer[id_].integrasjon_id)
        case ProtokollKontoOpprettet(konto_id=id_, system_id=system_id):
            yield RessursOpprettet(fiks_org_id=of, ressurs_id=id_, forelder_id=system_id, type=KONTO, navn=event.navn)
            yield KontoOpprettet(
                fiks_org_id=of,
                konto_id=dokumentlager_konto_of(id_),
                tjeneste="DOKUMENTLAGER",
                navn=event.navn,
                for_konto_id=id_,
            )
        case ProtokollKontoEndret(konto_id=id_):
            by: dict[str, Any] = {"endret": event.endret, "endret_av": event.endret_av}
            if event.navn is not None:
                yield KontoEndret(fiks_org_id=of, konto_id=id_, navn=event.navn, **by)
            if event.pem is not None:
                yield OffentligNokkelSatt(fiks_org_id=of, konto_id=id_, pem=event.pem, **by)
        case ProtokollKontoSlettet(konto_id=id_):
            yield KontoSlettet(fiks_org_id=of, konto_id=id_)
        case _:
            return


def _rights(
    change: type[PrivilegieTildelt | PrivilegieTrukketTilbake],
    event: ProtokollSystemOpprettet | ProtokollSystemEndret,
    integrasjon_id: UUID,
    privilegier: tuple[str, ...],
) -> Iterator[PrivilegieTildelt | PrivilegieTrukketTilbake]:
    for one in privilegier:
        yield change(
            fiks_org_id=event.fiks_org_id,
            aktor=f"integrasjon:{integrasjon_id}",
            ressurs_id=event.system_id,
            privilegium=one,
        )


def evolve(state: FiksProtokoll, event: FiksProtokollEvent) -> FiksProtokoll:
    """The state after an event that counts."""
    if isinstance(event, ProtokollSystemEvent):
        return replace(state, systemer=_put(state.systemer, event.system_id, _system(state, event)))
    if isinstance(event, ProtokollKontoEvent):
        return replace(state, kontoer=_put(state.kontoer, event.konto_id, _konto(state, event)))
    between = state.tilganger.get(event.konto_id, {})
    now = _put(between, event.system_id, _tilgang(between.get(event.system_id), event))
    return replace(state, tilganger=_put(state.tilganger, event.konto_id, now or None))


def _system(state: FiksProtokoll, event: ProtokollSystemEvent) -> ProtokollSystem | None:
    match event:
        case ProtokollSystemOpprettet():
            return ProtokollSystem(
                event.integrasjon_id, event.beskrivelse, event.eposter, event.offentlig, event.opprettet
            )
        case ProtokollSystemEndret():
            return changed(state.systemer[event.system_id], event)
        case ProtokollSystemSlettet():
            return None
        case _:
            assert_never(event)


def _konto(state: FiksProtokoll, event: ProtokollKontoEvent) -> ProtokollKonto | None:
    match event:
        case ProtokollKontoOpprettet():
            return ProtokollKonto(event.system_id, event.beskrivelse, event.protokoll, event.parter, event.opprettet)
        case ProtokollKontoEndret():
            return changed(state.kontoer[event.konto_id], event)
        case ProtokollKontoSlettet():
            return None
        case _:
            assert_never(event)


def _tilgang(known: Tilgang | None, event: ProtokollTilgangEvent) -> Tilgang | None:
    match event:
        case ProtokollTilgangForespurt():
            return known or Tilgang.FORESPURT
        case ProtokollForesporselFjernet():
            return None if known is Tilgang.FORESPURT else known
        case ProtokollTilgangGitt():
            return Tilgang.GITT
        case ProtokollTilgangFjernet():
            return None if known is Tilgang.GITT else known
        case _:
            assert_never(event)


def _put(known: dict[UUID, T], id_: UUID, one: T | None) -> dict[UUID, T]:
    """The map with that one, or without it."""
    others = {key: value for key, value in known.items() if key != id_}
    return others if one is None else {**others, id_: one}
