"""Who exists and who may what in one organisation: the pure fold of its stream on ``fiks.konfigurasjon``.

It never asks whether something may be done; that was decided before the event was on the log. What cannot be is void.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, reduce
from itertools import groupby
from typing import Any, TypeVar, assert_never
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas.fiks_io_konto import AdresseEvent, FiksIoKontoEvent
from schemas.fiks_protokoll import FiksProtokollEvent, ProtokollKontoOpprettet, ProtokollSystemOpprettet
from schemas.konfigurasjon import (
    AktorAktivert,
    AktorDeaktivert,
    FakturaEndret,
    GlobalIntegrasjonEndret,
    IntegrasjonEndret,
    IntegrasjonOpprettet,
    IntegrasjonSlettet,
    KommandoAvvist,
    KontoEndret,
    KontoOpprettet,
    KontoSlettet,
    KontoTagFjernet,
    KontoTagget,
    MottakersystemRegistrert,
    OrganisasjonEndret,
    OrganisasjonOpprettet,
    OrganisasjonsnummerTildelt,
    Organisasjonstype,
    PassordLaget,
    PersonopplysningerEndret,
    PersonOpprettet,
    PrivilegieTildelt,
    PrivilegieTrukketTilbake,
    RessursEndret,
    RessursFrakoblet,
    RessursOpprettet,
    RessursTilknyttet,
    TjenesteInitialisert,
    TjenesteKonfigurert,
    TypePrivilegieTildelt,
    TypePrivilegieTrukketTilbake,
)
from streams.domain import fiks_io_konto, fiks_protokoll
from streams.domain.changes import changed
from streams.domain.fiks_io_konto import Adresse, FiksIoKonto
from streams.domain.fiks_protokoll import FiksProtokoll

OrganisasjonEvent = OrganisasjonOpprettet | OrganisasjonEndret | OrganisasjonsnummerTildelt | FakturaEndret
RessursEvent = TjenesteInitialisert | TjenesteKonfigurert | RessursOpprettet | RessursEndret | KontoOpprettet
IntegrasjonEvent = (
    IntegrasjonOpprettet | IntegrasjonEndret | IntegrasjonSlettet | PassordLaget | GlobalIntegrasjonEndret
)
TilknytningEvent = RessursTilknyttet | RessursFrakoblet
RettighetEvent = (
    PrivilegieTildelt
    | PrivilegieTrukketTilbake
    | TypePrivilegieTildelt
    | TypePrivilegieTrukketTilbake
    | AktorDeaktivert
    | AktorAktivert
)
KontoEvent = KontoEndret | KontoTagget | KontoTagFjernet | KontoSlettet
KonfigurasjonEvent = (
    OrganisasjonEvent
    | RessursEvent
    | KontoEvent
    | FiksIoKontoEvent
    | AdresseEvent
    | IntegrasjonEvent
    | TilknytningEvent
    | RettighetEvent
    | PersonOpprettet
    | PersonopplysningerEndret
    | MottakersystemRegistrert
    | FiksProtokollEvent
    | KommandoAvvist
)

ORGANISASJON = "ORGANISASJON"
"""The type of the resource that an organisation is."""


@dataclass(frozen=True, slots=True)
class Organisasjon:
    """A Fiks organisation, called ``virksomhet`` too."""

    id: UUID
    navn: str
    orgnr: str | None = None
    type: Organisasjonstype = Organisasjonstype.UKJENT
    kommunenr: str | None = None
    intern: bool = False
    epost: tuple[str, ...] = ()
    innbyggerkontakt_epost: str | None = None
    avtaleadmin: str | None = None
    konfigurert: bool = False
    synlig: bool = True


@dataclass(frozen=True, slots=True)
class Ressurs:
    """Something that privileges are given on. ``sti`` is the way up: itself first, the organisation last."""

    id: UUID
    fiks_org_id: UUID
    type: str
    navn: str
    sti: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Konto:
    """What is known of an account beside its being a resource."""

    tags: frozenset[str] = frozenset()
    slettet: bool = False


@dataclass(frozen=True, slots=True)
class Tjeneste:
    """A service that the organisation has, and whether it is set up."""

    ressurs_id: UUID
    konfigurert: bool = False


@dataclass(frozen=True, slots=True)
class Integrasjon:
    """A machine that may call. ``autorisert_orgnr`` must be the consumer of its token; ``passord_hash`` is Argon2."""

    id: UUID
    fiks_org_id: UUID
    autorisert_orgnr: str
    navn: str
    passord_hash: str = field(repr=False)
    beskrivelse: str | None = None
    opprettet: datetime | None = None
    slettet: bool = False


@dataclass(frozen=True, slots=True)
class GlobalIntegrasjon:
    """How an integration is offered to all organisations."""

    kode: str | None = None
    er_global: bool = False
    forespurte_privilegier: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mottakersystem:
    """A system that fetches forsendelser to ``orgnr``; no type or no level means all. Contract: svarut.md 7.3."""

    id: UUID
    fiks_org_id: UUID
    navn: str
    orgnr: str
    forsendelsestype: str | None
    niva: int | None


Privilegier = Mapping[UUID, frozenset[str]]


class Virksomhet(Struct, frozen=True):
    """All that an organisation's stream says. ``typerettigheter``, ``globale``, ``adresser`` and ``organisasjonsnumre``
    (whose each number is) are set in the stream of ROOT alone.

    ``rettigheter`` are privileges by actor and resource, as they were granted: inheritance is ``rettigheter.holds``.
    ``tilknyttet`` are the resources that an integration, own or global, is attached to. ``kontoer`` are the accounts of
    which more is known than their resources tell, ``fiks_io_kontoer`` what is set of those of Fiks IO.
    The maps are never changed, each state has its own: those that change often are small.
    """

    organisasjon: Organisasjon | None = None
    faktura: FakturaEndret | None = None
    tjenester: dict[str, Tjeneste] = {}
    ressurser: dict[UUID, Ressurs] = {}
    integrasjoner: dict[UUID, Integrasjon] = {}
    rettigheter: dict[str, dict[UUID, frozenset[str]]] = {}
    inaktive: frozenset[str] = frozenset()
    tilknyttet: dict[UUID, frozenset[UUID]] = {}
    mottakersystemer: tuple[Mottakersystem, ...] = ()
    typerettigheter: dict[str, dict[str, frozenset[str]]] = {}
    globale: dict[UUID, GlobalIntegrasjon] = {}
    kontoer: dict[UUID, Konto] = {}
    fiks_io_kontoer: dict[UUID, FiksIoKonto] = {}
    adresser: dict[UUID, Adresse] = {}
    organisasjonsnumre: dict[str, UUID] = {}
    protokoll: FiksProtokoll = FiksProtokoll()


def integrasjon_aktor(integrasjon_id: UUID) -> str:
    """How the log names an integration that acts."""
    return f"integrasjon:{integrasjon_id}"


def evolve(state: Virksomhet, event: KonfigurasjonEvent) -> Virksomhet:
    """The organisation after an event of its stream."""
    if isinstance(event, RettighetEvent):
        return _with_right(state, event)
    if isinstance(event, IntegrasjonEvent):
        return _with_integrasjon(state, event)
    if isinstance(event, RessursEvent):
        return _with_ressurs(state, event)
    if isinstance(event, KontoEvent):
        return _with_konto(state, event)
    if isinstance(event, FiksIoKontoEvent):
        return _with_fiks_io_konto(state, event)
    if isinstance(event, AdresseEvent):
        return _with_adresse(state, event)
    if isinstance(event, OrganisasjonEvent):
        return _with_organisasjon(state, event)
    if isinstance(event, FiksProtokollEvent):
        return _with_protokoll(state, event)
    match event:
        case RessursTilknyttet() | RessursFrakoblet():
            return _with_tilknytning(state, event)
        case MottakersystemRegistrert():
            return _with_mottakersystem(state, event)
        case KommandoAvvist() | PersonOpprettet() | PersonopplysningerEndret():  # of persons: streams.domain.personer
            return state
        case _:
            assert_never(event)


def evolve_all(state: Virksomhet, events: Iterable[KonfigurasjonEvent]) -> Virksomhet:
    """The organisation after these events of its stream: as one after the other, but rights that are given in a row are
    put into one new map. A map for each would make the time grow with the square of an organisation's size.
    """
    for kind, run in groupby(events, type):
        if kind is PrivilegieTildelt:
            state = _but(state, rettigheter=_with_grants(state, run))  # type: ignore[arg-type]  # all are of that type
        else:
            state = reduce(evolve, run, state)
    return state


def _with_organisasjon(state: Virksomhet, event: OrganisasjonEvent) -> Virksomhet:
    match event:
        case OrganisasjonOpprettet():
            if state.organisasjon is not None:
                return state
            id_, navn = event.fiks_org_id, event.navn
            made = Organisasjon(id_, navn, event.orgnr, event.type, event.kommunenr, event.intern)
            return _new_ressurs(_but(state, organisasjon=made), Ressurs(id_, id_, ORGANISASJON, navn, (id_,)))
        case OrganisasjonEndret():
            if state.organisasjon is None:
                return state
            now = changed(state.organisasjon, event)
            above = replace(state.ressurser[now.id], navn=now.navn)
            return _but(state, organisasjon=now, ressurser={**state.ressurser, now.id: above})
        case OrganisasjonsnummerTildelt(eier_id=owner):
            if state.organisasjonsnumre.get(event.orgnr, owner) != owner:
                return state
            others = {orgnr: of for orgnr, of in state.organisasjonsnumre.items() if of != owner}
            return _but(state, organisasjonsnumre={**others, event.orgnr: owner})
        case FakturaEndret():
            return _but(state, faktura=event)
        case _:
            assert_never(event)


def _with_ressurs(state: Virksomhet, event: RessursEvent) -> Virksomhet:
    match event:
        case KontoOpprettet(fiks_org_id=owner):
            tjeneste = state.tjenester.get(event.tjeneste.upper())
            sti = (event.konto_id, *_way_up(state, owner, tjeneste.ressurs_id if tjeneste else owner))
            kind = f"{event.tjeneste.upper()}_KONTO"
            if event.tags and event.konto_id not in state.ressurser:
                state = _but(state, kontoer={**state.kontoer, event.konto_id: Konto(frozenset(event.tags))})
            if kind == fiks_io_konto.KONTO and event.konto_id not in state.ressurser:
                io = FiksIoKonto(opprettet=event.opprettet, opprettet_av=event.opprettet_av)
                state = _with_io(state, event.konto_id, io)
            return _new_ressurs(state, Ressurs(event.konto_id, owner, kind, event.navn, sti))
        case RessursOpprettet(fiks_org_id=owner):
            sti = (event.ressurs_id, *_way_up(state, owner, event.forelder_id))
            return _new_ressurs(state, Ressurs(event.ressurs_id, owner, event.type, event.navn, sti))
        case RessursEndret():
            if (known := state.ressurser.get(event.ressurs_id)) is None:
                return state
            return _but(state, ressurser={**state.ressurser, known.id: replace(known, navn=event.navn)})
        case TjenesteInitialisert(fiks_org_id=owner, ressurs_id=id_):
            if event.tjeneste in state.tjenester:
                return state
            had = _but(state, tjenester={**state.tjenester, event.tjeneste: Tjeneste(id_)})
            return _new_ressurs(had, Ressurs(id_, owner, event.ressurstype, event.navn, (id_, owner)))
        case TjenesteKonfigurert():
            if (had_one := state.tjenester.get(event.tjeneste)) is None:
                return state
            return _but(state, tjenester={**state.tjenester, event.tjeneste: replace(had_one, konfigurert=True)})
        case _:
            assert_never(event)


def _with_konto(state: Virksomhet, event: KontoEvent) -> Virksomhet:
    known, konto = state.ressurser.get(event.konto_id), state.kontoer.get(event.konto_id, Konto())
    if known is None or konto.slettet:
        return state
    match event:
        case KontoEndret():
            if event.endret is not None and (io := state.fiks_io_kontoer.get(known.id)) is not None:
                state = _with_io(state, known.id, replace(io, endret=event.endret, endret_av=event.endret_av))
            return _but(state, ressurser={**state.ressurser, known.id: replace(known, navn=event.navn)})
        case KontoTagget():
            now = replace(konto, tags=konto.tags | {event.tag})
        case KontoTagFjernet():
            now = replace(konto, tags=konto.tags - {event.tag})
        case KontoSlettet():
            now = replace(konto, slettet=True)
        case _:
            assert_never(event)
    return _but(state, kontoer={**state.kontoer, known.id: now})


def _with_fiks_io_konto(state: Virksomhet, event: FiksIoKontoEvent) -> Virksomhet:
    known = state.fiks_io_kontoer.get(event.konto_id)
    if known is None or state.kontoer.get(event.konto_id, Konto()).slettet:
        return state
    return _with_io(state, event.konto_id, fiks_io_konto.evolve(known, event))


def _with_io(state: Virksomhet, konto_id: UUID, io: FiksIoKonto) -> Virksomhet:
    return _but(state, fiks_io_kontoer={**state.fiks_io_kontoer, konto_id: io})


def _with_adresse(state: Virksomhet, event: AdresseEvent) -> Virksomhet:
    now = fiks_io_konto.evolve_adresse(state.adresser.get(event.adresse_id), event)
    others = {id_: one for id_, one in state.adresser.items() if id_ != event.adresse_id}
    return _but(state, adresser=others if now is None else {**others, now.id: now})


def _with_integrasjon(state: Virksomhet, event: IntegrasjonEvent) -> Virksomhet:
    id_ = event.integrasjon_id
    if isinstance(event, GlobalIntegrasjonEndret):
        offered = changed(state.globale.get(id_, GlobalIntegrasjon()), event)
        return _but(state, globale={**state.globale, id_: offered})
    known = state.integrasjoner.get(id_)
    if isinstance(event, IntegrasjonOpprettet):
        return state if known else _with_one(state, _integrasjon(event))
    if known is None or known.slettet:
        return state
    match event:
        case IntegrasjonEndret():
            return _with_one(state, changed(known, event))
        case PassordLaget():
            return _with_one(state, replace(known, passord_hash=event.passord_hash))
        case IntegrasjonSlettet():
            return _without(_with_one(state, replace(known, slettet=True)), integrasjon_aktor(id_))
        case _:
            assert_never(event)


def _integrasjon(event: IntegrasjonOpprettet) -> Integrasjon:
    return Integrasjon(
        event.integrasjon_id,
        event.fiks_org_id,
        event.autorisert_orgnr,
        event.navn,
        event.passord_hash,
        event.beskrivelse,
        event.opprettet,
    )


def _with_one(state: Virksomhet, integrasjon: Integrasjon) -> Virksomhet:
    return _but(state, integrasjoner={**state.integrasjoner, integrasjon.id: integrasjon})


def _with_right(state: Virksomhet, event: RettighetEvent) -> Virksomhet:
    aktor = event.aktor
    match event:
        case PrivilegieTildelt():
            return _but(state, rettigheter=_with_grants(state, (event,)))
        case PrivilegieTrukketTilbake():
            taken = _revoked(state.rettigheter, aktor, event.ressurs_id, event.privilegium)
            return _but(state, rettigheter=taken)
        case TypePrivilegieTildelt():
            given = _granted(state.typerettigheter, aktor, event.ressurstype, event.privilegium)
            return _but(state, typerettigheter=given)
        case TypePrivilegieTrukketTilbake():
            left = _revoked(state.typerettigheter, aktor, event.ressurstype, event.privilegium)
            return _but(state, typerettigheter=left)
        case AktorDeaktivert():
            return _without(state, aktor)
        case AktorAktivert():
            return _but(state, inaktive=state.inaktive - {aktor})
        case _:
            assert_never(event)


def _with_grants(state: Virksomhet, grants: Iterable[PrivilegieTildelt]) -> Rights[UUID]:
    rights, own = state.rettigheter.copy(), dict[str, dict[UUID, frozenset[str]]]()
    for grant in grants:
        aktor, on = grant.aktor, grant.ressurs_id
        if aktor in state.inaktive:
            continue
        if (held := own.get(aktor)) is None:
            held = rights[aktor] = own[aktor] = rights.get(aktor, {}).copy()
        if (known := state.ressurser.get(on)) is not None:
            on = known.id  # one object an id: half a million of them are remembered
        held[on] = _more(held.get(on, NOTHING), grant.privilegium)
    return rights


def _with_protokoll(state: Virksomhet, event: FiksProtokollEvent) -> Virksomhet:
    if not fiks_protokoll.counts(state.protokoll, event) or _is_taken(state, event):
        return state
    tjeneste = state.tjenester.get(fiks_protokoll.TJENESTE)
    for one in fiks_protokoll.implied(state.protokoll, event, tjeneste.ressurs_id if tjeneste else event.fiks_org_id):
        state = evolve(state, one)
    if isinstance(event, ProtokollKontoOpprettet):
        io = FiksIoKonto(True, event.pem, opprettet=event.opprettet, opprettet_av=event.opprettet_av)
        state = _with_io(state, event.konto_id, io)
    return _but(state, protokoll=fiks_protokoll.evolve(state.protokoll, event))


def _is_taken(state: Virksomhet, event: FiksProtokollEvent) -> bool:
    """Whether what is to exist by the event has an id that something else has."""
    match event:
        case ProtokollSystemOpprettet():
            return event.system_id in state.ressurser or event.integrasjon_id in state.integrasjoner
        case ProtokollKontoOpprettet():
            return event.konto_id in state.ressurser
        case _:
            return False


def _with_tilknytning(state: Virksomhet, event: TilknytningEvent) -> Virksomhet:
    had = state.tilknyttet.get(event.integrasjon_id, frozenset())
    has = had | {event.ressurs_id} if isinstance(event, RessursTilknyttet) else had - {event.ressurs_id}
    return _but(state, tilknyttet={**state.tilknyttet, event.integrasjon_id: has})


def _with_mottakersystem(state: Virksomhet, event: MottakersystemRegistrert) -> Virksomhet:
    owner, takes = event.fiks_org_id, (event.orgnr, event.forsendelsestype, event.niva)
    if any((one.orgnr, one.forsendelsestype, one.niva) == takes for one in state.mottakersystemer):
        return state
    made = Mottakersystem(event.mottakersystem_id, owner, event.navn, *takes)
    return _but(state, mottakersystemer=(*state.mottakersystemer, made))


def _way_up(state: Virksomhet, owner: UUID, forelder_id: UUID) -> tuple[UUID, ...]:
    """The way up from a parent; what has no parent in this organisation lies directly below it."""
    known = state.ressurser.get(forelder_id)
    return known.sti if known else (owner,)


def _new_ressurs(state: Virksomhet, ressurs: Ressurs) -> Virksomhet:
    """The state with ``ressurs``, unless its id is taken: the first on the log counts."""
    if ressurs.id in state.ressurser:
        return state
    return _but(state, ressurser={**state.ressurser, ressurs.id: ressurs})


def _without(state: Virksomhet, aktor: str) -> Virksomhet:
    return _but(state, rettigheter=_less(state.rettigheter, aktor), inaktive=state.inaktive | {aktor})


K = TypeVar("K")
Rights = dict[str, dict[K, frozenset[str]]]
NOTHING: frozenset[str] = frozenset()


def _granted(rights: Rights[K], aktor: str, on: K, privilegium: str) -> Rights[K]:
    held = rights.get(aktor, {})
    return {**rights, aktor: {**held, on: _more(held.get(on, frozenset()), privilegium)}}


def _revoked(rights: Rights[K], aktor: str, on: K, privilegium: str) -> Rights[K]:
    held = dict(rights.get(aktor, {}))
    if left := held.pop(on, frozenset()) - {privilegium}:
        held[on] = left
    return {**rights, aktor: held} if held else _less(rights, aktor)


def _less(rights: Rights[K], aktor: str) -> Rights[K]:
    left = dict(rights)
    left.pop(aktor, None)
    return left


def sharing(state: Virksomhet) -> Virksomhet:
    """The same state as the fold makes it: one object for each id and each set of privileges that is held often."""
    ids = {id_: id_ for id_ in state.ressurser}
    return _but(
        state,
        rettigheter={
            aktor: {ids.get(on, on): _same(privilegier) for on, privilegier in held.items()}
            for aktor, held in state.rettigheter.items()
        },
    )


@lru_cache(4096)
def _same(held: frozenset[str]) -> frozenset[str]:
    return held


@lru_cache(4096)
def _more(held: frozenset[str], privilegium: str) -> frozenset[str]:
    """One object for each set of privileges: there are few, and many who hold them."""
    return held | {privilegium}


def _but(state: Virksomhet, **other: Any) -> Virksomhet:
    return msgspec.structs.replace(state, **other)
