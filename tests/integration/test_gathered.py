"""What comes while few records are carried is taken in together behind them, and what comes alone at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from projections.rebuild import end_offsets
from streams.reader import Claim, Reader
from tests.support.backbone import TOPIC, Backbone, about, mottatt


class Carrying:
    """Takes whatever waits at once, and carries it until it is told to end; ``sizes`` are how many records that was."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._claim: Claim | None = None

    async def ready(self, claim: Claim) -> None:
        self._claim = claim
        self.sizes.append(len(claim.take(1000)))

    def end(self) -> None:
        assert self._claim
        self._claim.busy = False
        self._claim.idle.set()

    async def until(self, records: int) -> None:
        while sum(self.sizes) < records:
            await asyncio.sleep(0.01)


async def test_what_comes_while_records_are_carried_is_one_batch(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.reader.GATHER", 1000.0)
    ends = await asyncio.to_thread(end_offsets, system.settings.kafka, [TOPIC])

    async def load(partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: ends[one.topic, one.partition] for one in partitions}

    carrying, forsendelse_id = Carrying(), uuid4()  # of one stream, so that all lie on one partition
    reader = Reader(system.settings.kafka, str(uuid4()), (TOPIC,), load, carrying.ready)
    await reader.start()
    for number in range(7):
        event = mottatt(forsendelse_id=forsendelse_id)
        await system.log.append(event, about(event))
        if number in (0, 3):
            await carrying.until(1)
        if number in (3, 6):
            carrying.end()
            await carrying.until(number + 1)
    carrying.end()
    await reader.stop()
    assert carrying.sizes == [1, 3, 3]
