"""What workers say of projections in numbers: how far rebuilds are, whose own processes have no port to say it on, and
whose tables are gone.
"""

from __future__ import annotations

import asyncio

import asyncpg
from confluent_kafka import KafkaException

from infra.database import INFRASTRUCTURE
from infra.metrics import PROJECTION_LOST, REBUILD_EVENTS, REBUILD_EXPECTED
from infra.settings import Settings
from projections.projection import projections
from projections.rebuild import end_offsets
from streams.reader import die

PASSING: tuple[type[BaseException], ...] = (*INFRASTRUCTURE, KafkaException)
EVERY = 5.0
BUILT = """
    select b.name, sum(c.next_offset)::bigint as events
    from building b join checkpoint c on c.name = b.name and c.version = b.version group by b.name
"""
LOST = "select name, (name, live) in (select name, version from lost) as lost from projection"


async def watch_projections(settings: Settings) -> None:
    """Say it until cancelled. Of a rebuild there are no numbers where there is none."""
    shown: set[str] = set()
    while True:
        await asyncio.sleep(EVERY)
        try:
            shown = await _show(settings, shown)
        except PASSING:
            continue
        except Exception as fault:
            die("numbers of projections", fault)


async def _show(settings: Settings, before: set[str]) -> set[str]:
    connection = await asyncpg.connect(settings.postgres)
    try:
        built = {row["name"]: row["events"] for row in await connection.fetch(BUILT)}
        for row in await connection.fetch(LOST):
            PROJECTION_LOST.labels(row["name"]).set(row["lost"])
    finally:
        await connection.close()
    for name, events in built.items():
        ends = await asyncio.to_thread(end_offsets, settings.kafka, projections()[name].topics)
        REBUILD_EVENTS.labels(name).set(events)
        REBUILD_EXPECTED.labels(name).set(sum(ends.values()))
    for name in before - built.keys():
        REBUILD_EVENTS.remove(name)
        REBUILD_EXPECTED.remove(name)
    return set(built)
