"""What must wait on one partition holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from streams.agents import Carrier, Lot
from streams.domain.errors import Unavailable
from streams.reader import Claim
from tests.unit.test_agents import GOOD, LIMIT, _Pool, _Work, claims_of


class _Behind(_Work):
    """As effects do (``require_projected``, ``require_decided``): what they need is behind on partition 0, as where
    that is blocked by an event of a newer release.
    """

    async def carry(self, connection: Any, prepared: Sequence[Lot]) -> None:
        if any(lot.at[1] == 0 for lot in prepared):
            raise Unavailable("the projection does not know all that is to be carried out")
        await super().carry(connection, prepared)


async def until_carried(carrier: Carrier, claims: list[Claim], seconds: float = 2.0) -> None:
    async def carry(claim: Claim) -> None:
        async with carrier.taking(claim) as taken:
            await carrier.carry(taken)

    for claim in claims:
        carrier.offer(claim)
    carrying = [asyncio.create_task(carry(claim)) for claim in claims]  # as the agents of a role
    await asyncio.wait(carrying, timeout=seconds)
    for one in carrying:
        one.cancel()


async def test_partitions_that_were_taken_together() -> None:
    work = _Behind()
    await until_carried(Carrier(work, _Pool(), LIMIT), claims_of([[GOOD], [GOOD]]))  # type: ignore[arg-type]
    assert work.carried == {1: [0]}


async def test_a_partition_that_comes_later() -> None:
    work = _Behind()
    carrier = Carrier(work, _Pool(), LIMIT)  # type: ignore[arg-type]
    first, second = claims_of([[GOOD], [GOOD]])
    waiting = asyncio.create_task(until_carried(carrier, [first], 60.0))
    await asyncio.sleep(0.1)
    await until_carried(carrier, [second])
    waiting.cancel()
    assert work.carried == {1: [0]}
