"""Reads the log by partition ownership and hands out partitions, never records.

The consumer group is only a load balancer: it may be wrong at any time without harm, since the row lock on the
checkpoint is what guards correctness (``streams.agents``). No offset is ever committed to Kafka.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError
from mode import Service

from infra.logs import logger
from schemas.topics import NOKKEL

log = logger(__name__)

WAITING_LIMIT = 20_000
"""Records that may wait in all partitions together before no more are taken in."""
WAITING_BYTES = 100 << 20
"""What they may hold together, before that."""
AT_ONCE = 5_000
"""Records that are taken in at once; the rest stay with the client, as it received them, compressed."""
MUCH = 100_000
"""Bytes behind which nothing is waited for, however patient the reader is."""
GATHER = 0.01
"""Seconds for which nothing more is taken in while few records are being carried, at most: what comes meanwhile costs
one answer of the broker's and one batch. What comes while nothing is carried is taken in at once.
"""
FEW = 500
"""Records behind which others are gathered, at most, if they are not ``MUCH``: who is behind reads on at once."""
REVOKE_WAIT = 3.0
"""Seconds for all that is being carried to end when claims are given up."""
UNWANTED = 1.0
"""Seconds after which a partition is asked about again whose records nobody wanted."""
ASIDE, AGAIN = 5.0, 30.0
"""Seconds that a reader stays out of its group, and those after which it leaves again: meanwhile the rest goes on."""

CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",  # harmless: we always seek, and a position that retention moved shows as a hole
    "session_timeout_ms": 6000,
    "heartbeat_interval_ms": 1000,
    "rebalance_timeout_ms": 10_000,
    "max_poll_interval_ms": 86_400_000,
    "request_timeout_ms": 8000,
    "metadata_max_age_ms": 30_000,
    # By range, so that each member has its share of every topic: others balance the number of partitions only, and may
    # give one member the busy topic and another the silent one. A rebalance revokes everything in any case.
    "partition_assignment_strategy": (RangePartitionAssignor,),
}

Positions = Mapping[TopicPartition, int]
Load = Callable[[list[TopicPartition]], Awaitable[Positions]]


class Hole(Exception):
    """Records that were never met are gone from the log, or the checkpoint lies beyond its end."""


@dataclass(slots=True, eq=False)
class Claim:
    """A partition that this worker believes to own. Once ``live`` is false nothing is begun on it again: another owns
    it, or a newer release must.
    """

    partition: TopicPartition
    next: int | None = None
    """The offset of the record that must come next; None until the checkpoint was loaded, if there is one."""
    carried: int = 0
    """The offset below which all was carried, as far as this worker knows."""
    until: int | None = None
    """Where the log ended when that was first seen since the checkpoint was loaded."""
    live: bool = True
    busy: bool = False
    resting: bool = False
    """Whether what waits is to be tried again after a while: what it needs is not there yet."""
    waiting: deque[ConsumerRecord[bytes, bytes]] = field(default_factory=deque)
    octets: int = 0
    """What they hold together."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

    @property
    def has_caught_up(self) -> bool:
        """Whether all that the log had was carried since the checkpoint was loaded: only then it is known what runs."""
        return self.until is not None and self.carried >= self.until

    @property
    def is_at_rest(self) -> bool:
        """Whether it is read on, and nothing of it is being carried."""
        return self.live and self.next is not None and not self.busy

    def take(self, most: int) -> list[ConsumerRecord[bytes, bytes]]:
        """The oldest records that wait, at most so many; they wait no more."""
        if len(self.waiting) <= most:
            taken = list(self.waiting)
            self.drop()
        else:
            taken = [self.waiting.popleft() for _ in range(most)]
            self.octets -= _octets(taken)
        return taken

    def put(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Let these wait behind the others."""
        self.waiting.extend(records)
        self.octets += _octets(records)

    def put_back(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Let these wait before the others: they were taken, and not carried."""
        self.waiting.extendleft(reversed(records))
        self.octets += _octets(records)

    def drop(self) -> None:
        """Nothing waits any more."""
        self.waiting.clear()
        self.octets = 0

    def start_over(self) -> None:
        """Read again from where the checkpoint is by then. Not while records are carried that were taken before."""
        self.next = self.until = None
        self.resting = False
        self.drop()

    def block(self, offset: int) -> None:
        """Read no more from here on: the record at ``offset`` is for a newer release."""
        self.live = False
        self.next = offset
        self.drop()


class Reader(Service):
    """Reads ``topics`` for one role and calls ``ready(claim)`` when something waits on a claim that is not busy.

    ``load`` gives the position at which each partition starts, from PostgreSQL; one that has none is not read yet.
    ``patience`` is for how many seconds the broker may keep records back until more have come. ``until`` bounds the
    reading: no record at or beyond that offset is handed out.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topics: tuple[str, ...],
        load: Load,
        ready: Callable[[Claim], Awaitable[None]],
        patience: float = 0.0,
        until: Positions | None = None,
    ) -> None:
        super().__init__()
        self.bootstrap, self.group, self.topics = bootstrap, group, topics
        self.claims: dict[TopicPartition, Claim] = {}
        self._load, self._ready, self._until = load, ready, until
        self._settings = CONSUMER | (_patient(patience) if patience else {})
        self._back_at = self._load_at = -math.inf
        self._blocked = 0
        self._few: list[Claim] = []
        """Those of which few records were taken in last."""

    async def on_start(self) -> None:
        """Join the group."""
        await self._join()

    async def on_stop(self) -> None:
        """Let open work end, drop what waits, and leave the group."""
        await self._revoke()
        await self._consumer.stop()

    @property
    def blocked(self) -> int:
        """How many partitions this reader does not read on, since a newer release must; while it steps aside, as many
        as it had before.
        """
        return sum(not claim.live for claim in self.claims.values()) if self.claims else self._blocked

    def behind(self) -> dict[TopicPartition, int]:
        """How many records of each claim no batch has taken up yet, as far as is known."""
        found: dict[TopicPartition, int] = {}
        for partition, end in self.ends().items():
            claim = self.claims[partition]
            if claim.next is not None:
                found[partition] = end - claim.next + len(claim.waiting)
        return found

    def ends(self) -> dict[TopicPartition, int]:
        """Where the log of each claim ended when it was last heard of; without those of which it never was."""
        assigned = self._consumer.assignment() if self.claims else set()
        known = {partition: self._consumer.highwater(partition) for partition in assigned & self.claims.keys()}
        return {partition: end for partition, end in known.items() if end is not None}

    async def size(self, topic: str, partitions: int) -> int:
        """How many records a topic holds, if none is missing in it. Raises KafkaError."""
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        begins, ends = await self._consumer.beginning_offsets(asked), await self._consumer.end_offsets(asked)
        return int(sum(ends.values()) - sum(begins.values()))

    async def _join(self) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group, **self._settings)
        self._consumer.subscribe(self.topics, listener=_Listener(self))
        while True:
            try:
                await self._consumer.start()
                break
            except KafkaError as fault:
                log.warning("waiting for Kafka", group=self.group, fault=f"{type(fault).__name__}: {fault}")
                await self.sleep(1)

    @Service.task
    async def _read(self) -> None:
        try:
            while not self.should_stop:
                if self._shall_step_aside():
                    await self._wait_aside()
                await self._round()
        except asyncio.CancelledError:
            raise
        except BaseException as fault:
            if not (isinstance(fault, ConsumerStoppedError) and self.should_stop):
                die("reader", fault)

    def _shall_step_aside(self) -> bool:
        """Whether to leave the group for a while, so that a worker that can read on may take what this one cannot. Not
        again at once: all that this one can read pauses with it.
        """
        return time.monotonic() >= self._back_at + AGAIN and self.blocked > 0

    async def _wait_aside(self) -> None:
        self._blocked = self.blocked
        await self.on_stop()
        await self.sleep(ASIDE)
        if not self.should_stop:
            await self._join()
            self._back_at = time.monotonic()
            self._blocked = 0

    async def _round(self) -> None:
        try:  # here and not in the listener: there no heartbeat runs, and an exception is only logged
            await self._take_up([claim for claim in self.claims.values() if claim.next is None])
        except KafkaError as fault:
            log.warning("waiting for Kafka", group=self.group, fault=f"{type(fault).__name__}: {fault}")
        open_claims = {p: c for p, c in self.claims.items() if self._wants_more(c)}
        if not open_claims or self._is_full(open_claims.values()):
            await asyncio.sleep(0.005)
            return
        fetched = await self._gathered(open_claims)
        for partition, records in fetched.items():
            claim = open_claims[partition]
            if claim.live and claim.next is not None:  # what was fetched before a revoke, or to start over, is nobody's
                await self._receive(claim, records)

    def _is_full(self, claims: Collection[Claim]) -> bool:
        if sum(claim.octets for claim in claims) >= WAITING_BYTES:
            return True
        return sum(len(claim.waiting) for claim in claims) >= WAITING_LIMIT

    async def _gathered(
        self, wanted: Mapping[TopicPartition, Claim]
    ) -> Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """Records that are there. While more are gathered nothing is asked for: the answer would be the first record
        that comes, and those behind it would wait until that is taken.
        """
        await _at_rest(self._few, GATHER)
        self._consumer.resume(*self._consumer.paused())
        fetched: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await self._consumer.getmany(
            *wanted, timeout_ms=200, max_records=AT_ONCE
        )
        self._few = [wanted[partition] for partition in fetched] if _are_few(fetched) else []
        if self._few:
            self._consumer.pause(*self._consumer.assignment())
        return fetched

    def _wants_more(self, claim: Claim) -> bool:
        if claim.next is None or not claim.live or claim.resting:
            return False
        return self._until is None or claim.next < self._until.get(claim.partition, 0)

    async def _take_up(self, claims: list[Claim]) -> None:
        if not claims or time.monotonic() < self._load_at:
            return
        positions = await self._load([claim.partition for claim in claims])
        if len(positions) < len(claims):
            self._load_at = time.monotonic() + UNWANTED
        await self._must_be_there(positions)
        for claim in claims:
            if claim.live and claim.partition in positions:
                claim.next = claim.carried = positions[claim.partition]
                self._consumer.seek(claim.partition, claim.next)

    async def _must_be_there(self, positions: Positions) -> None:
        """Raises Hole where the log begins beyond a position. Where nothing is left no record would ever show that."""
        for partition, begin in (await self._consumer.beginning_offsets(list(positions))).items():
            if begin > positions[partition] and partition.topic != NOKKEL.name:
                raise Hole(
                    f"{partition}: offset {positions[partition]} was to come next, but the log begins at {begin}; "
                    "what was not yet read was removed from it"
                )

    async def _receive(self, claim: Claim, records: list[ConsumerRecord[bytes, bytes]]) -> None:
        assert claim.next is not None
        whole = records[0].offset == claim.next and records[-1].offset == claim.next + len(records) - 1
        if not whole and claim.partition.topic != NOKKEL.name:  # a compacted topic has holes by nature
            raise Hole(
                f"{claim.partition}: offset {claim.next} was to come next, but {records[0].offset} to "
                f"{records[-1].offset} came ({len(records)} records); the log has lost what was not yet read"
            )
        claim.next = records[-1].offset + 1
        if self._until is not None:
            records = [r for r in records if r.offset < self._until.get(claim.partition, 0)]
        claim.put(records)
        if records and not claim.busy:
            claim.busy = True
            claim.idle.clear()
            await self._ready(claim)

    async def _revoke(self) -> None:
        claims = list(self.claims.values())
        self.claims.clear()
        for claim in claims:
            claim.live = False
            claim.drop()
        if not await _at_rest(claims, REVOKE_WAIT):
            at = [claim.partition for claim in claims if not claim.idle.is_set()]
            log.warning("partitions were given up with work open; the row lock settles it", at=at)


def _octets(records: Iterable[ConsumerRecord[bytes, bytes]]) -> int:
    return sum([len(one.value) for one in records if one.value])


async def _at_rest(claims: Iterable[Claim], seconds: float) -> bool:
    """Wait, so many seconds at most, until nothing of the claims is being carried any more. Whether that came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for claim in claims:
                await claim.idle.wait()
            return True
    return False


def _are_few(fetched: Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]) -> bool:
    if sum(map(len, fetched.values())) >= FEW:
        return False
    return sum(map(_octets, fetched.values())) < MUCH


def _patient(seconds: float) -> dict[str, Any]:
    """Settings of a consumer whose broker answers once there is much, or time has passed."""
    return {"fetch_min_bytes": MUCH, "fetch_max_wait_ms": int(seconds * 1000)}


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: object) -> None:
        await self._reader._revoke()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._reader.claims = {partition: Claim(partition) for partition in sorted(assigned)}


def die(where: str, fault: BaseException) -> None:
    """Log a bug and stop the process at once: nothing was acknowledged, so nothing is lost. The supervisor restarts."""
    log.critical("a bug stops the process", where=where, exc_info=fault)
    os._exit(70)


async def or_die(where: str, work: Awaitable[None]) -> None:
    """Do work that goes on in the background: a fault in it stops the process, which would else live on without it."""
    try:
        await work
    except Exception as fault:
        die(where, fault)
