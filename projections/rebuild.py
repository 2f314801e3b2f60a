"""Rebuilding: new versions of some projections are filled beside the live ones, by the same agents and handlers from
offset 0, and put in their place in one transaction.

The switch locks the checkpoints of the live versions, so it happens at a moment when the new ones are at least as far:
nobody is ever shown an older state than before.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from infra.database import INFRASTRUCTURE, Connection
from infra.ends import watermarks
from infra.kafka import kafka_settings
from projections import versions
from projections.projection import Projection
from schemas.topics import TOPICS
from streams.domain.errors import Rejected

Partition = tuple[str, int]
Positions = dict[Partition, int]
Progress = Callable[[int, int], None]
"""Called with events carried so far, and events to carry."""

CATCH_UP = 2_000
"""Events behind the end at which a switch is tried."""
SWITCH_WAIT = 1.5
POLL = 0.2


class RebuildFailed(Rejected):
    """It cannot begin, or ended early; what was built so far is kept, and the next `fiks rebuild` goes on there."""


def end_offsets(bootstrap: str, topics: Sequence[str]) -> Positions:
    """The end of every partition of the topics at this moment. Raises Unavailable."""
    consumer = Consumer(kafka_settings(bootstrap) | {"group.id": "fiks.ends"})
    try:
        return {
            (topic, number): watermarks(consumer, TopicPartition(topic, number))[1]
            for topic in topics
            for number in range(TOPICS[topic].partitions)
        }
    finally:
        consumer.close()


def topics_of(projections: Sequence[Projection]) -> list[str]:
    """The topics that some of the projections read."""
    return sorted({topic for one in projections for topic in one.topics})


async def alone(connection: Connection, projections: Sequence[Projection]) -> None:
    """Let nobody else rebuild these until the connection is closed. Raises RebuildFailed when somebody does."""
    for projection in projections:
        if not await connection.fetchval("select pg_try_advisory_lock(hashtext('rebuild:' || $1))", projection.name):
            raise RebuildFailed(f"{projection.name} is being rebuilt or compared already; wait for that, or stop it")


async def prepare(connection: Connection, projection: Projection) -> int:
    """The version to build: the one that an earlier rebuild left unfinished, or a new, empty one."""
    async with connection.transaction():
        row = await connection.fetchrow("select version, logic from building where name = $1", projection.name)
        if row is not None and row["logic"] == projection.logic:
            return int(row["version"])
        if row is not None:
            await versions.drop(connection, projection.name, row["version"])
        version = int(await connection.fetchval(versions.NEXT, projection.name))
        await versions.create(connection, projection, version)
        await versions.start_checkpoints(connection, projection.name, version, versions.partitions_of(projection))
        await connection.execute(
            "insert into building (name, version, logic) values ($1, $2, $3)",
            projection.name,
            version,
            projection.logic,
        )
        return version


@asynccontextmanager
async def processes(
    names: Sequence[str], group: str, count: int, until: Positions | None = None
) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """So many processes that fill the versions being built; they are stopped at the end."""
    argv = [sys.executable, "-m", "projections.rebuild_process", "--parent", str(os.getpid()), "--group", group]
    if until is not None:
        argv += ["--until", json.dumps([[*partition, offset] for partition, offset in until.items()])]
    started = [await asyncio.create_subprocess_exec(*argv, *names) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(process.wait() for process in started))


async def reached(
    connection: Connection,
    building: dict[Projection, int],
    ends: Positions,
    running: Sequence[asyncio.subprocess.Process],
    progress: Progress,
    slack: int = 0,
) -> None:
    """Wait until every version has applied all below ``ends``, but for ``slack`` events. Raises RebuildFailed when a
    process ended, which none does by itself: what is left would never be applied.
    """
    while True:
        done, total = await _applied(connection, building, ends)
        progress(done, total)
        if any(process.returncode is not None for process in running):
            raise RebuildFailed("a process of the rebuild ended; see its log above, then run the same command again")
        if total - done <= slack:
            return
        await asyncio.sleep(POLL)


async def _applied(connection: Connection, building: dict[Projection, int], ends: Positions) -> tuple[int, int]:
    """How many of the events below ``ends`` have been applied, and how many there are."""
    done, total = 0, 0
    for projection, version in building.items():
        at = await versions.checkpoints(connection, projection.name, version)
        for partition, end in ends.items():
            if partition[0] in projection.topics:
                done += min(at[partition], end)
                total += end
    return done, total


async def switch(connection: Connection, building: dict[Projection, int]) -> bool:
    """Put the built versions in the place of the live ones. False when they were not far enough; try again."""
    old: dict[Projection, int] = {}
    try:
        async with connection.transaction(), asyncio.timeout(SWITCH_WAIT):
            for projection, version in sorted(building.items(), key=lambda one: one[0].name):
                if (was := await versions.live(connection, projection)) is not None:
                    old[projection] = was[0]
                    await _wait_for(connection, projection, version, was[0])
                await versions.make_live(connection, projection, version)
                if projection in old:
                    await connection.execute(versions.FORGET, projection.name, old[projection])
    except (TimeoutError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        return False
    for projection in building:  # what an earlier switch has left too, should it have been interrupted here
        for version in await versions.left(connection, projection.name):
            await _drop(connection, projection.name, version)
    return True


async def _wait_for(connection: Connection, projection: Projection, version: int, live: int) -> None:
    """Hold the live version still until the built one has applied as much."""
    rows = await connection.fetch(versions.HOLD, projection.name, live)
    held = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    while True:
        at = await versions.checkpoints(connection, projection.name, version)
        if all(at[partition] >= offset for partition, offset in held.items()):
            return
        await asyncio.sleep(0.01)


async def _drop(connection: Connection, name: str, version: int) -> None:
    """Drop an old version once the last query that reads it has ended. Raises as asyncpg does where the connection is
    lost; the next switch drops it then.
    """
    while True:
        try:
            async with connection.transaction():
                await versions.drop(connection, name, version)
        except INFRASTRUCTURE:
            if connection.is_closed():
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def rebuild(
    connection: Connection, bootstrap: str, projections: Sequence[Projection], count: int, progress: Progress
) -> dict[str, int]:
    """Rebuild and switch. Returns the new live version of each. May be interrupted at any time and run again."""
    await alone(connection, projections)
    building = {one: await prepare(connection, one) for one in projections}
    names, group = [one.name for one in projections], group_of(building)
    topics = topics_of(projections)
    async with processes(names, group, count) as running:
        await reached(connection, building, ends := end_offsets(bootstrap, topics), running, progress, CATCH_UP)
        for projection, version in building.items():
            async with connection.transaction():
                await versions.index(connection, projection, version)
        while not await switch(connection, building):
            await reached(connection, building, ends := end_offsets(bootstrap, topics), running, progress, CATCH_UP)
        progress(*await _applied(connection, building, ends))
    return {projection.name: version for projection, version in building.items()}


def group_of(building: dict[Projection, int]) -> str:
    """The consumer group of a rebuild's processes."""
    return "fiks." + "+".join(f"{projection.name}.v{version}" for projection, version in building.items())


async def cancel(connection: Connection, projection: Projection) -> bool:
    """Drop the version that was being built. False when there is none.

    Raises RebuildFailed while somebody builds it.
    """
    await alone(connection, [projection])
    version = await connection.fetchval("select version from building where name = $1", projection.name)
    if version is None:
        return False
    async with connection.transaction():
        await versions.drop(connection, projection.name, version)
    return True
