"""The versions of a projection: one is live and read through views, another may be built beside it."""

from __future__ import annotations

from collections.abc import Iterable

from infra.database import Connection
from projections.projection import Projection
from projections.tables import describe
from schemas.topics import TOPICS

STARTED = """
    insert into checkpoint (name, version, topic, partition)
    select $1, $2, * from unnest($3::text[], $4::int[]) on conflict do nothing
"""
NEXT = """
    select 1 + greatest(coalesce((select max(version) from checkpoint where name = $1), 0),
                        coalesce((select live from projection where name = $1), 0))
"""
LEFT = """
    select version from (
        select substring(nspname from '[0-9]+$')::int as version from pg_namespace
        where nspname ~ ('^' || $1 || '_v[0-9]{1,9}$')) as made
    where version not in (select live from projection where name = $1
                          union all select version from building where name = $1)
    order by version
"""
HOLD = "select topic, partition, next_offset from checkpoint where name = $1 and version = $2 order by 1, 2 for update"
FORGET = "delete from checkpoint where name = $1 and version = $2"
CHECKPOINTS = "select topic, partition, next_offset from checkpoint where name = $1 and version = $2"


def schema_of(name: str, version: int) -> str:
    """The PostgreSQL schema that holds the tables of a version."""
    return f"{name}_v{version}"


def partitions_of(projection: Projection) -> list[tuple[str, int]]:
    """Every partition of every topic that a projection reads."""
    return [(topic, number) for topic in projection.topics for number in range(TOPICS[topic].partitions)]


async def live(connection: Connection, projection: Projection) -> tuple[int, int] | None:
    """The live version and the logic that built it; None before the first."""
    row = await connection.fetchrow("select live, logic from projection where name = $1", projection.name)
    return None if row is None else (row["live"], row["logic"])


async def is_outdated(connection: Connection, projection: Projection) -> bool:
    """Whether the live version was built by the logic of an earlier release."""
    found = await live(connection, projection)
    return found is not None and found[1] < projection.logic


async def create(connection: Connection, projection: Projection, version: int) -> None:
    """Make the empty tables of a version, without the indexes that filling it needs not."""
    schema = schema_of(projection.name, version)
    await connection.execute(f"create schema {schema}")
    await connection.execute(f"set local search_path to {schema}")
    await connection.execute(projection.tables)
    await connection.execute("set local search_path to public")


async def index(connection: Connection, projection: Projection, version: int) -> None:
    """Make the other indexes of a version, if it has any; again is harmless."""
    if not projection.indexes.strip():
        return
    await connection.execute(f"set local search_path to {schema_of(projection.name, version)}")
    await connection.execute(projection.indexes)
    await connection.execute("set local search_path to public")


async def start_checkpoints(
    connection: Connection, name: str, version: int, partitions: Iterable[tuple[str, int]]
) -> None:
    """A checkpoint row for each partition, at 0 where there is none."""
    topics, numbers = zip(*partitions, strict=True)
    await connection.execute(STARTED, name, version, list(topics), list(numbers))


async def checkpoints(connection: Connection, name: str, version: int) -> dict[tuple[str, int], int]:
    """The next offset of each partition."""
    return {
        (row["topic"], row["partition"]): row["next_offset"]
        for row in await connection.fetch(CHECKPOINTS, name, version)
    }


async def make_live(connection: Connection, projection: Projection, version: int) -> None:
    """Let the views show this version and the workers write to it. Within the caller's transaction."""
    schema = schema_of(projection.name, version)
    tables = list(await describe(connection, schema))
    await connection.execute(
        "insert into projection (name, live, logic, tables) values ($1, $2, $3, $4) "
        "on conflict (name) do update set live = excluded.live, logic = excluded.logic, tables = excluded.tables",
        projection.name,
        version,
        projection.logic,
        tables,
    )
    await connection.execute("delete from building where name = $1 and version = $2", projection.name, version)
    for table in tables:
        await connection.execute(f"drop view if exists read.{table}")
        await connection.execute(f"create view read.{table} as select * from {schema}.{table}")


async def install(connection: Connection, projection: Projection) -> bool:
    """Make the first version of a projection, and the checkpoints of partitions that are new. Within a transaction."""
    if (was := await live(connection, projection)) is not None:
        await start_checkpoints(connection, projection.name, was[0], partitions_of(projection))
        return False
    version = int(await connection.fetchval(NEXT, projection.name))
    await create(connection, projection, version)
    await index(connection, projection, version)
    await start_checkpoints(connection, projection.name, version, partitions_of(projection))
    await make_live(connection, projection, version)
    return True


async def left(connection: Connection, name: str) -> list[int]:
    """The versions whose tables are there and that are neither live nor being built."""
    return [row["version"] for row in await connection.fetch(LEFT, name)]


async def drop(connection: Connection, name: str, version: int) -> None:
    """Forget a version: its tables and its checkpoints."""
    await connection.execute(FORGET, name, version)
    await connection.execute("delete from building where name = $1 and version = $2", name, version)
    await connection.execute(f"drop schema if exists {schema_of(name, version)} cascade")
