"""The generic agents: a Faust agent takes partitions and all that waits there as one batch, and carries it through.

What a batch does is a ``Work`` (projecting, deciding). Here is decided what happens when it fails: infrastructure that
is away is waited for, in place; a record that PostgreSQL or the codec can never take is set aside; a record of a newer
release is left for a newer worker; anything else is a bug and stops the process before anything is acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from infra import metrics
from infra.database import INFRASTRUCTURE, Connection, Pool
from infra.logs import logger
from infra.tracing import batch_span
from schemas.errors import NotYetKnown, Unreadable
from schemas.topics import NOKKEL
from streams.domain.errors import TooLarge, Unavailable
from streams.reader import Claim, Hole, die

log = logger(__name__)

Record: TypeAlias = ConsumerRecord
P = TypeVar("P")
T = TypeVar("T")

POISON: tuple[type[Exception], ...] = (
    Unreadable,
    TooLarge,
    OverflowError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""What is never carried, however often that is tried: what cannot be read, what would lead to more than the log takes
or to a number or time that nothing holds, and what PostgreSQL does not take.
"""
DIVIDING: tuple[type[Exception], ...] = (NotYetKnown, *POISON)
"""What is one record's alone, and nothing to those beside it."""
PASSING: tuple[type[BaseException], ...] = (*INFRASTRUCTURE, Unavailable)
"""What is waited for, in place."""

PATIENT = 3
"""Times that a batch is tried in place while what it needs is not there. Then its partitions are tried one by one, and
those that cannot go on rest, so that they hold up no others: what they need may be behind on theirs alone.
"""
REST = 1.0
"""Seconds until they are tried again."""
BLOCKED = "a newer release must read on"
"""What is logged of each partition on which a role goes no further."""


class TooManyUnreadable(Exception):
    """A release that can read nothing must not empty a topic into its dead letters."""


class Forgotten(Exception):
    """The checkpoint lies before what was carried: the database was made anew, or is an older state of what it was."""


class NotOurs(Exception):
    """The checkpoint's rows changed hands while we waited for their lock: look again."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Records of one partition, at least one, in order. ``following`` is what waits behind, to be looked at only."""

    claim: Claim
    records: Sequence[Record]
    following: Sequence[Record]

    @property
    def at(self) -> tuple[str, int]:
        """The topic and the number of the partition."""
        return self.claim.partition.topic, self.claim.partition.partition

    def halves(self) -> tuple[Lot, Lot]:
        """The same records in two lots."""
        half = len(self.records) // 2
        first, second = self.records[:half], self.records[half:]
        return Lot(self.claim, first, [*second, *self.following]), Lot(self.claim, second, self.following)


class Blocked(Exception):
    """A newer release must read on from the first records of these lots; all that could be carried was."""

    def __init__(self, lots: Sequence[Lot], fault: NotYetKnown) -> None:
        super().__init__(str(fault))
        self.lots, self.newer = lots, fault


