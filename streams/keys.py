"""Puts what ``fiks.nokkel`` says of the data keys into the table ``nokkel``, and keeps the topic fit for erasure.

The owner of a partition says again what counts where the topic would be left with something else: a tombstone for each
key of an erased key id, and for a key that was put again after it was destroyed. And it makes Kafka close the segment
that a destroyed key may lie in, since only closed ones are cleaned.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from infra.crypto.segments import Tampered
from infra.crypto.wrapping import generation_of
from infra.database import Connection
from infra.keys import FOLLOWER, id_of, say
from infra.logs import logger
from schemas.personal import SUFFIX
from schemas.topics import NOKKEL
from streams import checkpoints
from streams.agents import Lot, Record, check_follows
from streams.checkpoints import Step
from streams.log import Log
from streams.reader import Claim

log = logger(__name__)

MARK = "~"
"""The name under which the owner puts a record that says nothing. The newest always stays, as the partition's last."""
CLOSE_AFTER = int(NOKKEL.settings["segment.ms"]) / 1000
"""Seconds after which the segment that a record lies in is old enough to be closed by the next record."""

DESTROYED = "select name from nokkel_slettet where name = any($1)"
PUT_AGAIN = "exists (select from nokkel_slettet where name = any($8))"
"""Goes with ``WRITE``: whether a name that is put was destroyed before."""
OF_IDS = """
    select k.name from unnest($1::text[]) as erased (id)
    join nokkel k on k.name = erased.id or (k.name > erased.id || '#' and k.name < erased.id || '$')
"""
WRITE = (
    "deleted as (delete from nokkel where name = any($7) and exists (select from agreed))",
    """remembered as (
        insert into nokkel_slettet select u.* from unnest($7::text[]) as u (name), agreed on conflict do nothing)""",
    """put as (
        insert into nokkel (name, generation, wrapped)
        select u.* from unnest($8::text[], $9::int[], $10::bytea[]) as u, agreed
        on conflict (name) do update set generation = excluded.generation, wrapped = excluded.wrapped)""",
)
"""Goes with ``checkpoints.step``; no name is both destroyed and put."""


@dataclass(slots=True)
class Outcome:
    """What some records lead to. ``again`` are the names that need another tombstone on the topic."""

    put: dict[str, bytes] = field(default_factory=dict)
    destroyed: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)


def fold(records: Iterable[tuple[str, bytes | None]], before: set[str], alive: Mapping[str, set[str]]) -> Outcome:
    """Records (name, wrapped key or None) in log order. Pure.

    ``before`` are those of the names put here that were destroyed earlier, ``alive`` the names in the table of each key
    id that is erased here.
    """
    outcome = Outcome()
    for name, wrapped in records:
        if wrapped is not None:
            if name in before or name in outcome.destroyed:
                outcome.again.add(name)
            else:
                outcome.put[name] = wrapped
            continue
        of_the_id = {one for one in (*alive.get(name, ()), *outcome.put) if id_of(one) == name}
        outcome.again |= {one for one in of_the_id - outcome.destroyed if SUFFIX in one}
        outcome.destroyed |= {name, *of_the_id}
        outcome.put = {one: value for one, value in outcome.put.items() if one not in outcome.destroyed}
    return outcome


