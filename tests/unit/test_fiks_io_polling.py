"""Who polls is shown one message until it is settled or its time is over; nobody settles what was not shown."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from gateway.amqp.deliveries import Melding, Outcome
from gateway.fiks_io_manuell import Caller, Polling, settle
from streams.domain.errors import NotFound, Unavailable
from tests.support.deliveries import MemoryDeliveries
from tests.support.eventually import eventually

KONTO = UUID(int=1)
ME, OTHER = Caller(KONTO, "integrasjon:1"), Caller(KONTO, "integrasjon:2")
FIRST, SECOND = (Melding({"melding-id": name}) for name in ("første", "andre"))


@pytest.fixture
async def queues() -> MemoryDeliveries:
    made = MemoryDeliveries()
    made.put(KONTO, FIRST, SECOND)
    return made


async def test_the_same_message_is_shown_until_it_is_settled(queues: MemoryDeliveries) -> None:
    polling = Polling()
    first = await polling.first(queues, ME)
    assert first is not None and first.melding == FIRST
    assert await asyncio.gather(*(polling.first(queues, ME) for _ in range(3))) == [first] * 3
    await settle(queues, polling.take(ME), Outcome.ACKED)
    second = await polling.first(queues, ME)
    assert second is not None and second.melding == SECOND and second.tag != first.tag
    await settle(queues, polling.take(ME), Outcome.REJECTED)
    assert await polling.first(queues, ME) is None
    assert queues.outcomes(KONTO) == [[Outcome.ACKED], [Outcome.REJECTED]]


async def test_who_asks_several_times_at_once_is_shown_one(queues: MemoryDeliveries) -> None:
    polling = Polling()
    shown = await asyncio.gather(*(polling.first(queues, ME) for _ in range(5)))
    assert len(set(map(id, shown))) == 1
    assert (await queues.count(KONTO)).meldinger == 1


async def test_each_caller_is_shown_another(queues: MemoryDeliveries) -> None:
    polling = Polling()
    mine, others = await polling.first(queues, ME), await polling.first(queues, OTHER)
    assert mine is not None and others is not None
    assert (mine.melding, others.melding) == (FIRST, SECOND)
    assert polling.take(OTHER) == others


async def test_what_was_not_shown_cannot_be_settled(queues: MemoryDeliveries) -> None:
    polling = Polling()
    await polling.first(queues, OTHER)
    with pytest.raises(NotFound):
        polling.take(ME)
    polling.take(OTHER)
    with pytest.raises(NotFound):
        polling.take(OTHER)


async def test_when_its_time_is_over_it_goes_back(queues: MemoryDeliveries) -> None:
    polling = Polling(held=0.01)
    await polling.first(queues, ME)
    await eventually(lambda: queues.outcomes(KONTO)[0] == [Outcome.RETURNED])
    with pytest.raises(NotFound):
        polling.take(ME)
    again = await Polling().first(queues, ME)
    assert again is not None and again.melding == FIRST and again.lease.redelivered


async def test_what_is_held_again_has_its_time_again(queues: MemoryDeliveries) -> None:
    polling = Polling()
    shown = await polling.first(queues, ME)
    polling.hold(queues, ME, polling.take(ME))
    assert await polling.first(queues, ME) == shown
    assert queues.outcomes(KONTO)[0] == []


async def test_while_the_log_is_away_nobody_is_told_that_it_is_settled(
    queues: MemoryDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.fiks_io_manuell.PATIENCE", 0.01)
    monkeypatch.setattr(MemoryDeliveries, "settled", lambda _self: asyncio.Event().wait())
    polling = Polling()
    await polling.first(queues, ME)
    with pytest.raises(Unavailable):
        await settle(queues, polling.take(ME), Outcome.ACKED)
    assert queues.outcomes(KONTO)[0] == [Outcome.ACKED]
