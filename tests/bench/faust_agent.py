"""The peer: an ordinary Faust topic agent that writes the same rows, in batches, as its documentation would have it."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import asyncpg
import faust

from projections.editing import carry_out
from projections.projection import projections
from projections.rebuild import end_offsets
from projections.tables import Batch, describe
from schemas.codec import decode
from schemas.envelope import Position, read_envelope
from tests.bench.events import TOPIC
from tests.bench.report import FOLDER

EVENTS = 100_000


def topic_agent(bootstrap: str) -> float:
    """Events a second over the first 100,000 events of the topic, or all of fewer. Raises what the agent raises."""
    return asyncio.run(_run(bootstrap, min(EVENTS, sum(end_offsets(bootstrap, [TOPIC]).values()))))


async def _run(bootstrap: str, wanted: int) -> float:
    folder = FOLDER / "faust"
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        "bench.faust",
        broker=f"kafka://{bootstrap}",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        datadir=folder,
    )
    topic = app.topic(TOPIC, value_serializer="raw", value_type=bytes, key_serializer="raw", key_type=bytes)
    connection = await asyncpg.connect(os.environ["FIKS_POSTGRES"])
    chosen = [projections()[name] for name in ("svarut_status", "audit")]
    tables = {}
    for one in chosen:
        schema = f"faust_{one.name}"
        await connection.execute(f"create schema {schema}")
        await connection.execute(f"set search_path to {schema}")
        await connection.execute(one.tables)
        tables[one.name] = await describe(connection, schema)
    seen: list[tuple[float, int]] = []
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def write(events: list[Any]) -> None:
        batches = {one.name: Batch() for one in chosen}
        for event in events:
            message = event.message
            at = read_envelope(message.headers, Position(message.topic, message.partition, message.offset))
            for one in chosen:
                if (take := one.envelope_handler(at.type)) is not None:
                    batches[one.name].add(take(at))
                elif at.type in one.handlers:
                    handler, view = one.handlers[at.type]
                    batches[one.name].add(handler(decode(event.value, view), at))
        async with connection.transaction():
            for name, batch in batches.items():
                await carry_out(connection, await batch.edits(connection, tables[name]))

    @app.agent(topic)
    async def project(stream: Any) -> None:
        done = 0
        async for events in stream.take_events(1000, within=0.1):
            try:
                await write(events)
            except Exception as fault:  # Faust would start the agent again, without the batch
                finished.set_exception(fault)
                raise
            done += len(events)
            seen.append((time.perf_counter(), done))
            if done >= wanted and not finished.done():
                finished.set_result(None)

    await app.start()
    await finished
    (first, some), (last, all_) = seen[0], seen[-1]
    await app.stop()
    await connection.close()
    return (all_ - some) / (last - first)
