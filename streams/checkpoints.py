"""The checkpoint of a reader of the log: one row a partition, locked by whoever writes. Nothing else guards them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from infra.database import Connection

VERSION = 1
"""Of checkpoints that are not a projection's: those have one for each version of its tables."""

START = """
    insert into checkpoint (name, version, topic, partition)
    select $1, $2, * from unnest($3::text[], $4::int[]) on conflict do nothing
"""
LOAD = """
    select c.topic, c.partition, c.next_offset from checkpoint c
    join unnest($3::text[], $4::int[]) as wanted (topic, partition) using (topic, partition)
    where c.name = $1 and c.version = $2
"""
LOCK = """
    select c.topic, c.partition, c.next_offset from checkpoint c
    join unnest($3::text[], $4::int[]) as wanted (topic, partition) using (topic, partition)
    where c.name = $1 and c.version = $2 order by c.topic, c.partition for update of c
"""
MOVE = """
    update checkpoint c set next_offset = moved.next_offset
    from unnest($3::text[], $4::int[], $5::bigint[]) as moved (topic, partition, next_offset)
    where c.name = $1 and c.version = $2 and (c.topic, c.partition) = (moved.topic, moved.partition)
"""

STEP = """
    held as materialized (
        select c.next_offset = e.at as agrees
        from unnest($1::text[], $2::int[], $3::text[], $4::int[], $5::bigint[])
          as e (name, version, topic, partition, at)
        join checkpoint c using (name, version, topic, partition)
        order by name, topic, partition for no key update of c),
    agreed as materialized (
        select from held having count(*) filter (where agrees) = cardinality($1::text[]) and not ({unless}))
"""
NEVER = "false"
TAKE = """
    update checkpoint c set next_offset = moved.next_offset
    from unnest($1::text[], $2::int[], $3::text[], $4::int[], $6::bigint[])
      as moved (name, version, topic, partition, next_offset), agreed
    where (c.name, c.version, c.topic, c.partition) = (moved.name, moved.version, moved.topic, moved.partition)
"""

Positions = Mapping[TopicPartition, int]


class Step(NamedTuple):
    """A checkpoint that is to move, from where it is believed to be."""

    name: str
    version: int
    topic: str
    partition: int
    at: int
    to: int


async def load(connection: Connection, name: str, partitions: Sequence[TopicPartition]) -> Positions:
    """The next offset of each partition; one that was never read starts at 0."""
    columns = _columns(partitions)
    await connection.execute(START, name, VERSION, *columns)
    return _positions(await connection.fetch(LOAD, name, VERSION, *columns))


async def lock(connection: Connection, name: str, partitions: Sequence[TopicPartition]) -> Positions:
    """The next offset of each partition, whose row is locked until the transaction ends. One that has none, since the
    database was made anew under a running worker, gets it: at 0.
    """
    columns = _columns(partitions)
    rows = await connection.fetch(LOCK, name, VERSION, *columns)
    if len(rows) < len(partitions):
        await connection.execute(START, name, VERSION, *columns)
        rows = await connection.fetch(LOCK, name, VERSION, *columns)
    return _positions(rows)


async def move(connection: Connection, name: str, positions: Positions, also: str = "", *args: Any) -> None:
    """Say that everything below these offsets was applied.

    ``also`` is written by the same statement, which saves round trips: ``with …``, its parameters ``args`` from $6 on.
    """
    columns = _columns(positions)
    await connection.execute(f"{also} {MOVE}", name, VERSION, *columns, list(positions.values()), *args)


async def step(
    connection: Connection, steps: Sequence[Step], also: Sequence[str] = (), *args: Any, unless: str = NEVER
) -> bool:
    """Move the checkpoints, at least one, if each is where it is believed to be, and tell whether it was so: else
    nothing is done. One statement that needs no transaction around it, since a round trip is most of what little costs.

    ``also`` are common table expressions that write something if there is a row in ``agreed``; ``unless`` is a
    condition under which nothing is done either. Their parameters are ``args``, from $7 on. What was read before holds,
    if it was read when the checkpoints were no further back: whoever writes moves them.
    """
    first = ", ".join((STEP.format(unless=unless), *also))
    said = await connection.execute(f"with {first} {TAKE}", *zip(*steps, strict=True), *args)
    return said != "UPDATE 0"


def _columns(partitions: Iterable[TopicPartition]) -> tuple[list[str], list[int]]:
    return [one.topic for one in partitions], [one.partition for one in partitions]


def _positions(rows: Iterable[Any]) -> Positions:
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
