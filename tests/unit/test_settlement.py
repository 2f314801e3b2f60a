"""Who asks about an account waits for what was settled on it before, and for nothing that comes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway import settlement
from gateway.amqp.deliveries import Outcome
from gateway.leases import Held, Leases
from gateway.reading import Reading
from gateway.settlement import Delivery, Settlement
from schemas.envelope import By, Position
from schemas.fiks_io import MeldingFact
from streams.log import Log

KONTO = UUID(int=1)


class Table:
    """The log, and a table that contains what is on it as soon as ``follows``."""

    def __init__(self) -> None:
        self.end, self.follows, self.broken = 0, True, False
        self.waited: list[Position] = []
        self.said: list[UUID] = []

    async def append(self, event: MeldingFact, *_: Any) -> Position:
        if self.broken:
            raise TypeError("a bug")
        self.said.append(event.melding_id)
        await asyncio.sleep(0.01)
        self.end += 1
        return Position("fiks.io", 0, self.end - 1)

    async def positions(self) -> dict[int, int]:
        return {0: self.end if self.follows else 0}

    async def release(self, *_: Any) -> None:
        pass

    async def settled(self, _konto_id: UUID, position: Position) -> None:
        self.waited.append(position)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest_asyncio.fixture
async def settling(table: Table) -> AsyncIterator[Settlement]:
    one = Settlement(cast(Log, table), cast(Leases, table), cast(Reading, table))
    one.start()
    yield one
    one.stop()


def settle(settling: Settlement, outcome: Outcome = Outcome.ACKED) -> UUID:
    settling.settle(Delivery(held := Held(KONTO, uuid4(), uuid4()), By("integrasjon:x"), None), outcome)
    return held.melding_id


async def test_that_something_is_handed_out_is_said_at_once_and_what_becomes_of_it_together(
    settling: Settlement, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "GATHER", 60.0)
    handed_out = [Delivery(Held(KONTO, uuid4(), uuid4()), By("integrasjon:x"), None) for _ in range(3)]
    settle(settling)
    await settling.settled()
    for one in handed_out:
        settling.hand_out(one)
        assert one.told is not None
        await one.told
    settling.settle(handed_out[0], Outcome.ACKED)
    await asyncio.sleep(0.05)
    assert (table.end, settling.unsaid) == (4, 1)


async def test_what_ends_while_others_are_said_is_said_in_the_order_in_which_it_ended(
    settling: Settlement, table: Table
) -> None:
    """Else the first of what is given back together would come to be handed out behind another."""
    ended = [settle(settling, Outcome.RETURNED) for _ in range(200)]
    await settling.settled()
    assert table.said == ended


async def test_a_busy_account_is_known_while_ever_more_is_settled(settling: Settlement) -> None:
    async def busy() -> None:
        while True:
            settle(settling)
            await asyncio.sleep(0.005)

    working = asyncio.create_task(busy())
    await asyncio.sleep(0.02)
    await settling.is_known(KONTO)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def test_what_was_settled_before_is_waited_for(settling: Settlement, table: Table) -> None:
    table.follows = False
    settle(settling)
    asking = asyncio.create_task(settling.is_known(KONTO))
    await asyncio.sleep(3 * settlement.LOOK)
    assert not asking.done()
    table.follows = True
    await asking


async def test_what_came_back_is_waited_for_as_far_as_it_came_last(settling: Settlement, table: Table) -> None:
    for _ in range(3):
        settle(settling, Outcome.REQUEUED)
    await asyncio.gather(settling.is_known(KONTO), settling.is_known(KONTO))
    assert set(table.waited) == {Position("fiks.io", 0, 2)}


async def test_what_can_never_be_said_keeps_nobody_waiting(settling: Settlement, table: Table) -> None:
    table.broken = True
    settle(settling)
    await settling.settled()
    await asyncio.sleep(0)
    await settling.is_known(KONTO)


async def test_who_waits_for_what_can_never_be_said_is_woken(
    settling: Settlement, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "PATIENCE", 1000.0)
    table.broken = True
    settle(settling)
    asking = asyncio.create_task(settling.is_known(KONTO))
    await asyncio.sleep(0)
    assert not asking.done()
    await asking
