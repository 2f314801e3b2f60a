"""Projecting as the work of an agent: one pass over the records feeds several projections, in one transaction.

Which version of a projection is written is read under the lock of its checkpoint, so a switch to a rebuilt version
needs no restart and no message: the next batch simply finds another version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

import asyncpg
from aiokafka import TopicPartition
from asyncpg import Record as Row

from infra.database import Connection
from infra.keys import Keys
from infra.logs import logger
from infra.metrics import PROJECTED_EVENTS
from projections import folding
from projections.editing import are_few, carry_out, carry_out_from
from projections.projection import Projection
from projections.tables import FEW, Batch, Edit, Table, describe
from projections.versions import schema_of
from schemas.envelope import Envelope, Position, type_in
from schemas.errors import NotYetKnown
from streams.agents import POISON, Lot, NotOurs, Record, check_follows
from streams.checkpoints import Step
from streams.dead_letters import DeadLetters
from streams.domain.errors import Unavailable
from streams.records import envelope_of, event_of
from streams.sealing import opened_all

log = logger(__name__)

LOST = "(c.name, c.version) in (select name, version from lost)"
LIVE = f"""
    select p.name, p.logic, c.version, c.topic, c.partition, c.next_offset, {LOST} as lost
    from unnest($1::text[], $2::text[], $3::int[]) as wanted (name, topic, partition)
    join checkpoint c using (name, topic, partition)
    join projection p on p.name = c.name and p.live = c.version
    order by c.name, c.topic, c.partition for no key update of c
"""
BUILDING = """
    select b.name, b.logic, c.version, c.topic, c.partition, c.next_offset, false as lost
    from unnest($1::text[], $2::text[], $3::int[]) as wanted (name, topic, partition)
    join checkpoint c using (name, topic, partition)
    join building b on b.name = c.name and b.version = c.version
    order by c.name, c.topic, c.partition for no key update of c
"""
MOVE = """
    update checkpoint c set next_offset = moved.next_offset
    from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::bigint[])
      as moved (name, version, topic, partition, next_offset)
    where c.name = moved.name and c.version = moved.version
      and c.topic = moved.topic and c.partition = moved.partition
"""
LOAD = """
    select c.topic, c.partition, min(c.next_offset) as next_offset
    from checkpoint c join {table} v on v.name = c.name and v.{version} = c.version
    join unnest($2::text[], $3::int[]) as wanted (topic, partition)
      on wanted.topic = c.topic and wanted.partition = c.partition
    where c.name = any($1) and not {lost} group by c.topic, c.partition
