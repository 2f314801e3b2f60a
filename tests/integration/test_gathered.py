"""What comes shortly after other records is taken in together, and what comes alone at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from aiokafka import TopicPartition

from projections.rebuild import end_offsets
from streams.reader import Claim, Reader
from tests.support.backbone import TOPIC, Backbone, about, mottatt

GATHER = 2.0


class Taken:
    """Takes whatever waits at once; ``sizes`` are how many records that was each time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def ready(self, claim: Claim) -> None:
        self.sizes.append(len(claim.take(1000)))
        claim.busy = False
        claim.idle.set()

    async def until(self, records: int) -> None:
        while sum(self.sizes) < records:
            await asyncio.sleep(0.01)


async def test_what_comes_while_records_are_gathered_is_one_batch(system: Backbone) -> None:
    ends = await asyncio.to_thread(end_offsets, system.settings.kafka, [TOPIC])

    async def load(partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: ends[one.topic, one.partition] for one in partitions}

    taken, forsendelse_id = Taken(), uuid4()  # of one stream, so that all lie on one partition
    reader = Reader(system.settings.kafka, str(uuid4()), (TOPIC,), load, taken.ready, gather=GATHER)
    await reader.start()
    for number in range(7):
        event = mottatt(forsendelse_id=forsendelse_id)
        await system.log.append(event, about(event))
        if number in (0, 3):
            await taken.until(number + 1)
    await taken.until(7)
    await reader.stop()
    assert taken.sizes == [1, 3, 3]
