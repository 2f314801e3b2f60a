"""The work of a role that does something outside the log because of events: delete content, ask for more deletions.

It remembers nothing but how far it has come. Whatever it does may be done again, so it goes on after a crash where it
was; and it can ask whether a decision counts before it does what cannot be undone.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec
from aiokafka import TopicPartition
from asyncpg import Record as Row

from infra.database import Connection
from schemas.envelope import By, Envelope, Recorded, derived_id, fact, type_in
from streams import checkpoints
from streams.agents import Lot, check_follows
from streams.dead_letters import DeadLetters
from streams.domain.decider import Decider
from streams.domain.errors import Unavailable
from streams.records import LogRecord, envelope_of, event_of

POSITIONS = """
    select c.partition, c.next_offset from projection p join checkpoint c on c.name = p.name and c.version = p.live
    where p.name = $1 and c.topic = $2
"""
DECIDER_POSITIONS = "select partition, next_offset from checkpoint where name = $1 and topic = $2"
LOOKS, PAUSE = 20, 0.05
AWAKE, LONGEST_AWAKE = 1.0, 60.0
"""Seconds between two signs to PostgreSQL that a transaction goes on which asks nothing of it, and for which they are
given at most.
"""
Met = list[tuple[Lot, list[Recorded]]]


class Effecting(ABC):
    """``wanted`` are the types that something is done about, each with the view that is enough (see ``decode``).

    ``follow`` does it. It is called again with the same events until it has returned once, and raises Unavailable while
    it must wait.
    """

    batch = 200
    patience = 0.25
    role: str
    topics: tuple[str, ...]
    wanted: Mapping[str, type | None]

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters

    @abstractmethod
    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """Do what follows from events, at least one, in their order within each partition."""

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The checkpoint of each partition."""
        return await checkpoints.load(connection, self.role, partitions)

    async def prepare(self, lots: Sequence[Lot]) -> Met:
        """Each lot with those of its events that something is done about."""
        return [(lot, [one for record in lot.records if (one := self._wanted(record)) is not None]) for lot in lots]

    async def carry(self, connection: Connection, prepared: Met) -> None:
        """Do what follows from the records that were not met yet, and move past them."""
        async with connection.transaction():
            positions = await checkpoints.lock(connection, self.role, [lot.claim.partition for lot, _ in prepared])
            fresh: list[Recorded] = []
            for lot, events in prepared:
                at = positions[lot.claim.partition]
                check_follows(self.role, lot, at)
                fresh += [one for one in events if _offset(one.at) >= at]
            if fresh:
                await self.follow(connection, fresh)
            after = {lot.claim.partition: lot.records[-1].offset + 1 for lot, _ in prepared}
            await checkpoints.move(connection, self.role, {at: max(positions[at], end) for at, end in after.items()})

    async def set_aside(self, connection: Connection, lot: Lot, reason: str) -> None:
        """Dead-letter the record and move past it."""
        partition, record = lot.claim.partition, lot.records[0]
        at = (await checkpoints.lock(connection, self.role, [partition]))[partition]
        check_follows(self.role, lot, at)
        if at == record.offset:
            await self._dead_letters.append(self.role, record, reason)
            await checkpoints.move(connection, self.role, {partition: record.offset + 1})

    def following(self, event: object, because: Envelope, what: str = "") -> tuple[object, Envelope]:
        """A fact that follows from an event, always with the same envelope; ``what`` tells several of a type apart."""
        source = f"urn:fiks:{self.role}"
        made = fact(
            event,
            time=because.time,
            id=derived_id(because.id, f"{type(event).__name__}/{what}"),
            source=source,
            correlation_id=because.correlation_id,
            by=By(source, because.on_behalf_of),
            traceparent=because.traceparent,
        )
        return event, msgspec.structs.replace(made, causation_id=because.id)

    def _wanted(self, record: LogRecord) -> Recorded | None:
        name = type_in(record.headers)
        if name not in self.wanted:
            return None
        at = envelope_of(record)
        return Recorded(event_of(record, at, self.wanted[name]), at)


def ends_of(events: Iterable[Envelope]) -> dict[int, int]:
    """Where each partition would end if these events, of one topic, were the last."""
    ends: dict[int, int] = {}
    for at in events:
        assert at.position is not None
        ends[at.position.partition] = max(ends.get(at.position.partition, 0), at.position.offset + 1)
    return ends


async def require_decided(connection: Connection, decider: Decider[Any], ends: Mapping[int, int]) -> None:
    """Wait a little until the decider's states contain all below ``ends``. Raises Unavailable."""
    name = f"decider:{decider.name}"
    asking = partial(connection.fetch, DECIDER_POSITIONS, name, decider.topic)
    await _until_past(ends, asking, f"{name} has not met all that is to be carried out")


async def require_projected(connection: Connection, name: str, topic: str, ends: Mapping[int, int]) -> None:
    """Wait a little until the live projection contains all below ``ends``. Raises Unavailable."""
    asking = partial(connection.fetch, POSITIONS, name, topic)
    await _until_past(ends, asking, f"the projection {name} does not know all that is to be carried out")


@asynccontextmanager
async def awake(connection: Connection) -> AsyncIterator[None]:
    """While something else than PostgreSQL is waited for, it does not take the transaction for one of a process that
    is frozen: what takes long would be done again and again, and never be over. Ask it nothing meanwhile.
    """
    over = asyncio.Event()
    speaking = asyncio.create_task(_speak(connection, over))
    try:
        yield
    finally:
        over.set()  # and not cancelled: that would end the transaction
        await asyncio.gather(speaking, return_exceptions=True)  # a session that is lost shows at the next statement


async def _speak(connection: Connection, over: asyncio.Event) -> None:
    for _ in range(int(LONGEST_AWAKE / AWAKE)):
        with suppress(TimeoutError):
            async with asyncio.timeout(AWAKE):
                await over.wait()
        if over.is_set():
            return
        await connection.execute("select")


async def _until_past(ends: Mapping[int, int], asking: Callable[[], Awaitable[Iterable[Row]]], otherwise: str) -> None:
    """What others do at this very moment is waited for here: to begin the batch again would look like trouble."""
    for _ in range(LOOKS):
        at = {row["partition"]: row["next_offset"] for row in await asking()}
        if all(at.get(partition, 0) >= end for partition, end in ends.items()):
            return
        await asyncio.sleep(PAUSE)
    raise Unavailable(otherwise)


def _offset(at: Envelope) -> int:
    assert at.position is not None
    return at.position.offset
