"""The first message of an account, for callers who poll: they have no session that could hold it. Contract: 1.7.

A caller is shown the same message, which nobody else gets meanwhile, until it has settled it or ``HELD`` seconds have
passed since it was first shown. Then it goes back, as one that may have been seen. The lease is the caller's own, so
it is all one which gateway process takes its next call, and what ends a process changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from uuid import UUID, uuid5

from aiohttp.web import AppKey
from asyncpg import Record as Row

from gateway.amqp.deliveries import Deliveries, Outcome
from gateway.leases import Leases, Taken, asking
from gateway.settlement import Delivery, Settlement
from schemas.envelope import By
from streams.domain.errors import NotFound, Unavailable

HELD = 5 * 60.0
"""Seconds: long enough for somebody who reads it, and no longer than others can wait for it."""
PATIENCE = 10.0
"""Seconds in which the log should have what became of a message."""


class Caller(NamedTuple):
    """Who polls which account."""

    konto_id: UUID
    by: By

    @property
    def holder(self) -> UUID:
        """The caller as a holder of leases."""
        return uuid5(self.konto_id, str(self.by.actor))


class Shown(NamedTuple):
    """A message that a caller was shown. ``row`` is it as ``Taken`` says, sealed."""

    delivery: Delivery
    row: Row

    @property
    def tag(self) -> int:
        """The number of this handing out, the same at every gateway, and exact in JSON."""
        return self.delivery.held.levering.int >> 75


class Polling:
    """What those who poll are shown, one message each. All methods raise Unavailable."""

    def __init__(self, deliveries: Deliveries, leases: Leases, settlement: Settlement) -> None:
        self._deliveries, self._leases, self._settlement = deliveries, leases, settlement

    async def first(self, caller: Caller, held: float = HELD) -> Shown | None:
        """The message that the caller is shown; None when there is none."""
        while True:
            with asking():
                lent = await self._leases.lent(caller.holder)
            if lent is not None:
                return _shown(lent, caller)
            if (got := await self._deliveries.get(*caller)) is None:
                return None
            assert isinstance(got.lease.receipt, Delivery)
            await self._lend(got.lease.receipt, caller, held, otherwise=Outcome.UNSEEN)

    async def claim(self, caller: Caller) -> Shown:
        """What the caller was shown, which it wants to settle, and nobody else does then.

        Raises NotFound: what nobody was shown stays.
        """
        with asking():
            claimed = await self._leases.claim(caller.holder)
        if claimed is None:
            raise NotFound("Ingen melding er hentet, eller det er for lenge siden: hent neste/metadata først")
        shown = _shown(claimed, caller)
        self._settlement.take_over(shown.delivery)
        return shown

    async def show_again(self, caller: Caller, shown: Shown) -> None:
        """The caller could not settle what it claimed: it has it as long as it would have had it otherwise."""
        await self._lend(shown.delivery, caller, max(shown.row["igjen"], 0.0), otherwise=Outcome.RETURNED)

    async def settle(self, shown: Shown, outcome: Outcome) -> None:
        """The caller has settled what it claimed; returns once that is on the log, as it will be all the same."""
        self._settlement.settle(shown.delivery, outcome)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._settlement.settled()
        except TimeoutError as fault:
            raise Unavailable("Loggen svarer ikke. Meldingen blir kvittert så snart den gjør det") from fault

    async def _lend(self, delivery: Delivery, caller: Caller, held: float, otherwise: Outcome) -> None:
        """Make the lease the caller's. Where that cannot be, or it has one already, how it ended is ``otherwise``."""
        try:
            if delivery.told is not None:  # before anybody says what became of it
                async with asyncio.timeout(PATIENCE):
                    await asyncio.shield(delivery.told)
            with asking():
                if await self._leases.lend(delivery.held, caller.holder, held):
                    self._settlement.leave(delivery)
        except TimeoutError as fault:
            raise Unavailable("Loggen svarer ikke, så ingen melding kan hentes nå") from fault
        finally:
            self._settlement.settle(delivery, otherwise)  # passed over where it was left to the caller


def _shown(taken: Taken, caller: Caller) -> Shown:
    held, row = taken
    return Shown(Delivery(held, caller.by, row["korrelasjon"]), row)


POLLING = AppKey("polling", Polling)
"""``app[POLLING]``: where handlers find it."""
