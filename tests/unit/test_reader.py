"""What the reader refuses: records that were never met must not be passed over in silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.agents import check_no_gap
from streams.reader import Claim, Hole, Reader, or_die
from tests.support.records import Record

AT = TopicPartition("t", 0)


def records(*offsets: int) -> list[Any]:
    return [Record("t", 0, offset, b"", b"", []) for offset in offsets]


async def reader_and_claim(next_offset: int) -> tuple[Reader, Claim, list[Claim]]:
    ready: list[Claim] = []

    async def offer(claim: Claim) -> None:
        ready.append(claim)

    async def load(_partitions: Any) -> dict[TopicPartition, int]:
        return {AT: next_offset}

    return Reader("127.0.0.1:9", "g", ("t",), load, offer), Claim(AT, next=next_offset), ready


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
    with pytest.raises(Hole):
        check_no_gap("svarut_status", records(7, 8), 5)
    check_no_gap("svarut_status", records(5, 6), 6)


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