class Following:
    """The work of the role that follows the keys."""

    batch = 2000
    patience = 0.0
    role = FOLLOWER
    topics: tuple[str, ...] = (NOKKEL.name,)

    def __init__(self, log: Log, close_after: float = CLOSE_AFTER) -> None:
        self._log, self._close_after = log, close_after
        self._open_since: dict[TopicPartition, float] = {}
        self._marked_at: dict[TopicPartition, int] = {}

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The checkpoint of each partition."""
        return await checkpoints.load(connection, self.role, partitions)

    async def prepare(self, lots: Sequence[Lot]) -> Sequence[Lot]:
        """Nothing can be worked out before the table is seen."""
        return lots

    async def carry(self, connection: Connection, prepared: Sequence[Lot]) -> None:
        """Apply the records that were not applied yet."""
        positions: checkpoints.Positions = {lot.claim.partition: lot.claim.carried for lot in prepared}
        asks = False
        while not await self._apply(connection, prepared, positions, asks=asks):
            # Another has moved them, or they are forgotten, or a name is put again: then it must be known which.
            positions, asks = await checkpoints.load(connection, self.role, list(positions)), True
        for lot in prepared:
            self._met(lot.claim.partition, lot.records[-1])

    async def _apply(
        self, connection: Connection, lots: Sequence[Lot], positions: Mapping[TopicPartition, int], *, asks: bool
    ) -> bool:
        """Apply what lies beyond these positions, if the checkpoints are there. Which of the names that are put were
        destroyed before, it ``asks``; else it applies all only if none was. False: nothing was done.
        """
        for lot in lots:
            check_follows(self.role, lot, positions[lot.claim.partition])
        fresh = [record for lot in lots for record in lot.records if record.offset >= positions[lot.claim.partition]]
        said = [said for one in fresh if (said := _said(one)) is not None]
        puts = [name for name, value in said if value is not None]
        before = {row["name"] for row in await connection.fetch(DESTROYED, puts)} if asks else set()
        outcome = await self._outcome(connection, said, before)
        rows = [(name, generation_of(value), value) for name, value in sorted(outcome.put.items())]
        put = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
        steps = [
            Step(self.role, checkpoints.VERSION, *lot.at, at, max(at, lot.records[-1].offset + 1))
            for lot in lots
            for at in (positions[lot.claim.partition],)
        ]
        unless = checkpoints.NEVER if asks else PUT_AGAIN
        return await checkpoints.step(connection, steps, WRITE, sorted(outcome.destroyed), *put, unless=unless)

    async def set_aside(self, connection: Connection, lot: Lot, reason: str) -> None:
        """Move past a record that PostgreSQL cannot take: it is no key of ours."""
        [(partition, at)] = (await checkpoints.lock(connection, self.role, [lot.claim.partition])).items()
        check_follows(self.role, lot, at)
        await checkpoints.move(connection, self.role, {partition: max(at, lot.records[0].offset + 1)})

    async def tend(self, claim: Claim, behind: int) -> None:
        """Put a mark behind what lies last, once that is old, so that its segment is closed; and where the partition
        ends ``behind`` what we have read of it but nothing more comes, since what lay there was cleaned away.
        """
        if claim.next is None or claim.busy:
            return
        since = self._open_since.setdefault(claim.partition, time.monotonic())
        if (
            behind and self._marked_at.get(claim.partition) != claim.next
        ) or time.monotonic() > since + self._close_after:
            self._marked_at[claim.partition] = claim.next
            self._open_since[claim.partition] = math.inf
            await self._log.send(NOKKEL.name, MARK, b"", [], claim.partition.partition)

    def _met(self, partition: TopicPartition, last: Record) -> None:
        self._open_since[partition] = math.inf if last.key == MARK.encode() else time.monotonic()

    async def _outcome(
        self, connection: Connection, records: Sequence[tuple[str, bytes | None]], before: set[str]
    ) -> Outcome:
        """What the records lead to; what the topic needs to be told again is told."""
        erased = [name for name, value in records if value is None]
        alive: dict[str, set[str]] = {name: set() for name in erased}
        for row in await connection.fetch(OF_IDS, erased) if erased else ():
            alive.setdefault(id_of(row["name"]), set()).add(row["name"])
        outcome = fold(records, before, alive)
        await asyncio.gather(*(say(self._log, name, None) for name in sorted(outcome.again)))
        return outcome


def _said(record: Record) -> tuple[str, bytes | None] | None:
    """The name and the wrapped key (None: destroyed) in a record; None for a mark, and for what is none of ours."""
    try:
        if record.value is not None:
            generation_of(record.value)
        return record.key.decode(), record.value
    except (Tampered, AttributeError, UnicodeDecodeError):
        if record.key != MARK.encode():
            log.error("a record on the topic of the keys is no key", partition=record.partition, offset=record.offset)
        return None
