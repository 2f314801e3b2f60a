"""Every organisation's configuration together, for one who meets the whole topic and is asked often.

Only keeps each organisation's state beside what finds it; what an event means stands in ``konfigurasjon.evolve``.
Organisations may be interleaved in any way. Not a value: who holds it feeds it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args
from uuid import UUID

from schemas.konfigurasjon import ROOT
from schemas.personal import kept
from streams.domain.fiks_protokoll import ProtokollKonto, ProtokollSystem, Tilgang
from streams.domain.konfigurasjon import (
    Integrasjon,
    KonfigurasjonEvent,
    Konto,
    Mottakersystem,
    Ressurs,
    Virksomhet,
    evolve_all,
    integrasjon_aktor,
    sharing,
)
from streams.domain.personer import CountsEvent, Person, Personer, SaidEvent
from streams.domain.rettigheter import ADMIN, held_by_type, holds, holds_by_root

NONE = Virksomhet()
COUNTS = frozenset(get_args(CountsEvent))
SAID = frozenset(get_args(SaidEvent))
"""Asked by type: ``isinstance`` of a union takes as long as the fold of a grant."""


class Rute(NamedTuple):
    """What a mottakersystem takes; no type or no level means all. Contract: svarut.md 7.3."""

    orgnr: str
    forsendelsestype: str | None
    niva: int | None


class Told(NamedTuple):
    """An event as it lies on the log, at ``offset``. A decision has the ``cause`` of its envelope."""

    event: Any
    cause: int | None = None
    offset: int = -1


class Stream(NamedTuple):
    """An organisation's stream as it was folded: its state, and the offset of the last decision that counted."""

    fiks_org_id: UUID
    virksomhet: Virksomhet
    last: int


