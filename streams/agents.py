"""The generic agents: a Faust agent takes a partition and all that waits there as one batch, and carries it through.

What a batch does is a ``Work`` (projecting, deciding). Here is decided what happens when it fails: infrastructure that
is away is waited for, in place; a record that PostgreSQL or the codec can never take is set aside; a record of a newer
release is left for a newer worker; anything else is a bug and stops the process before anything is acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from infra import metrics
from infra.database import INFRASTRUCTURE, Connection, Pool
from infra.logs import logger
from infra.tracing import batch_span
from schemas.errors import NotYetKnown, Unreadable
from streams.domain.errors import Unavailable
from streams.reader import Claim, Hole, die

log = logger(__name__)

Record: TypeAlias = ConsumerRecord
P = TypeVar("P")
T = TypeVar("T")

POISON: tuple[type[Exception], ...] = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""What PostgreSQL will never take, however often it is asked."""
PASSING: tuple[type[BaseException], ...] = (*INFRASTRUCTURE, Unavailable)
"""What is waited for, in place."""

DEAD_LETTER_LIMIT = 100
"""Records in a row that may be dead-lettered: beyond that it is this release that is wrong, not the records."""


class TooManyUnreadable(Exception):
    """A release that can read nothing must not empty a topic into its dead letters."""


class NotOurs(Exception):
    """The checkpoint's rows changed hands while we waited for their lock: look again."""


class Work(Protocol[P]):
    """What is done with the records of a partition, within one transaction."""

    role: str
    topics: tuple[str, ...]
    batch: int
    """The most records that one transaction takes."""

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where each partition is to be read from: the lowest position that still wants its records."""

    def prepare(self, records: Sequence[Record]) -> P:
        """All that can be worked out without the database, before a transaction is open. Pure.

        Raises Unreadable or NotYetKnown when one of the records is.
        """

    async def carry(self, connection: Connection, prepared: P, following: Sequence[Record]) -> None:
        """Lock the checkpoint, write what follows from the records, and move the checkpoint.

        Runs in a transaction and may be run again. ``following`` is what waits behind, to be looked at only.
        """

    async def set_aside(self, connection: Connection, record: Record, reason: str) -> None:
        """Dead-letter a record that can never be read, and move the checkpoint past it."""


class Carrier:
    """Carries batches of one work through, whatever happens to PostgreSQL, Kafka or this worker's claim."""

    def __init__(self, work: Work[Any], pool: Pool) -> None:
        self.work = work
        self._pool = pool
        self._set_aside_in_a_row = 0

    async def load(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The work's positions; waits for PostgreSQL as long as it takes."""
        async for pause in _pauses():
            try:
                async with self._pool.acquire(timeout=5) as connection:
                    return await self.work.load(connection, partitions)
            except PASSING as fault:
                await pause(self.work.role, fault)
        raise AssertionError("unreachable")

    async def carry(self, claim: Claim) -> None:
        """Carry the oldest records that wait on the claim. Raises NotYetKnown when a newer release must do it."""
        records = claim.take(self.work.batch)
        following = list(claim.waiting)
        await self._carry(claim, records, following)

    async def attempt(self, action: Callable[[Connection], Awaitable[T]]) -> T | None:
        """Run ``action`` in a transaction, once: a timer comes again by itself. None when something was away."""
        try:
            async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                return await action(connection)
        except PASSING as fault:
            log.warning("put off until the next turn", role=self.work.role, fault=f"{type(fault).__name__}: {fault}")
            return None

    async def _carry(self, claim: Claim, records: Sequence[Record], following: Sequence[Record]) -> None:
        try:
            prepared = self.work.prepare(records)
        except Unreadable as fault:
            await self._find_the_poison(claim, records, following, fault)
            return
        async for pause in _pauses():
            if not claim.live:  # a lost claim is never begun again
                return
            try:
                with batch_span("carry", map(_traceparent, records), role=self.work.role, events=len(records)):
                    async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                        await self.work.carry(connection, prepared, following)
                self._set_aside_in_a_row = 0
                metrics.CARRIED_SECONDS.labels(self.work.role).observe(time.time() - records[0].timestamp / 1000)
                return
            except NotOurs:
                await asyncio.sleep(0.02)
            except POISON as fault:
                await self._find_the_poison(claim, records, following, fault)
                return
            except PASSING as fault:
                await pause(self.work.role, fault)

    async def _find_the_poison(
        self, claim: Claim, records: Sequence[Record], following: Sequence[Record], fault: Exception
    ) -> None:
        """Halve the batch until the record that cannot be taken stands alone, so that it does not stop the rest."""
        if len(records) == 1:
            await self._set_aside(claim, records[0], f"{type(fault).__name__}: {fault}")
            return
        half = len(records) // 2
        await self._carry(claim, records[:half], [*records[half:], *following])
        await self._carry(claim, records[half:], following)

    async def _set_aside(self, claim: Claim, record: Record, reason: str) -> None:
        self._set_aside_in_a_row += 1
        if self._set_aside_in_a_row > DEAD_LETTER_LIMIT:
            raise TooManyUnreadable(
                f"{self._set_aside_in_a_row} records in a row could not be read; the last: {reason}"
            )
        async for pause in _pauses():
            if not claim.live:
                return
            try:
                async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                    await self.work.set_aside(connection, record, reason)
                log.error("a record was dead-lettered", role=self.work.role, at=claim.partition, reason=reason)
                return
            except NotOurs:
                await asyncio.sleep(0.02)
            except PASSING as fault:
                await pause(self.work.role, fault)


async def _pauses() -> Any:
    """Growing pauses: each turn yields a coroutine function that logs why we wait, and waits."""
    seconds = 0.05

    async def pause(role: str, fault: BaseException) -> None:
        metrics.BATCH_RETRIES.labels(role).inc()
        log.warning("waiting for what is away", role=role, fault=f"{type(fault).__name__}: {fault}")
        await asyncio.sleep(seconds)

    while True:
        yield pause
        seconds = min(2 * seconds, 1.0)


def check_no_gap(name: str, records: Sequence[Record], next_offset: int) -> None:
    """Raise Hole when the records begin beyond what was committed: something between was never applied."""
    if records[0].offset > next_offset:
        raise Hole(
            f"{name}: the batch starts at {records[0].offset}, but only offsets below {next_offset} were applied"
        )


def _traceparent(record: Record) -> str | None:
    for name, value in record.headers:
        if name == "traceparent":
            return str(value, errors="replace")
    return None


async def serve(claims: Any, carrier: Carrier, channel: Any, step_aside: Any) -> None:
    """The body of a Faust agent: carry each claim's batches. It never raises: Faust would lose the claim."""
    async for claim in claims:
        try:
            if claim.live and claim.waiting:
                await carrier.carry(claim)
        except asyncio.CancelledError:
            raise
        except NotYetKnown as fault:
            log.error("a newer release must read on; this worker steps aside", at=claim.partition, fault=str(fault))
            claim.live = False
            step_aside()
        except BaseException as fault:
            die(carrier.work.role, fault)
        if claim.live and claim.waiting:
            await channel.put(claim)
        else:
            claim.busy = False
            claim.idle.set()
