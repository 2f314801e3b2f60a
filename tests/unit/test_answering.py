"""Until when a message waits for its sender to be answered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID, uuid4

import pytest

from gateway.answering import RECENT, Answering

OURS, OTHERS = uuid4(), uuid4()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits waits until it is told."""
    monkeypatch.setattr("gateway.answering.UNANSWERED", 1000.0)


@pytest.fixture
async def answering() -> Answering:
    made = Answering(OURS)
    made.hears()
    return made


async def waits(answering: Answering, melding_id: UUID, by: UUID | None, age: float = 0.0) -> asyncio.Task[None]:
    """A message that was sent so many seconds ago is about to be handed out."""
    sent = datetime.now(UTC) - timedelta(seconds=age)
    task = asyncio.create_task(answering.wait(melding_id, by, sent))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("by", [OURS, OTHERS])
async def test_it_waits_until_its_sender_is_answered(answering: Answering, by: UUID) -> None:
    melding = uuid4()
    if by == OURS:
        answering.begin(melding)
    waiting = await waits(answering, melding, by)
    assert not waiting.done()
    if by == OURS:
        answering.end(melding)
    else:
        answering.hear([uuid4(), melding])
    await waiting
    assert (await waits(answering, melding, by)).done()


async def test_what_others_have_answered_is_remembered(answering: Answering) -> None:
    melding = uuid4()
    answering.hear([melding])
    assert (await waits(answering, melding, OTHERS)).done()


async def test_what_others_have_answered_is_forgotten_when_nobody_can_ask_any_more(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    melding = uuid4()
    answering.hear([melding])
    monkeypatch.setattr("gateway.answering.RECENT", -1.0)
    answering.hear([uuid4()])
    monkeypatch.undo()
    assert not (await waits(answering, melding, OTHERS)).done()


@pytest.mark.parametrize(
    ("by", "age"),
    [(None, 0.0), (OURS, 0.0), (OTHERS, RECENT + 1)],
    ids=["nobody would tell", "we have answered", "it is long ago"],
)
async def test_it_does_not_wait_where_nothing_is_to_be_told(answering: Answering, by: UUID | None, age: float) -> None:
    assert (await waits(answering, uuid4(), by, age)).done()


async def test_it_does_not_wait_for_what_was_told_before_we_heard() -> None:
    answering = Answering(OURS)
    assert (await waits(answering, uuid4(), OTHERS)).done()
    answering.hears()
    assert (await waits(answering, uuid4(), OTHERS, age=1.0)).done()
    assert not (await waits(answering, uuid4(), OTHERS)).done()


async def test_it_waits_where_the_clock_was_set_back_since_we_hear(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = timedelta(hours=1)

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # of no class of its own
            return datetime.now(tz) - hour

    monkeypatch.setattr("gateway.answering.datetime", SetBack)
    assert not (await waits(answering, uuid4(), OTHERS, age=hour.total_seconds())).done()


async def test_it_waits_no_longer_than_a_moment(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.answering.UNANSWERED", 0.01)
    ours = uuid4()
    answering.begin(ours)
    await asyncio.gather(
        answering.wait(ours, OURS, datetime.now(UTC)), answering.wait(uuid4(), OTHERS, datetime.now(UTC))
    )


async def test_whom_we_have_answered_is_told_once(answering: Answering) -> None:
    first, second = uuid4(), uuid4()
    for one in (first, second):
        answering.begin(one)
        answering.end(one)
    assert await answering.answered() == [first, second]
    answering.end(third := uuid4())
    assert await answering.answered() == [third]