class Configuration:
    """What was folded so far. An id that two organisations claim belongs to the lower of them, whoever came first; the
    id of an organisation is its own.
    """

    def __init__(self) -> None:
        self.virksomheter: dict[UUID, Virksomhet] = {ROOT: NONE}
        self.personer = Personer()
        self._last: dict[UUID, int] = {}
        self._owners: dict[UUID, UUID] = {ROOT: ROOT}
        self._routes: dict[Rute, Mottakersystem] = {}
        self._integrasjoner: dict[str, UUID] = {}
        self._deleted: set[str] = set()

    def meet(self, event: KonfigurasjonEvent | SaidEvent, cause: int | None = None, offset: int = -1) -> bool:
        """Fold one event. Returns whether it counts. See ``Told`` and ``meet_all``."""
        return self.meet_all([Told(event, cause, offset)])[0]

    def meet_all(self, events: Iterable[Told]) -> list[bool]:
        """Fold the events, in the order of each stream. Returns of each whether it counts.

        A decision whose maker had not met the last one that counted is void, as ``streams.domain.decider`` says.
        """
        counts, of_streams = [], defaultdict[UUID, list[KonfigurasjonEvent]](list)
        for event, cause, offset in events:
            counts.append(self._counts(event, cause, offset))
            if not counts[-1]:
                continue
            if type(event) in SAID:
                self.personer.meet(kept(event))
                continue
            if type(event) in COUNTS:
                self.personer.meet(event)
            of_streams[event.fiks_org_id].append(event)
        for stream, met in of_streams.items():
            before = self.virksomhet(stream)
            after = self.virksomheter[stream] = evolve_all(before, met)
            self._index(stream, before, after)
        return counts

    def streams(self) -> list[Stream]:
        """Every organisation's stream, as values: what is met later does not change them. No persons."""
        return [Stream(id_, state, self._last.get(id_, -1)) for id_, state in self.virksomheter.items()]

    def adopt(self, stream: Stream) -> None:
        """Go on from what another had folded of an organisation that was not met here."""
        self.virksomheter[stream.fiks_org_id] = now = sharing(stream.virksomhet)
        self._last[stream.fiks_org_id] = stream.last
        self._index(stream.fiks_org_id, NONE, now)

    def may(self, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
        """Whether the actor holds the privilege on the resource: granted there or above, on its type, or by ADMIN."""
        owner = self._owners.get(ressurs_id)
        if owner is None or not self.grants_hold(aktor, owner):
            return False
        virksomhet = self.virksomheter[owner]
        return holds(virksomhet, aktor, privilegium, ressurs_id) or holds_by_root(
            self.virksomheter[ROOT], virksomhet, aktor, privilegium, ressurs_id
        )

    def virksomhet(self, fiks_org_id: UUID) -> Virksomhet:
        """What the stream of that id has said; nothing of one that is not known."""
        return self.virksomheter.get(fiks_org_id, NONE)

    def administrates_by_root(self, aktor: str, ressurs_id: UUID, privilegium: str = ADMIN) -> bool:
        """Whether the actor administrates the resource by the stream of ROOT, or holds another privilege by it."""
        owner = self._owners.get(ressurs_id, ROOT)
        return self.grants_hold(aktor, owner) and holds_by_root(
            self.virksomheter[ROOT], self.virksomheter[owner], aktor, privilegium, ressurs_id
        )

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        """The integration of that id, unless it is deleted."""
        owner = self._owners.get(integrasjon_id)
        found = self.virksomheter[owner].integrasjoner.get(integrasjon_id) if owner else None
        return None if found is None or found.slettet else found

    def is_offered(self, integrasjon_id: UUID, fiks_org_id: UUID) -> bool:
        """Whether the organisation may use the integration: it is its own, or offered to all."""
        found, offered = self.integrasjon(integrasjon_id), self.virksomheter[ROOT].globale.get(integrasjon_id)
        return found is not None and (found.fiks_org_id == fiks_org_id or bool(offered and offered.er_global))

    def grants_hold(self, aktor: str, fiks_org_id: UUID) -> bool:
        """Whether what the actor was granted in the organisation holds: not that of an integration which is deleted, or
        another's and not offered to all, not any more.
        """
        id_ = self._integrasjoner.get(aktor)
        return aktor not in self._deleted and (id_ is None or self.is_offered(id_, fiks_org_id))

    def sees(self, aktor: str, fiks_org_id: UUID) -> bool:
        """Whether the organisation exists for the actor: it holds some right there, or rules all."""
        virksomhet = self.virksomhet(fiks_org_id)
        if virksomhet.organisasjon is None or not self.grants_hold(aktor, fiks_org_id):
            return False
        own = aktor in virksomhet.rettigheter and aktor not in virksomhet.inaktive
        return own or self.administrates_by_root(aktor, fiks_org_id) or self.holds_by_type(aktor, virksomhet)

    def holds_by_type(self, aktor: str, virksomhet: Virksomhet) -> bool:
        """Whether the actor holds something in the organisation by a right on a type."""
        if aktor not in self.virksomheter[ROOT].typerettigheter:
            return False
        return any(True for one in virksomhet.ressurser.values() for _ in self.by_type(aktor, one))

    def by_type(self, aktor: str, ressurs: Ressurs) -> Iterator[tuple[int, frozenset[str]]]:
        """What the actor holds on a resource by rights on types, as ``rettigheter.held_by_type`` says it."""
        if self.grants_hold(aktor, ressurs.fiks_org_id):
            yield from held_by_type(self.virksomheter[ROOT], self.virksomhet(ressurs.fiks_org_id), aktor, ressurs)

    def ressurs(self, ressurs_id: UUID) -> Ressurs | None:
        """The resource of that id."""
        owner = self._owners.get(ressurs_id)
        return self.virksomheter[owner].ressurser.get(ressurs_id) if owner else None

    def konto(self, konto_id: UUID) -> Konto:
        """What is known of an account beside its being a resource."""
        owner = self._owners.get(konto_id)
        return self.virksomheter[owner].kontoer.get(konto_id, Konto()) if owner else Konto()

    def protokollsystem(self, system_id: UUID) -> ProtokollSystem | None:
        """The system of Fiks Protokoll of that id."""
        owner = self._owners.get(system_id)
        return self.virksomheter[owner].protokoll.systemer.get(system_id) if owner else None

    def protokollkonto(self, konto_id: UUID) -> ProtokollKonto | None:
        """The account of Fiks Protokoll of that id; None for a plain one of Fiks IO."""
        owner = self._owners.get(konto_id)
        return self.virksomheter[owner].protokoll.kontoer.get(konto_id) if owner else None

    def protokolltilganger(self, konto_id: UUID) -> Mapping[UUID, Tilgang]:
        """The systems, of whatever organisation, that may send to the account or have asked to."""
        owner = self._owners.get(konto_id)
        return self.virksomheter[owner].protokoll.tilganger.get(konto_id, {}) if owner else {}

    def person(self, fiks_org_id: UUID, aktor: str) -> Person | None:
        """What the organisation has said of a person. Of what others said nothing is known to it."""
        return self.personer.person(fiks_org_id, aktor)

    def mottakersystem(self, orgnr: str, forsendelsestype: str | None, niva: int) -> Mottakersystem | None:
        """The system that takes forsendelser to ``orgnr``; a row with a type goes before one for all types."""
        types = (forsendelsestype, None) if forsendelsestype is not None else (None,)
        rows = (Rute(orgnr, of_type, of_level) for of_type in types for of_level in (niva, None))
        return next((found for row in rows if (found := self._routes.get(row)) is not None), None)

    def _counts(self, event: Any, cause: int | None, offset: int) -> bool:
        if cause is None or type(event) in SAID:
            return True
        if cause < self._last.get(event.fiks_org_id, -1):
            return False
        self._last[event.fiks_org_id] = offset
        return True

    def _index(self, stream: UUID, before: Virksomhet, after: Virksomhet) -> None:
        if after.ressurser is not before.ressurser:
            self._claim(stream, after.ressurser.keys() - before.ressurser.keys())
        if after.integrasjoner is not before.integrasjoner:
            new = after.integrasjoner.keys() - before.integrasjoner.keys()
            self._claim(stream, new)
            self._integrasjoner |= {integrasjon_aktor(id_): id_ for id_ in new}
            if after.inaktive is not before.inaktive:
                self._deleted |= {integrasjon_aktor(id_) for id_, one in after.integrasjoner.items() if one.slettet}
        for system in after.mottakersystemer[len(before.mottakersystemer) :]:
            self._route(stream, system)

    def _route(self, stream: UUID, system: Mottakersystem) -> None:
        rute = Rute(system.orgnr, system.forsendelsestype, system.niva)
        if (taken := self._routes.get(rute)) is None or stream < taken.fiks_org_id:
            self._routes[rute] = system

    def _claim(self, stream: UUID, ids: set[UUID]) -> None:
        for id_ in ids:
            owner = self._owners.get(id_)
            if owner is None or id_ == stream or (owner != id_ and stream < owner):
                self._owners[id_] = stream