"""


ROLES = ROLE, GATHERED, ENVELOPES = "projections", "projections:gathered", "projections:envelopes"
"""The role of projections, of those whose events are gathered, and of those among them that decode none: what only a
newer release can read does not stop these.
"""
PATIENCE = 0.1
"""Seconds for which events are gathered."""
GONE: tuple[type[Exception], ...] = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, Unavailable)
"""What the tables of a version that are gone come to."""
Key = tuple[Position | None, type | None]
Sealed = dict[Key, tuple[Any, Envelope]]
Opened = Mapping[Key, Any]
"""Events by position and view."""


@dataclass(frozen=True, slots=True)
class Target:
    """A version of a projection that takes the records of a lot from ``next_offset`` on."""

    projection: Projection
    version: int
    lot: Lot
    next_offset: int

    @property
    def had(self) -> int:
        """How many of the lot's records were applied before."""
        first: int = self.lot.records[0].offset
        return min(max(self.next_offset - first, 0), len(self.lot.records))

    @property
    def step(self) -> Step:
        """What the checkpoint moves by, where none was applied before."""
        return Step(self.projection.name, self.version, *self.lot.at, self.next_offset, self.lot.records[-1].offset + 1)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records, those of their events that had to be opened, and the writes of each projection that follow."""

    lots: Sequence[Lot]
    opened: Opened
    batches: dict[str, Batch]


def role_of(projection: Projection) -> str:
    """The role whose worker keeps it up to date."""
    if not projection.gathered:
        return ROLE
    return GATHERED if projection.handlers else ENVELOPES


def with_personal(partitions: Iterable[Sequence[Record]], projections: Sequence[Projection]) -> Sealed:
    """The events, or views of them, of which some handler wants personal texts. Pure; raises as ``writes_of``.

    No projection of this release wants any: the tables keep what is personal sealed. One that does is opened a batch at
    a time: one query for all of its keys. What that costs a rebuild, `make bench NAME=rebuild` tells.
    """
    found: Sealed = {}
    for records in partitions:
        views = [one.personal for one in projections if records and records[0].topic in one.topics and one.personal]
        for record in records if views else ():
            name = type_in(record.headers)
            for view in {of[name] for of in views if name in of}:
                at = envelope_of(record)
                found[at.position, view] = event_of(record, at, view), at
    return found


def writes_of(
    partitions: Iterable[Sequence[Record]], projections: Sequence[Projection], opened: Opened = MappingProxyType({})
) -> dict[str, Batch]:
    """What the handlers make of the records of some partitions. Pure.

    The envelope of a record is read once; its event is decoded only if a handler wants it, and only what it wants,
    unless it is among those ``opened``. Raises Unreadable or NotYetKnown when that cannot be done.
    """
    batches = {one.name: Batch() for one in projections}
    for records in partitions:
        interested = [(one, batches[one.name]) for one in projections if records and records[0].topic in one.topics]
        for record in records:
            at = envelope_of(record)
            for projection, batch in interested:
                if (take := projection.envelope_handler(at.type)) is not None:
                    batch.add(take(at))
                elif (found := projection.handlers.get(at.type)) is not None:
                    handler, view = found
                    event = opened.get((at.position, view)) if opened else None
                    batch.add(handler(event_of(record, at, view) if event is None else event, at))
    return batches


class Projecting:
    """The work of several projections: the live versions, or those being built."""

    batch = 5000

    def __init__(
        self,
        projections: Sequence[Projection],
        dead_letters: DeadLetters,
        keys: Keys,
        *,
        building: bool = False,
    ) -> None:
        self.projections = {one.name: one for one in projections}
        self.topics = tuple(sorted({topic for one in projections for topic in one.topics}))
        self.role = "rebuild" if building else min(map(role_of, projections), key=ROLES.index)
        self.patience = PATIENCE if self.role in (GATHERED, ENVELOPES) else 0.0
        self._lock = BUILDING if building else LIVE
        table, version = ("building", "version") if building else ("projection", "live")
        self._load = LOAD.format(table=table, version=version, lost=LOST)
        self._names = f"select name from {table} where name = any($1)"
        self._dead_letters, self._keys = dead_letters, keys
        self._tables: dict[tuple[str, int], dict[str, Table]] = {}
        self._lost: set[str] = set()
        self._versions: dict[str, int] = {}
        """Of the projections that were found under lock, and nothing amiss with them; they may have changed since."""

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The lowest checkpoint of each partition among the projections whose tables are there."""
        columns = [[one.topic for one in partitions], [one.partition for one in partitions]]
        rows = await connection.fetch(self._load, list(self.projections), *columns)
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def prepare(self, lots: Sequence[Lot]) -> Prepared:
        """The writes of every projection, as if none had had these records; personal texts are opened all at once."""
        return await self._prepared(lots, list(self.projections.values()))

    async def carry(self, connection: Connection, prepared: Prepared) -> None:
        """Write the rows of every projection that has not had these records, and move its checkpoints."""
        if not await self._carry_at_once(connection, prepared):
            async with connection.transaction():
                await self._carry_under_lock(connection, prepared)

    async def _carry_at_once(self, connection: Connection, prepared: Prepared) -> bool:
        """Carry a small batch without a transaction, if every checkpoint is where we left it: most of what that costs
        are round trips. False: nothing was done.
        """
        versions, lots = self._versions, prepared.lots
        taking = [one for one in self.projections.values() if any(lot.at[0] in one.topics for lot in lots)]
        if (
            sum(len(lot.records) for lot in lots) > FEW
            or any(one.name not in versions for one in taking)
            or any(lot.records[0].offset != lot.claim.carried for lot in lots)
        ):
            return False
        targets = [
            Target(one, versions[one.name], lot, lot.claim.carried)
            for one in taking
            for lot in lots
            if lot.at[0] in one.topics
        ]
        edits: list[Edit] = []
        try:
            for one in taking:
                edits += await self._edits(connection, one, versions[one.name], prepared.batches[one.name])
            if are_few(edits) and await carry_out_from(connection, edits, [target.step for target in targets]):
                _count(targets)
                return True
        except GONE:
            pass  # which tables are lost is looked at under lock
        self._versions = {}
        return False

    async def _carry_under_lock(self, connection: Connection, prepared: Prepared) -> None:
        targets = await self._targets(connection, prepared.lots)
        edits: list[Edit] = []
        for name, of_one in groupby(targets, key=lambda target: target.projection.name):
            takes = list(of_one)
            batch = prepared.batches[name]
            if any(target.had for target in takes):
                rest = [target.lot.records[target.had :] for target in takes]
                batch = writes_of(rest, [takes[0].projection], prepared.opened)[name]
            edits += await self._edits(connection, takes[0].projection, takes[0].version, batch)
        await carry_out(connection, edits, MOVE, *_moved(targets))
        self._versions = self._versions | {one.projection.name: one.version for one in targets}
        _count(targets)

    async def set_aside(self, connection: Connection, lot: Lot, reason: str) -> None:
        """Dead-letter the record when some projection cannot take it, and move past it. The others take it: what one
        cannot read keeps nothing from those that need not read it, and a rebuilt one equals the live.
        """
        targets = await self._targets(connection, [lot])
        taken = [await self._takes(connection, target) for target in targets if not target.had]
        if not all(taken):
            await self._dead_letters.append(self.role, lot.records[0], reason)
        await connection.execute(MOVE, *_moved(targets))

    async def _takes(self, connection: Connection, target: Target) -> bool:
        projection = target.projection
        try:
            async with connection.transaction():
                prepared = await self._prepared([target.lot], [projection])
                edits = await self._edits(connection, projection, target.version, prepared.batches[projection.name])
                await carry_out(connection, edits)
        except POISON:
            return False
        return True

    async def _prepared(self, lots: Sequence[Lot], projections: Sequence[Projection]) -> Prepared:
        partitions = [lot.records for lot in lots]
        sealed = with_personal(partitions, projections)
        opened = dict(zip(sealed, await opened_all(self._keys, list(sealed.values())), strict=True)) if sealed else {}
        return Prepared(lots, opened, writes_of(partitions, projections, opened))

    async def _edits(self, connection: Connection, projection: Projection, version: int, batch: Batch) -> list[Edit]:
        """What is to be done to the tables of one version of a projection, by what it takes."""
        tables = await self._tables_of(connection, projection.name, version)
        edits = await batch.edits(connection, tables)
        if batch.met and projection.fold:
            edits += await folding.edits(connection, tables, projection.fold, batch.met)
        return edits

    async def _targets(self, connection: Connection, lots: Sequence[Lot]) -> list[Target]:
        """Each version of a projection with each lot that it takes, by name, under the lock of their checkpoints.

        One whose tables are gone takes nothing: its checkpoint stays where it is, and the others go on. That of the
        version that a rebuild puts in its place lies behind what was carried, which is then read again for it.
        """
        of = {lot.at: lot for lot in lots}
        wanted = [(name, *at) for name, one in self.projections.items() for at in of if at[0] in one.topics]
        rows = await connection.fetch(self._lock, *zip(*wanted, strict=True))
        if len(rows) != len(wanted):
            there = {row["name"] for row in await connection.fetch(self._names, list(self.projections))}
            if len(rows) != sum(name in there for name, *_ in wanted):
                raise NotOurs  # a switch took rows that we waited for; a projection that was dropped is merely absent
        self._tell_of_lost(rows)
        return [self._target(row, of[row["topic"], row["partition"]]) for row in rows if not row["lost"]]

    def _tell_of_lost(self, rows: Sequence[Row]) -> None:
        """Once when the tables of a projection are gone, and once when they are there again."""
        asked, lost = {row["name"] for row in rows}, {row["name"] for row in rows if row["lost"]}
        for name in lost - self._lost:
            log.error("tables are gone: the others go on without them until `fiks rebuild`", projection=name)
        for name in (asked & self._lost) - lost:
            log.warning("tables are there again", projection=name)
        self._lost = self._lost - asked | lost

    def _target(self, row: Row, lot: Lot) -> Target:
        projection = self.projections[row["name"]]
        if row["logic"] != projection.logic:
            raise NotYetKnown(
                f"{projection.name} was built by logic {row['logic']}, this release has {projection.logic}: "
                f"run `fiks rebuild {projection.name}`, or the release that matches"
            )
        check_follows(projection.name, lot, row["next_offset"])
        return Target(projection, row["version"], lot, row["next_offset"])

    async def _tables_of(self, connection: Connection, name: str, version: int) -> dict[str, Table]:
        of = name, version
        if of not in self._tables:
            tables = await describe(connection, schema_of(*of))
            if not tables:
                raise Unavailable(f"the tables of {schema_of(*of)} are gone; run `fiks rebuild {of[0]}`")
            self._tables[of] = tables
        return self._tables[of]


def _count(targets: Iterable[Target]) -> None:
    for one in targets:
        PROJECTED_EVENTS.labels(one.projection.name).inc(len(one.lot.records) - one.had)


def _moved(targets: Iterable[Target]) -> list[list[Any]]:
    """How far each version of a projection has come, as columns for ``MOVE``."""
    moved = [
        (one.projection.name, one.version, *one.lot.at, one.lot.records[-1].offset + 1)
        for one in targets
        if one.had < len(one.lot.records)
    ]
    return [list(column) for column in zip(*moved, strict=True)] or [[] for _ in range(5)]
