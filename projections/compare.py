"""Compares the live version of a projection with a fresh rebuild, row by row, at the same position of the log."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from infra.database import Connection
from projections import versions
from projections.projection import Projection
from projections.rebuild import (
    Positions,
    Progress,
    RebuildFailed,
    alone,
    cancel,
    end_offsets,
    group_of,
    prepare,
    processes,
    reached,
    topics_of,
)
from projections.tables import Table, describe

PATIENCE = 30.0
"""Seconds in which the live version must come nearer to the end of the log."""
SHOWN = 20
"""Differences that are told one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not the same; None where one side does not have it."""

    table: str
    key: tuple[Any, ...]
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


@dataclass(slots=True)
class Comparison:
    """How many rows were compared, how many differ, and the first of those."""

    rows: int
    differing: int
    differences: list[Difference]


async def check(
    connection: Connection,
    snapshot: Connection,
    bootstrap: str,
    projection: Projection,
    count: int,
    progress: Progress,
) -> Comparison:
    """Rebuild a projection beside the live version and compare the two; the rebuilt one is dropped afterwards.

    ``snapshot`` is a second connection: it sees the live version as it was at one moment, with its checkpoint, while
    workers write on; the rebuild then stops exactly there.
    """
    await alone(connection, [projection])
    if await connection.fetchval("select true from building where name = $1", projection.name):
        raise RebuildFailed(
            f"{projection.name} has a rebuild that is not done, or a comparison that was killed: drop what it has made "
            f"(`fiks rebuild {projection.name} --cancel`), or let it become the live version, before comparing"
        )
    building = {projection: await prepare(connection, projection)}
    try:
        ends = end_offsets(bootstrap, topics_of([projection]))
        await _fill(connection, building, ends, count, progress)
        was = await versions.live(connection, projection)
        if was is None:
            raise LookupError(f"{projection.name} has no live version; run `fiks migrate`")
        await reached(connection, {projection: was[0]}, ends, [], _standing_still(projection))
        async with snapshot.transaction(isolation="repeatable_read", readonly=True):
            at = await versions.checkpoints(snapshot, projection.name, was[0])
            await _fill(connection, building, at, count, progress)
            async with connection.transaction():
                await versions.index(connection, projection, building[projection])
            return await _compare(snapshot, connection, projection.name, was[0], building[projection])
    finally:
        await cancel(connection, projection)


def _standing_still(projection: Projection) -> Progress:
    """Raises RebuildFailed where a live version does not come nearer to the end any more: it would be waited for in
    vain, without a word.
    """
    furthest, since = -1, 0.0

    def look(done: int, total: int) -> None:
        nonlocal furthest, since
        if done > furthest:
            furthest, since = done, time.monotonic()
        elif time.monotonic() > since + PATIENCE:
            raise RebuildFailed(
                f"{projection.name} has stood still for {PATIENCE:.0f} seconds with {total - done} events to read: "
                "`fiks status` tells whether its workers run, or wait for a newer release"
            )

    return look


async def _fill(
    connection: Connection, building: dict[Projection, int], until: Positions, count: int, progress: Progress
) -> None:
    names = [one.name for one in building]
    async with processes(names, group_of(building), count, until) as running:
        await reached(connection, building, until, running, progress)


async def _compare(live: Connection, rebuilt: Connection, name: str, old: int, new: int) -> Comparison:
    comparison = Comparison(0, 0, [])
    tables = await describe(live, versions.schema_of(name, old))
    others = await describe(rebuilt, versions.schema_of(name, new))
    async with rebuilt.transaction():
        for table in tables.values():
            await _merge(_rows(live, table), _rows(rebuilt, others[table.name]), table, comparison)
    return comparison


async def _rows(connection: Connection, table: Table) -> AsyncIterator[dict[str, Any]]:
    order = ", ".join(f'"{name}"' for name in table.key)
    statement = f"select * from {table.schema}.{table.name} order by {order}"
    async for row in connection.cursor(statement, prefetch=2000):
        yield dict(row)


async def _merge(
    live: AsyncIterator[dict[str, Any]], rebuilt: AsyncIterator[dict[str, Any]], table: Table, into: Comparison
) -> None:
    """Walk both sides in the order of the key; bounded memory at any size."""
    one, other = await anext(live, None), await anext(rebuilt, None)
    while one is not None or other is not None:
        key, other_key = _key(one, table.key), _key(other, table.key)
        first = min(found for found in (key, other_key) if found is not None)
        left, right = (one if key == first else None), (other if other_key == first else None)
        into.rows += 1
        if left != right:
            into.differing += 1
            if len(into.differences) < SHOWN:
                into.differences.append(Difference(table.name, first, left, right))
        one = await anext(live, None) if left is not None else one
        other = await anext(rebuilt, None) if right is not None else other


def _key(row: dict[str, Any] | None, names: Sequence[str]) -> tuple[Any, ...] | None:
    return None if row is None else tuple(row[name] for name in names)
