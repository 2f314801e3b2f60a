"""What workers say of projections in numbers: how far behind each is, how far rebuilds are, whose own processes have no
port to say it on, and whose tables are gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import asyncpg
from aiokafka import TopicPartition
from confluent_kafka import KafkaException

from infra.database import INFRASTRUCTURE, Connection
from infra.metrics import PROJECTION_LAG, PROJECTION_LOST, REBUILD_EVENTS, REBUILD_EXPECTED
from infra.settings import Settings
from projections.projection import projections
from projections.rebuild import end_offsets
from streams.domain.errors import Unavailable
from streams.reader import die

PASSING: tuple[type[BaseException], ...] = (*INFRASTRUCTURE, KafkaException, Unavailable)
EVERY = 5.0
BUILT = """
    select b.name, sum(c.next_offset)::bigint as events
    from building b join checkpoint c on c.name = b.name and c.version = b.version group by b.name
"""
LOST = "select name, (name, live) in (select name, version from lost) as lost from projection"


LIVE = """
    select name, topic, partition, c.next_offset
    from unnest($1::text[], $2::text[], $3::int[]) as wanted (name, topic, partition)
    join projection p using (name) join checkpoint c using (name, topic, partition) where c.version = p.live
"""
Claimed = tuple[str, TopicPartition]
Ends = Callable[[], Mapping[Claimed, int]]
"""Where the log ends, by projection and partition that the worker has claimed for it."""


async def watch_projections(settings: Settings, ends: Ends) -> None:
    """Say it until cancelled. Of a rebuild there are no numbers where there is none."""
    shown: set[str] = set()
    behind: set[tuple[str, ...]] = set()
    while True:
        await asyncio.sleep(EVERY)
        try:
            connection = await asyncpg.connect(settings.postgres)
            try:
                shown = await _show_built(connection, settings.kafka, shown)
                behind = await _show_behind(connection, ends(), behind)
                for row in await connection.fetch(LOST):
                    PROJECTION_LOST.labels(row["name"]).set(row["lost"])
            finally:
                await connection.close()
        except PASSING:
            continue
        except Exception as fault:
            die("numbers of projections", fault)


async def _show_behind(
    connection: Connection, ends: Mapping[Claimed, int], before: set[tuple[str, ...]]
) -> set[tuple[str, ...]]:
    columns = zip(*((name, *at) for name, at in ends), strict=True) if ends else ((), (), ())
    rows = await connection.fetch(LIVE, *map(list, columns))
    behind: dict[tuple[str, ...], int] = {}
    for name, topic, partition, next_offset in rows:
        behind[name, topic, str(partition)] = ends[name, TopicPartition(topic, partition)] - next_offset
    for labels, records in behind.items():
        PROJECTION_LAG.labels(*labels).set(max(records, 0))
    for labels in before - behind.keys():
        PROJECTION_LAG.remove(*labels)
    return set(behind)


async def _show_built(connection: Connection, kafka: str, before: set[str]) -> set[str]:
    known = projections()  # a newer release may rebuild others
    built = {row["name"]: row["events"] for row in await connection.fetch(BUILT) if row["name"] in known}
    for name, events in built.items():
        ends = await asyncio.to_thread(end_offsets, kafka, known[name].topics)
        REBUILD_EVENTS.labels(name).set(events)
        REBUILD_EXPECTED.labels(name).set(sum(ends.values()))
    for name in before - built.keys():
        REBUILD_EVENTS.remove(name)
        REBUILD_EXPECTED.remove(name)
    return set(built)