class Work(Protocol[P]):
    """What is done with the records of some partitions, all of it or nothing."""

    role: str
    topics: tuple[str, ...]
    batch: int
    """The most records that one transaction takes."""
    patience: float
    """Seconds for which Kafka may keep records back until more have come: 0 where somebody waits for what follows."""

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where each partition is to be read from: the lowest position that still wants its records. Without those
        whose records nobody wants.
        """

    async def prepare(self, lots: Sequence[Lot]) -> P:
        """All that can be worked out before a transaction is open; waits for nothing but the keys of personal texts.

        Raises Unreadable or NotYetKnown when one of the records is.
        """

    async def carry(self, connection: Connection, prepared: P) -> None:
        """Write what follows from the records, and move the checkpoints, under their lock: all of it or nothing.

        Opens the transaction that it needs, and may be run again. Raises Unreadable when one of the records is, by what
        lies in the database.
        """

    async def set_aside(self, connection: Connection, lot: Lot, reason: str) -> None:
        """Dead-letter the lot's only record, which can never be read, and move the checkpoint past it. Runs in a
        transaction.
        """


class Carrier:
    """Carries batches of one work through, whatever happens to PostgreSQL, Kafka or this worker's claims.

    Claims are offered one by one and taken together: what waits on many partitions is one batch, not many. Of records
    that can never be read, more than ``unreadable_in_a_row`` say that this release is wrong, and not they.
    """

    def __init__(self, work: Work[Any], pool: Pool, unreadable_in_a_row: int) -> None:
        self.work = work
        self._pool = pool
        self._most_in_a_row = unreadable_in_a_row
        self._offered: dict[Claim, None] = {}
        self._turn = asyncio.Lock()
        self._beside: set[asyncio.Task[None]] = set()
        self._set_aside_in_a_row = 0

    def beside(self, work: Coroutine[None, None, None]) -> None:
        """Let it go on by itself."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def offer(self, claim: Claim) -> None:
        """Something waits on the claim, which nobody has taken."""
        self._offered[claim] = None

    @asynccontextmanager
    async def taking(self, claim: Claim) -> AsyncIterator[list[Claim]]:
        """The claim, and others whose records fit into the same batch; none, when another took it along.

        Small batches are carried one after the other, so that what comes meanwhile is carried together. Full ones go
        side by side: then this process works on one while PostgreSQL works on another.
        """
        if sum(len(one.waiting) for one in self._offered) >= self.work.batch:
            yield self._take(claim)
        else:
            async with self._turn:
                yield self._take(claim)

    def _take(self, claim: Claim) -> list[Claim]:
        if claim not in self._offered:
            return []
        del self._offered[claim]
        taken, room = [claim], self.work.batch - len(claim.waiting)
        for other in list(self._offered):
            if room < len(other.waiting):
                break
            del self._offered[other]
            taken.append(other)
            room -= len(other.waiting)
        return taken

    async def load(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The work's positions; waits for PostgreSQL as long as it takes. Without those whose records nobody wants."""
        async for pause in _pauses():
            try:
                async with self._pool.acquire(timeout=5) as connection:
                    positions = await self.work.load(connection, partitions)
                if unwanted := [one for one in partitions if one not in positions]:
                    _told(self.work.role, f"nothing takes {unwanted[0]}: run `fiks migrate`, or rebuild what is gone")
                return positions
            except PASSING as fault:
                await pause(self.work.role, fault)
        raise AssertionError("unreachable")

    async def carry(self, claims: Sequence[Claim]) -> None:
        """Carry the oldest records that wait on the claims. Raises Blocked when a newer release must read of them.

        Where the database forgot what was carried, all of them are read again from their checkpoints.
        """
        lots = [
            Lot(claim, claim.take(self.work.batch), list(claim.waiting))
            for claim in claims
            if claim.live and claim.waiting
        ]
        if lots:
            try:
                await self._carry(sorted(lots, key=lambda lot: lot.at))
            except Forgotten as fault:
                self._start_over([lot.claim for lot in lots], str(fault))
            finally:
                for lot in lots:
                    if lot.claim.live and lot.claim.resting:
                        lot.claim.put_back([one for one in lot.records if one.offset >= lot.claim.carried])

    async def look_back(self, claims: Iterable[Claim]) -> None:
        """Read those again that are at rest and whose checkpoint lies before what was carried: on a partition where
        nothing new comes no batch would find that.
        """
        carried = {claim: claim.carried for claim in claims if claim.is_at_rest}
        if not carried:
            return
        positions = await self.attempt(partial(self.work.load, partitions=[one.partition for one in carried])) or {}
        forgotten = [
            claim for claim, at in carried.items() if claim.is_at_rest and positions.get(claim.partition, at) < at
        ]
        if forgotten:
            self._start_over(forgotten, "found at rest")

    def _start_over(self, claims: Sequence[Claim], why: str) -> None:
        at = [f"{topic}/{number}" for topic, number in (claim.partition for claim in claims)]
        log.warning("the database forgot what was carried: it is read again", role=self.work.role, at=at, why=why)
        for claim in claims:
            claim.start_over()

    async def attempt(self, action: Callable[[Connection], Awaitable[T]]) -> T | None:
        """Run ``action`` in a transaction, once: a timer comes again by itself. None when something was away."""
        try:
            async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                return await action(connection)
        except PASSING as fault:
            log.warning("put off until the next turn", role=self.work.role, fault=f"{type(fault).__name__}: {fault}")
            return None

    async def _prepared(self, lots: Sequence[Lot]) -> Any | None:
        """What the work makes of them; None where they were carried apart, or are nobody's any more."""
        async for pause in _pauses():
            try:
                return await self.work.prepare(lots)
            except DIVIDING as fault:
                await self._divide(lots, fault)
                return None
            except PASSING as fault:
                if not any(lot.claim.live for lot in lots):
                    return None
                await pause(self.work.role, fault)
        raise AssertionError("unreachable")

    async def _carry(self, lots: Sequence[Lot], patient: int = PATIENT) -> None:
        if (prepared := await self._prepared(lots)) is None:
            return
        count, oldest = sum(len(lot.records) for lot in lots), min(lot.records[0].timestamp for lot in lots)
        async for pause in _pauses():
            if not all(lot.claim.live for lot in lots):  # a lost claim is never begun again
                if live := [lot for lot in lots if lot.claim.live]:
                    await self._carry(live)
                return
            try:
                with batch_span("carry", _traceparents(lots), role=self.work.role, events=count):
                    async with self._pool.acquire(timeout=5) as connection:
                        await self.work.carry(connection, prepared)
                _carried(lots)
                self._set_aside_in_a_row = 0
                metrics.CARRIED_SECONDS.labels(self.work.role).observe(time.time() - oldest / 1000)
                return
            except NotOurs:
                await asyncio.sleep(0.02)
            except NotYetKnown as fault:  # not of a record, but of what they are carried into
                if len(lots) == 1:
                    raise Blocked(lots, fault) from fault
                await self._carry_apart(*([lot] for lot in lots))
                return
            except POISON as fault:
                await self._divide(lots, fault)
                return
            except PASSING as fault:
                if isinstance(fault, Unavailable) and not (patient := patient - 1):
                    await self._rest(lots, fault)
                    return
                await pause(self.work.role, fault)

    async def _rest(self, lots: Sequence[Lot], fault: Exception) -> None:
        """Each on its own goes on, or rests."""
        if len(lots) > 1:
            await self._carry_apart(*([lot] for lot in lots), patient=1)
        else:
            _told(self.work.role, f"{type(fault).__name__}: {fault}")
            lots[0].claim.resting = True

    async def _divide(self, lots: Sequence[Lot], fault: Exception) -> None:
        """Halve the batch until the record that cannot be taken stands alone, so that it does not stop the rest."""
        if len(lots) > 1:
            half = len(lots) // 2
            await self._carry_apart(lots[:half], lots[half:])
        elif len(lots[0].records) > 1:
            for part in lots[0].halves():
                if not part.claim.resting:
                    await self._carry([part])
        elif isinstance(fault, NotYetKnown):
            raise Blocked(lots, fault)
        else:
            await self._set_aside(lots[0], f"{type(fault).__name__}: {fault}")

    async def _carry_apart(self, *parts: Sequence[Lot], patient: int = PATIENT) -> None:
        """Carry parts that share no partition. One that must wait for a newer release does not stop the others."""
        blocked: list[Lot] = []
        newer: NotYetKnown | None = None
        for part in parts:
            try:
                await self._carry(part, patient)
            except Blocked as fault:
                blocked += fault.lots
                newer = fault.newer
        if newer is not None:
            raise Blocked(blocked, newer)

    async def _set_aside(self, lot: Lot, reason: str) -> None:
        self._set_aside_in_a_row += 1
        if self._set_aside_in_a_row > self._most_in_a_row:
            raise TooManyUnreadable(
                f"{self._set_aside_in_a_row} records in a row could not be read; the last: {reason}. A release that "
                "can read them goes on; where none ever will, a larger FIKS_UNREADABLE_IN_A_ROW sets them aside"
            )
        async for pause in _pauses():
            if not lot.claim.live:
                return
            try:
                async with self._pool.acquire(timeout=5) as connection, connection.transaction():
                    await self.work.set_aside(connection, lot, reason)
                _carried([lot])
                at, offset = lot.claim.partition, lot.records[0].offset
                log.error("a record was set aside", role=self.work.role, at=at, offset=offset, reason=reason)
                return
            except NotYetKnown as fault:
                raise Blocked([lot], fault) from fault
            except NotOurs:
                await asyncio.sleep(0.02)
            except PASSING as fault:
                await pause(self.work.role, fault)


async def _pauses() -> Any:
    """Growing pauses: each turn yields a coroutine function that logs why we wait, and waits."""
    seconds = 0.05

    async def pause(role: str, fault: BaseException) -> None:
        _told(role, f"{type(fault).__name__}: {fault}")
        await asyncio.sleep(seconds)

    while True:
        yield pause
        seconds = min(2 * seconds, 1.0)


def _told(role: str, fault: str) -> None:
    metrics.BATCH_RETRIES.labels(role).inc()
    log.warning("waiting for what is away", role=role, fault=fault)


def check_follows(name: str, lot: Lot, next_offset: int) -> None:
    """Raise Forgotten when the checkpoint, at ``next_offset``, lies before what was carried, and Hole when the records
    begin beyond it all the same: something between was never applied.
    """
    first, carried, topic = lot.records[0].offset, lot.claim.carried, lot.claim.partition.topic
    if next_offset < carried:
        raise Forgotten(f"{name}: all below {carried} was carried, but the checkpoint is at {next_offset}")
    if first > next_offset and topic != NOKKEL.name:  # a compacted topic has holes by nature
        raise Hole(f"{name}: the batch starts at {first}, but only offsets below {next_offset} were applied")


def _carried(lots: Iterable[Lot]) -> None:
    for lot in lots:
        lot.claim.carried = lot.records[-1].offset + 1


def _traceparents(lots: Sequence[Lot]) -> Iterator[str | None]:
    return (_traceparent(record) for lot in lots for record in lot.records)


def _traceparent(record: Record) -> str | None:
    for name, value in record.headers:
        if name == "traceparent" and value is not None:
            return str(value, errors="replace")
    return None


async def serve(claims: Any, carrier: Carrier, offer: Callable[[Claim], Awaitable[None]]) -> None:
    """The body of a Faust agent: carry what waits on claims. It never raises: Faust would lose the claim."""
    async for claim in claims:
        async with carrier.taking(claim) as taken:
            try:
                await carrier.carry(taken)
            except asyncio.CancelledError:
                raise
            except Blocked as fault:
                for lot in fault.lots:
                    at, offset = lot.claim.partition, lot.records[0].offset
                    log.error(BLOCKED, role=carrier.work.role, at=at, offset=offset, fault=str(fault))
                    lot.claim.block(offset)
            except BaseException as fault:
                die(carrier.work.role, fault)
        for one in taken:
            if one.live and one.resting:
                carrier.beside(_rested(one, offer))
            else:
                await _hand_back(one, offer)


async def _rested(claim: Claim, offer: Callable[[Claim], Awaitable[None]]) -> None:
    claim.idle.set()
    await asyncio.sleep(REST)
    claim.resting = False
    if claim.live:
        claim.idle.clear()
    await _hand_back(claim, offer)


async def _hand_back(claim: Claim, offer: Callable[[Claim], Awaitable[None]]) -> None:
    if claim.live and claim.waiting:
        await offer(claim)
    else:
        claim.busy = False
        claim.idle.set()
