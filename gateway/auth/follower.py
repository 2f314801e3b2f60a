"""Reads one topic from its beginning, or from where it was known before, and goes on for ever: in every process by
itself, without a group, and nothing is committed.

A partition that holds something which only a newer release can read waits there, and so the follower is not level.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from gateway.auth.snapshot import Mark
from infra import metrics
from infra.logs import logger
from schemas.errors import NotYetKnown
from schemas.topics import Topic
from streams.reader import Hole, die

log = logger(__name__)

Record: TypeAlias = ConsumerRecord[bytes, bytes]

ROUND = 0.5
SLICE = 500
"""Records after which others in this event loop get their turn."""


class Follower:
    """Hands every record of ``topic`` to ``receive``, in order within each partition.

    ``receive`` raises NotYetKnown for what it cannot read yet; anything else that it raises stops the process.
    ``begin_again`` is called when the log is not the one that ``go_on_from`` spoke of: all comes from the beginning.
    """

    def __init__(
        self, bootstrap: str, topic: Topic, receive: Callable[[Record], None], begin_again: Callable[[], None]
    ) -> None:
        self._bootstrap, self._receive, self._begin_again = bootstrap, receive, begin_again
        self._next = {TopicPartition(topic.name, number): 0 for number in range(topic.partitions)}
        self._before: dict[TopicPartition, bytes | Record] = {}
        self._ends: Mapping[TopicPartition, int] | None = None
        self._level = dict.fromkeys(self._next, float("-inf"))
        self._waiting: dict[TopicPartition, str] = {}
        self._trouble: str | None = None

    def go_on_from(self, marks: Iterable[Mark]) -> None:
        """Leave out what lies before the marks. To be said before the start."""
        for mark in marks:
            partition = next(one for one in self._next if one.partition == mark.partition)
            self._next[partition], self._before[partition] = mark.next_offset, mark.before

    def marks(self) -> list[Mark]:
        """How far each partition was received that had something: with what ``receive`` was given, it is one moment."""
        return [Mark(at.partition, self._next[at], digest(before)) for at, before in self._before.items()]

    @property
    def records(self) -> int:
        """How many records were received, those before the marks among them."""
        return sum(self._next.values())

    def start(self) -> None:
        """Begin to read, in the background. A broker that is away is waited for."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def caught_up(self) -> bool:
        """Whether all was received that was on the log when it was first reached, and no partition waits."""
        if self._ends is None or self._waiting:
            return False
        return all(self._next[partition] >= end for partition, end in self._ends.items())

    @property
    def staleness(self) -> float:
        """Seconds since every partition was last known to be received to its end; infinite before that."""
        return time.time() - min(self._level.values())

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._follow()
                except KafkaError as fault:
                    self._tell(repr(fault))
                    metrics.MEMORY_STALENESS.set(self.staleness)
                    await asyncio.sleep(ROUND)
        except asyncio.CancelledError:
            raise
        except BaseException as fault:
            die("follower", fault)

    def _tell(self, trouble: str | None) -> None:
        """Log what keeps us from reading, once for as long as it lasts."""
        if trouble and trouble != self._trouble:
            log.warning("the log cannot be read; trying again", fault=trouble)
        self._trouble = trouble

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # harmless: we always seek, and a position that is gone shows as a hole
            request_timeout_ms=8000,
            metadata_max_age_ms=30_000,
        )
        try:
            await consumer.start()
            if self._ends is None and not await self._agrees(consumer):
                log.warning("the log is not the one that was read before; reading it from its beginning")
                self._next, self._before = dict.fromkeys(self._next, 0), {}
                self._begin_again()
            consumer.assign(list(self._next))
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            if self._ends is None:
                self._ends = await consumer.end_offsets(list(self._next))
            self._tell(None)
            while True:
                await self._round(consumer)
        finally:
            await consumer.stop()

    async def _agrees(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether the record before each mark lies where it lay: if so, all before it is what was read."""
        if not self._before:
            return True
        consumer.assign(list(self._before))
        ends = await consumer.end_offsets(list(self._before))
        if any(ends[partition] < self._next[partition] for partition in self._before):
            return False
        for partition in self._before:
            consumer.seek(partition, self._next[partition] - 1)
        for partition, before in self._before.items():
            record = await consumer.getone(partition)
            if (record.offset + 1, digest(record)) != (self._next[partition], digest(before)):
                return False
        return True

    async def _round(self, consumer: AIOKafkaConsumer) -> None:
        # Always everything: records left in aiokafka hold back its next fetch.
        fetched = await consumer.getmany(timeout_ms=int(ROUND * 1000))
        for partition, records in fetched.items():
            await self._take(partition, records)
            if partition in self._waiting:
                consumer.pause(partition)
        for partition in self._next:
            self._note_level(consumer, partition)
        metrics.MEMORY_STALENESS.set(self.staleness)

    async def _take(self, partition: TopicPartition, records: Iterable[Record]) -> None:
        for record in records:
            if record.offset != self._next[partition]:
                raise Hole(f"{partition}: offset {self._next[partition]} was to come, {record.offset} came")
            try:
                self._receive(record)
            except NotYetKnown as fault:
                self._waiting[partition] = str(fault)
                log.error("waits for a newer release", at=partition, offset=record.offset, fault=str(fault))
                return
            self._next[partition], self._before[partition] = record.offset + 1, record
            if record.offset % SLICE == 0:
                await asyncio.sleep(0)

    def _note_level(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        asked, end = consumer.last_poll_timestamp(partition), consumer.highwater(partition)
        if asked is not None and self._next[partition] >= end:
            self._level[partition] = asked / 1000


def digest(record: bytes | Record) -> bytes:
    """What tells a record from any other in its place; of a digest, itself."""
    if isinstance(record, bytes):
        return record
    said = (record.timestamp, record.key, record.value, record.headers)
    return sha256(repr(said).encode()).digest()
