"""What the reader refuses: records that were never met must not be passed over in silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas.topics import NOKKEL
from streams.agents import Forgotten, Lot, check_follows
from streams.reader import FEW, Claim, Hole, Reader, or_die
from tests.support.records import Record

AT = TopicPartition("t", 0)


def records(*offsets: int) -> list[Any]:
    return [Record("t", 0, offset, b"", b"", []) for offset in offsets]


class Consumer:
    """Says what it is asked to; ``is_paused`` is whether it asks the broker for nothing."""

    is_paused = False

    def assignment(self) -> set[TopicPartition]:
        return {AT}

    def paused(self) -> set[TopicPartition]:
        return {AT} if self.is_paused else set()

    def pause(self, *partitions: TopicPartition) -> None:
        self.is_paused = partitions == (AT,) or self.is_paused

    def resume(self, *partitions: TopicPartition) -> None:
        self.is_paused = self.is_paused and partitions != (AT,)


async def reader_and_claim(next_offset: int) -> tuple[Reader, Claim, list[Claim]]:
    ready: list[Claim] = []

    async def offer(claim: Claim) -> None:
        ready.append(claim)

    async def load(_partitions: Any) -> dict[TopicPartition, int]:
        return {AT: next_offset}

    return Reader("127.0.0.1:9", "g", ("t",), load, offer), Claim(AT, next=next_offset), ready


def test_a_claim_has_caught_up_once_what_the_log_had_is_carried_however_much_comes_meanwhile() -> None:
    claim = Claim(AT, next=9, carried=5, busy=True)
    assert not claim.has_caught_up, "it is not known yet where the log ends"
    claim.until = 7
    assert not claim.has_caught_up
    claim.carried = 7
    assert claim.has_caught_up
    claim.start_over()
    assert not claim.has_caught_up


async def test_records_in_order_wait_and_the_claim_is_offered_once() -> None:
    reader, claim, ready = await reader_and_claim(5)
    await reader._receive(claim, records(5, 6))
    await reader._receive(claim, records(7))
    assert ([one.offset for one in claim.waiting], claim.next, ready) == ([5, 6, 7], 8, [claim])


@pytest.mark.parametrize("offsets", [(7, 8), (5, 7), (0, 1)], ids=["retention", "a hole within", "begun anew"])
async def test_a_hole_is_an_error(offsets: tuple[int, ...]) -> None:
    reader, claim, ready = await reader_and_claim(5)
    with pytest.raises(Hole):
        await reader._receive(claim, records(*offsets))
    assert not ready


def test_a_batch_that_begins_beyond_the_checkpoint_is_an_error() -> None:
    claim = Claim(AT, carried=5)
    with pytest.raises(Hole):
        check_follows("svarut_status", Lot(claim, records(7, 8), []), 5)
    check_follows("svarut_status", Lot(claim, records(5, 6), []), 6)


@pytest.mark.parametrize("topic", ["t", NOKKEL.name])
def test_a_checkpoint_before_what_was_carried_is_found_on_a_compacted_topic_too(topic: str) -> None:
    lot = Lot(Claim(TopicPartition(topic, 0), carried=7), records(7, 8), [])
    with pytest.raises(Forgotten):
        check_follows("nokler", lot, 5)


async def test_what_was_fetched_before_a_claim_starts_over_is_dropped_and_it_is_read_from_its_checkpoint() -> None:
    reader, claim, ready = await reader_and_claim(5)
    sought = []

    class Stale(Consumer):
        async def getmany(self, *_claims: Any, **_how: Any) -> dict[TopicPartition, list[Any]]:
            claim.start_over()
            return {AT: records(8, 9)}

        async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(partitions, 0)

        def seek(self, _partition: TopicPartition, offset: int) -> None:
            sought.append(offset)

    claim.next = claim.carried = 8
    reader.claims, reader._consumer = {AT: claim}, Stale()
    await reader._round()
    assert (list(claim.waiting), claim.next, ready) == ([], None, [])
    await reader._take_up([claim])
    assert (sought, claim.next, claim.carried) == ([5], 5, 5)


class Few(Consumer):
    """Has one record more each time that it is asked."""

    def __init__(self, claim: Claim) -> None:
        self.claim, self.asked = claim, 0

    async def getmany(self, *_claims: Any, **_how: Any) -> dict[TopicPartition, list[Any]]:
        assert not self.is_paused
        self.asked += 1
        return {AT: records(self.claim.next or 0)}


async def test_what_comes_while_few_are_carried_is_taken_in_together_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.reader.GATHER", 1000.0)
    reader, claim, _ = await reader_and_claim(5)
    reader.claims, reader._consumer = {AT: claim}, (consumer := Few(claim))
    await reader._round()
    following = asyncio.create_task(reader._round())
    await asyncio.sleep(0.05)
    assert (consumer.asked, consumer.is_paused) == (1, True), "nothing is asked for before that"
    claim.idle.set()
    await following
    assert consumer.asked == 2


async def test_what_is_carried_long_holds_up_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.reader.GATHER", 0.001)
    reader, claim, _ = await reader_and_claim(5)
    reader.claims, reader._consumer = {AT: claim}, (consumer := Few(claim))
    for _ in range(3):
        await reader._round()
    assert (consumer.asked, claim.idle.is_set()) == (3, False)


async def test_who_is_behind_reads_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.reader.GATHER", 1000.0)
    reader, claim, _ = await reader_and_claim(0)

    class Many(Consumer):
        async def getmany(self, *_claims: Any, **_how: Any) -> dict[TopicPartition, list[Any]]:
            return {AT: records(*range(claim.next or 0, (claim.next or 0) + FEW))}

    reader.claims, reader._consumer = {AT: claim}, Many()
    for _ in range(3):
        await reader._round()
    assert (claim.next, reader._consumer.is_paused) == (3 * FEW, False)


async def test_claims_that_are_given_up_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself they would take longer than a rebalance may, and than a process has to stop."""
    monkeypatch.setattr("streams.reader.REVOKE_WAIT", 0.2)
    reader, _, _ = await reader_and_claim(0)
    busy = [Claim(TopicPartition("t", number), busy=True) for number in range(1_000)]
    for claim in busy:
        claim.idle.clear()
    reader.claims = {claim.partition: claim for claim in busy}
    async with asyncio.timeout(60):
        await reader._revoke()
    assert not any(claim.live for claim in busy)


async def test_a_fault_in_the_background_stops_the_process_and_an_end_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[tuple[str, BaseException]] = []
    monkeypatch.setattr("streams.reader.die", lambda where, fault: died.append((where, fault)))
    bug = RuntimeError("a bug")

    async def fails() -> None:
        raise bug

    async def ends() -> None:
        await asyncio.sleep(0)

    await or_die("here", ends())
    await or_die("here", fails())
    cancelled = asyncio.create_task(or_die("here", asyncio.sleep(60)))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert died == [("here", bug)]
