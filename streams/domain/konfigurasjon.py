"""Who exists and who may what: the pure fold of ``fiks.konfigurasjon``.

The topic is ordered within an organisation only, so the fold must not mind how organisations are interleaved, nor
repeats. It never decides whether a right may be given; that was done before the event was on the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeVar, assert_never
from uuid import UUID

from rpds import HashTrieMap, HashTrieSet

from schemas.konfigurasjon import (
    IntegrasjonOpprettet,
    KontoOpprettet,
    MottakersystemRegistrert,
    OrganisasjonOpprettet,
    PrivilegieTildelt,
)

KonfigurasjonEvent = (
    OrganisasjonOpprettet | IntegrasjonOpprettet | KontoOpprettet | PrivilegieTildelt | MottakersystemRegistrert
)


@dataclass(frozen=True, slots=True)
class Organisasjon:
    """A Fiks organisation. It is its own owner."""

    id: UUID
    fiks_org_id: UUID
    orgnr: str
    navn: str


@dataclass(frozen=True, slots=True)
class Integrasjon:
    """A machine that may call. ``autorisert_orgnr`` must be the consumer of its token; ``passord_hash`` is Argon2."""

    id: UUID
    fiks_org_id: UUID
    autorisert_orgnr: str
    navn: str
    passord_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Konto:
    """An account of a service, the resource that privileges are given on."""

    id: UUID
    fiks_org_id: UUID
    tjeneste: str
    navn: str


@dataclass(frozen=True, slots=True)
class Mottakersystem:
    """A system that fetches forsendelser."""

    id: UUID
    fiks_org_id: UUID
    navn: str


class Tildeling(NamedTuple):
    """A privilege that an organisation gave to an integration on a resource."""

    fiks_org_id: UUID
    integrasjon_id: UUID
    ressurs_id: UUID
    privilegium: str


class Rute(NamedTuple):
    """What a mottakersystem takes; no type or no level means all. Contract: svarut.md 7.3."""

    orgnr: str
    forsendelsestype: str | None
    niva: int | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything folded, in persistent maps: the next state shares what did not change, and every lookup is O(1)."""

    organisasjoner: HashTrieMap[UUID, Organisasjon] = field(default_factory=HashTrieMap)
    integrasjoner: HashTrieMap[UUID, Integrasjon] = field(default_factory=HashTrieMap)
    kontoer: HashTrieMap[UUID, Konto] = field(default_factory=HashTrieMap)
    tildelinger: HashTrieSet[Tildeling] = field(default_factory=HashTrieSet)
    ruter: HashTrieMap[Rute, Mottakersystem] = field(default_factory=HashTrieMap)

    def has(self, integrasjon_id: UUID, ressurs_id: UUID, privilegium: str) -> bool:
        """Whether the integration holds the privilege, given by the organisation that owns the resource."""
        konto = self.kontoer.get(ressurs_id)
        if konto is None:
            return False
        return Tildeling(konto.fiks_org_id, integrasjon_id, ressurs_id, privilegium) in self.tildelinger

    def mottakersystem(self, orgnr: str, forsendelsestype: str | None, niva: int) -> Mottakersystem | None:
        """The system that takes forsendelser to ``orgnr``; a row with a type goes before one for all types."""
        types = (forsendelsestype, None) if forsendelsestype is not None else (None,)
        rows = (Rute(orgnr, of_type, of_level) for of_type in types for of_level in (niva, None))
        return next((found for row in rows if (found := self.ruter.get(row)) is not None), None)


def evolve(state: Configuration, event: KonfigurasjonEvent) -> Configuration:
    """The configuration after ``event``."""
    match event:
        case OrganisasjonOpprettet(fiks_org_id=id):
            organisasjon = Organisasjon(id, id, event.orgnr, event.navn)
            return replace(state, organisasjoner=_with(state.organisasjoner, id, organisasjon))
        case IntegrasjonOpprettet(fiks_org_id=owner, integrasjon_id=id):
            integrasjon = Integrasjon(id, owner, event.autorisert_orgnr, event.navn, event.passord_hash)
            return replace(state, integrasjoner=_with(state.integrasjoner, id, integrasjon))
        case KontoOpprettet(fiks_org_id=owner, konto_id=id):
            konto = Konto(id, owner, event.tjeneste, event.navn)
            return replace(state, kontoer=_with(state.kontoer, id, konto))
        case PrivilegieTildelt(fiks_org_id=owner):
            tildeling = Tildeling(owner, event.integrasjon_id, event.ressurs_id, event.privilegium)
            return replace(state, tildelinger=state.tildelinger.insert(tildeling))
        case MottakersystemRegistrert(fiks_org_id=owner):
            rute = Rute(event.orgnr, event.forsendelsestype, event.niva)
            system = Mottakersystem(event.mottakersystem_id, owner, event.navn)
            return replace(state, ruter=_with(state.ruter, rute, system))
        case _:
            assert_never(event)


class _Owned(Protocol):
    @property
    def fiks_org_id(self) -> UUID: ...


K = TypeVar("K")
V = TypeVar("V", bound=_Owned)


def _with(known: HashTrieMap[K, V], key: K, new: V) -> HashTrieMap[K, V]:
    """``known`` with ``new``, unless the key is taken: the first on the log counts.

    Between organisations the log has no order; then the lower id counts, so that every reader comes to the same.
    """
    taken = known.get(key)
    if taken is not None and taken.fiks_org_id <= new.fiks_org_id:
        return known
    return known.insert(key, new)
