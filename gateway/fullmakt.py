"""Who may act for whom: oneself, and every organisation on which one holds a mail role in Altinn. Contract: auth.md 5.

An answer of Altinn is used again while it is fresh. When it is not and Altinn is away, nobody is let in by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from aiohttp.web import AppKey

from gateway.auth.remembered import Remembered
from gateway.registers.altinn import AuthorizedParties
from gateway.registers.parties import Party
from infra.uptime import uptime

REMEMBERED = 10_000
"""Persons whose answers are kept at most."""


class Type(StrEnum):
    """What one can act for."""

    PERSON = "PERSON"
    ORGANISASJON = "ORGANISASJON"


class Fullmakt(msgspec.Struct, frozen=True):
    """Somebody that a person may act for: ``aktor`` is a pid or an orgnr. Its name is empty when Altinn has none."""

    aktor: str
    navn: str
    type: Type


class _Kept(NamedTuple):
    parties: dict[str, Party]
    until: float


class Fullmakter:
    """Asks ``altinn``, and keeps its answers ``lifetime`` seconds. ``clock`` gives seconds."""

    def __init__(self, altinn: AuthorizedParties, lifetime: float, clock: Callable[[], float] = uptime) -> None:
        self._altinn, self._lifetime, self._clock = altinn, lifetime, clock
        self._kept: Remembered[str, _Kept] = Remembered(REMEMBERED)

    async def may_act_for(self, pid: str, orgnr: str, use_cache: bool = True) -> bool:
        """Whether the person may act for the organisation. Raises Unavailable while that cannot be known."""
        party = (await self._parties(pid, use_cache)).get(orgnr)
        return party is not None and party.takes_mail

    async def own(self, pid: str, use_cache: bool = True) -> Fullmakt:
        """The person's own. Raises Unavailable."""
        return _own(pid, await self._parties(pid, use_cache))

    async def all_for(self, pid: str, use_cache: bool = True) -> tuple[Fullmakt, ...]:
        """The person's own, and every organisation that the person may act for, by number. Raises Unavailable."""
        parties = await self._parties(pid, use_cache)
        organisations = sorted(party for party in parties.values() if party.takes_mail)
        return (_own(pid, parties), *(Fullmakt(one.number, one.name, Type.ORGANISASJON) for one in organisations))

    async def for_resources(
        self, pid: str, aktor: str, resource_ids: Iterable[str], use_cache: bool = True
    ) -> dict[str, bool]:
        """On which of Altinn's resources the person has access for ``aktor``: itself or an organisation.

        Raises Unavailable.
        """
        party = (await self._parties(pid, use_cache)).get(aktor)
        ours = party is not None and (party.is_organisation or aktor == pid)
        held = party.resources if party is not None and ours else frozenset()
        return {resource: resource in held for resource in resource_ids}

    async def _parties(self, pid: str, use_cache: bool) -> dict[str, Party]:
        kept, asked = self._kept.get(pid), self._clock()
        if use_cache and kept is not None and asked < kept.until:
            return kept.parties
        self._kept.forget(pid)
        parties = await self._altinn.parties(pid)
        self._kept.put(pid, _Kept(parties, asked + self._lifetime))
        return parties


def _own(pid: str, parties: dict[str, Party]) -> Fullmakt:
    return Fullmakt(pid, parties[pid].name if pid in parties else "", Type.PERSON)


FULLMAKTER = AppKey("fullmakter", Fullmakter)
"""``app[FULLMAKTER]``: where handlers find it."""
