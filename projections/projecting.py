"""Projecting as the work of an agent: one pass over the records feeds several projections, in one transaction.

Which version of a projection is written is read under the lock of its checkpoint, so a switch to a rebuilt version
needs no restart and no message: the next batch simply finds another version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from infra.database import Connection
from infra.metrics import PROJECTED_EVENTS
from projections.projection import Projection
from projections.tables import Batch, Table, describe
from projections.versions import schema_of
from schemas.codec import decode
from schemas.errors import NotYetKnown
from streams.agents import NotOurs, Record, check_no_gap
from streams.dead_letters import DeadLetters
from streams.domain.errors import Unavailable
from streams.records import envelope_of

LIVE = """
    select p.name, p.logic, c.version, c.next_offset
    from projection p join checkpoint c on c.name = p.name and c.version = p.live
    where c.topic = $1 and c.partition = $2 and p.name = any($3) order by p.name for no key update of c
"""
BUILDING = """
    select b.name, b.logic, c.version, c.next_offset
    from building b join checkpoint c on c.name = b.name and c.version = b.version
    where c.topic = $1 and c.partition = $2 and b.name = any($3) order by b.name for no key update of c
"""
MOVE = """
    update checkpoint c set next_offset = $5 from unnest($3::text[], $4::int[]) as moved (name, version)
    where c.topic = $1 and c.partition = $2 and c.name = moved.name and c.version = moved.version
"""
LOAD = """
    select c.topic, c.partition, min(c.next_offset) as next_offset
    from checkpoint c join {table} v on v.name = c.name and v.{version} = c.version
    join unnest($2::text[], $3::int[]) as wanted (topic, partition)
      on wanted.topic = c.topic and wanted.partition = c.partition
    where c.name = any($1) group by c.topic, c.partition
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A version of a projection that takes records of one partition from ``next_offset`` on."""

    projection: Projection
    version: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records, and the writes of each projection that follow from them."""

    records: Sequence[Record]
    batches: dict[str, Batch]


def writes_of(records: Sequence[Record], projections: Sequence[Projection]) -> dict[str, Batch]:
    """What the handlers make of the records. Pure.

    The envelope of a record is read once; its event is decoded only if a handler wants it, and only what it wants.
    Raises Unreadable or NotYetKnown when that cannot be done.
    """
    batches = {one.name: Batch() for one in projections}
    for record in records:
        at = envelope_of(record)
        for projection in projections:
            if (take := projection.envelope_handler(at.type)) is not None:
                batches[projection.name].add(take(at))
            elif (found := projection.handlers.get(at.type)) is not None:
                handler, view = found
                batches[projection.name].add(handler(decode(record.value, view), at))
    return batches


class Projecting:
    """The work of several projections that read the same topics: the live versions, or those being built."""

    batch = 5000

    def __init__(self, projections: Sequence[Projection], dead_letters: DeadLetters, *, building: bool = False) -> None:
        self.projections = {one.name: one for one in projections}
        self.topics = tuple(sorted({topic for one in projections for topic in one.topics}))
        self.role = "rebuild" if building else "projections"
        self._lock = BUILDING if building else LIVE
        table, version = ("building", "version") if building else ("projection", "live")
        self._load = LOAD.format(table=table, version=version)
        self._count = f"select count(*) from {table} where name = any($1)"
        self._dead_letters = dead_letters
        self._tables: dict[tuple[str, int], dict[str, Table]] = {}

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The lowest checkpoint of each partition among the projections."""
        columns = [[one.topic for one in partitions], [one.partition for one in partitions]]
        rows = await connection.fetch(self._load, list(self.projections), *columns)
        positions = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        if missing := [one for one in partitions if one not in positions]:
            raise LookupError(f"there is no checkpoint for {missing[0]}; run `fiks migrate`")
        return positions

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """The writes of every projection that reads the topic, as if none had had these records."""
        interested = [one for one in self.projections.values() if records[0].topic in one.topics]
        return Prepared(records, writes_of(records, interested))

    async def carry(self, connection: Connection, prepared: Prepared, following: Sequence[Record]) -> None:
        """Write the rows of every projection that has not had these records, and move its checkpoint."""
        records = prepared.records
        targets = await self._targets(connection, records)
        for target in targets:
            batch = prepared.batches[target.projection.name]
            if (had := target.next_offset - records[0].offset) > 0:
                batch = writes_of(records[had:], [target.projection])[target.projection.name]
            await batch.write(connection, await self._tables_of(connection, target))
            PROJECTED_EVENTS.labels(target.projection.name).inc(max(len(records) - max(had, 0), 0))
        await self._move(connection, targets, records[-1])

    async def set_aside(self, connection: Connection, record: Record, reason: str) -> None:
        """Dead-letter the record and move past it."""
        targets = await self._targets(connection, [record])
        if any(target.next_offset <= record.offset for target in targets):
            await self._dead_letters.append(self.role, record, reason)
        await self._move(connection, targets, record)

    async def _targets(self, connection: Connection, records: Sequence[Record]) -> list[Target]:
        first = records[0]
        names = [name for name, one in self.projections.items() if first.topic in one.topics]
        rows = await connection.fetch(self._lock, first.topic, first.partition, names)
        if len(rows) != len(names) and len(rows) != await connection.fetchval(self._count, names):
            raise NotOurs  # a switch took the row that we waited for; a projection that was dropped is merely absent
        targets = []
        for row in rows:
            projection = self.projections[row["name"]]
            if row["logic"] != projection.logic:
                raise NotYetKnown(
                    f"{projection.name} was built by logic {row['logic']}, this release has {projection.logic}: "
                    f"run `fiks rebuild {projection.name}`, or the release that matches"
                )
            check_no_gap(projection.name, records, row["next_offset"])
            targets.append(Target(projection, row["version"], row["next_offset"]))
        return targets

    async def _tables_of(self, connection: Connection, target: Target) -> dict[str, Table]:
        of = (target.projection.name, target.version)
        if of not in self._tables:
            tables = await describe(connection, schema_of(*of))
            if not tables:
                raise Unavailable(f"the tables of {schema_of(*of)} are gone; run `fiks rebuild {of[0]}`")
            self._tables[of] = tables
        return self._tables[of]

    async def _move(self, connection: Connection, targets: Sequence[Target], last: Record) -> None:
        moved = [target for target in targets if target.next_offset <= last.offset]
        names, versions = [one.projection.name for one in moved], [one.version for one in moved]
        await connection.execute(MOVE, last.topic, last.partition, names, versions, last.offset + 1)
