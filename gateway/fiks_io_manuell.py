"""The first message of an account, for callers who poll: they have no session that could hold it. Contract: 1.7.

A caller is shown the same message, which nobody else gets meanwhile, until it has settled it or ``HELD`` seconds have
passed since it was first shown. Then it goes back, as one that may have been seen. It is held by this process: where
that ends, the queue gives it to others, and nothing is lost. Another gateway holds another message for the same caller.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import count
from typing import NamedTuple
from uuid import UUID

from aiohttp.web import AppKey

from gateway.amqp.deliveries import Deliveries, Lease, Melding, Outcome
from streams.domain.errors import NotFound, Unavailable

HELD = 5 * 60.0
"""Seconds: long enough for somebody who reads it, and no longer than others can wait for it."""
PATIENCE = 10.0
"""Seconds in which the log should have what became of a message."""


class Caller(NamedTuple):
    """Who polls which account; ``aktor`` as the log names it."""

    konto_id: UUID
    aktor: str


class Shown(NamedTuple):
    """A message that a caller was shown. ``tag`` is its number among those of this process."""

    tag: int
    lease: Lease

    @property
    def melding(self) -> Melding:
        return self.lease.melding


class Polling:
    """The messages that this process holds for those who poll, one for each of them. ``held`` is for tests."""

    def __init__(self, held: float = HELD) -> None:
        self._held = held
        self._shown: dict[Caller, tuple[Shown, asyncio.TimerHandle]] = {}
        self._asking: defaultdict[Caller, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tags = count(1)

    async def first(self, deliveries: Deliveries, caller: Caller) -> Shown | None:
        """The message that the caller is shown; None when there is none. Raises Unavailable."""
        async with self._asking[caller]:
            if caller in self._shown:
                return self._shown[caller][0]
            if (got := await deliveries.get(*caller)) is None:
                return None
            shown = Shown(next(self._tags), got.lease)
            self.hold(deliveries, caller, shown)
            return shown

    def hold(self, deliveries: Deliveries, caller: Caller, shown: Shown) -> None:
        """Show it to the caller from now on."""
        later = asyncio.get_running_loop().call_later(self._held, self._give_back, deliveries, caller)
        self._shown[caller] = shown, later

    def take(self, caller: Caller) -> Shown:
        """What the caller was shown, which it wants to settle. Raises NotFound: what nobody was shown stays."""
        if caller not in self._shown:
            raise NotFound("Ingen melding er hentet, eller det er for lenge siden: hent neste/metadata først")
        shown, later = self._shown.pop(caller)
        later.cancel()
        return shown

    def _give_back(self, deliveries: Deliveries, caller: Caller) -> None:
        deliveries.settle([self.take(caller).lease.receipt], Outcome.RETURNED)


async def settle(deliveries: Deliveries, shown: Shown, outcome: Outcome) -> None:
    """The caller has settled it; returns once that is on the log. Raises Unavailable: it will be all the same."""
    deliveries.settle([shown.lease.receipt], outcome)
    try:
        async with asyncio.timeout(PATIENCE):
            await deliveries.settled()
    except TimeoutError as fault:
        raise Unavailable("Loggen svarer ikke. Meldingen blir kvittert så snart den gjør det") from fault


POLLING = AppKey("polling", Polling)
"""``app[POLLING]``: where handlers find it."""
