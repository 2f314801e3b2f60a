"""Reads one topic from its beginning, or from where it was known before, and goes on for ever: in every process by
itself, without a group, and nothing is committed.

A partition that holds something which only a newer release can read waits there, and so the follower is not level.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from gateway.auth.snapshot import Mark
from infra import metrics
from infra.logs import logger
from infra.uptime import uptime
from schemas.errors import NotYetKnown
from schemas.topics import Topic
from streams.history import PastRecord, history
from streams.reader import Hole, die

log = logger(__name__)

Record: TypeAlias = ConsumerRecord[bytes, bytes] | PastRecord

ROUND = 0.5
SLICE = 500
"""Records after which others in this event loop get their turn."""


class Follower:
    """Hands every record of ``topic`` to ``receive``, in order within each partition, and calls ``fold`` before anybody
    else in this event loop gets a turn.

    ``receive`` raises NotYetKnown for what it cannot read yet; anything else that it raises stops the process.
    ``begin_again`` is called when the log is not the one that ``go_on_from`` spoke of: all comes from the beginning.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: Topic,
        receive: Callable[[Record], None],
        fold: Callable[[], None],
        begin_again: Callable[[], None],
    ) -> None:
        self._bootstrap, self._receive, self._fold, self._begin_again = bootstrap, receive, fold, begin_again
        self._at = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        self._next = dict.fromkeys(range(topic.partitions), 0)
        self._before: dict[int, bytes | Record] = {}
        self._ends: Mapping[int, int] | None = None
        self._asked, self._has_history = float("-inf"), False
        self._level = dict.fromkeys(self._next, float("-inf"))
        self._waiting: dict[int, str] = {}
        self._trouble: str | None = None

    def go_on_from(self, marks: Iterable[Mark]) -> None:
        """Leave out what lies before the marks. To be said before the start."""
        for mark in marks:
            self._next[mark.partition], self._before[mark.partition] = mark.next_offset, mark.before

    def marks(self) -> list[Mark]:
        """How far each partition was received that had something: with what ``receive`` was given, it is one moment."""
        return [Mark(number, self._next[number], digest(before)) for number, before in self._before.items()]

    @property
    def records(self) -> int:
        """How many records were received, those before the marks among them."""
        return sum(self._next.values())

    def has_passed(self, ends: Mapping[int, int]) -> bool:
        """Whether all below ``ends`` was received, as far as this release can read it."""
        return all(self._next[number] >= end or number in self._waiting for number, end in ends.items())

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
        return self._has_history and not self._waiting

    @property
    def staleness(self) -> float:
        """Seconds since every partition was last known to be received to its end; infinite before that."""
        return uptime() - min(self._level.values())

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._follow()
                except (KafkaError, KafkaException) as fault:
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
            if self._ends is None:
                self._asked, self._ends = uptime(), _by_number(await consumer.end_offsets(self._at))
            await self._take_history(self._ends)
            consumer.assign(self._at)
            for number, offset in self._next.items():
                consumer.seek(self._at[number], offset)
            self._tell(None)
            while True:
                await self._round(consumer)
        finally:
            await consumer.stop()

    async def _agrees(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether the record before each mark lies where it lay: if so, all before it is what was read."""
        if not self._before:
            return True
        marked = [self._at[number] for number in self._before]
        consumer.assign(marked)
        begins = _by_number(await consumer.beginning_offsets(marked))
        ends = _by_number(await consumer.end_offsets(marked))
        if any(not begins[number] < self._next[number] <= end for number, end in ends.items()):
            return False
        for number in self._before:
            consumer.seek(self._at[number], self._next[number] - 1)
        for number, before in self._before.items():
            record = await consumer.getone(self._at[number])
            if (record.offset + 1, digest(record)) != (self._next[number], digest(before)):
                return False
        return True

    async def _take_history(self, ends: Mapping[int, int]) -> None:
        """Take what was there when the log was first reached, and was not taken yet."""
        async with aclosing(history(self._bootstrap, self._at[0].topic, self._next, ends)) as past:
            async for records in past:
                await self._take(records)
                self._note_history(ends)
                metrics.MEMORY_STALENESS.set(self.staleness)
        self._note_history(ends)

    def _note_history(self, ends: Mapping[int, int]) -> None:
        """Once all is there that was, every partition is as it was when that was asked."""
        if not self._has_history and all(self._next[number] >= end for number, end in ends.items()):
            self._has_history, self._level = True, dict.fromkeys(self._level, self._asked)

    async def _round(self, consumer: AIOKafkaConsumer) -> None:
        # Always everything: records left in aiokafka hold back its next fetch.
        fetched = await consumer.getmany(timeout_ms=int(ROUND * 1000))
        for records in fetched.values():
            await self._take(records)
        consumer.pause(*(self._at[number] for number in self._waiting))
        for number in self._next:
            self._note_level(consumer, number)
        metrics.MEMORY_STALENESS.set(self.staleness)

    async def _take(self, records: Sequence[Record]) -> None:
        for begin in range(0, len(records), SLICE):
            for record in records[begin : begin + SLICE]:
                self._take_one(record)
            self._fold()
            await asyncio.sleep(0)

    def _take_one(self, record: Record) -> None:
        number, offset = record.partition, record.offset
        if number in self._waiting:
            return
        if offset != self._next[number]:
            raise Hole(f"{self._at[number]}: offset {self._next[number]} was to come, {offset} came")
        try:
            self._receive(record)
        except NotYetKnown as fault:
            self._waiting[number] = str(fault)
            log.error("waits for a newer release", at=self._at[number], offset=offset, fault=str(fault))
            return
        self._next[number], self._before[number] = offset + 1, record

    def _note_level(self, consumer: AIOKafkaConsumer, number: int) -> None:
        partition = self._at[number]
        asked, end = consumer.last_poll_timestamp(partition), consumer.highwater(partition)
        if asked is not None and self._next[number] >= end:
            level = uptime() - max(time.time() - asked / 1000, 0.0)
            self._level[number] = max(self._level[number], level)  # the clock may have been set forward


def _by_number(offsets: Mapping[TopicPartition, int]) -> dict[int, int]:
    return {at.partition: offset for at, offset in offsets.items()}


def digest(record: bytes | Record) -> bytes:
    """What tells a record from any other in its place; of a digest, itself."""
    if isinstance(record, bytes):
        return record
    said = (record.timestamp, record.key, record.value, record.headers)
    return sha256(repr(said).encode()).digest()
