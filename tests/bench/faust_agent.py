"""The peer: an ordinary Faust topic agent that writes the same rows, in batches, as its documentation would have it."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import asyncpg
import faust

from projections.projection import projections
from projections.tables import Batch, describe
from schemas.codec import decode
from schemas.envelope import Position, read_envelope

EVENTS = 30_000


def topic_agent(bootstrap: str) -> float:
    """Events a second over the first 30,000 events of the topic."""
    return asyncio.run(_run(bootstrap))


async def _run(bootstrap: str) -> float:
    app = faust.App(
        "bench.faust",
        broker=f"kafka://{bootstrap}",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic("fiks.svarut", value_serializer="raw", value_type=bytes, key_serializer="raw", key_type=bytes)
    connection = await asyncpg.connect(os.environ["FIKS_POSTGRES"])
    chosen = [projections()[name] for name in ("svarut_status", "audit")]
    tables = {}
    for one in chosen:
        schema = f"faust_{one.name}"
        await connection.execute(f"create schema {schema}")
        await connection.execute(f"set search_path to {schema}")
        await connection.execute(one.tables)
        tables[one.name] = await describe(connection, schema)
    finished, seen = asyncio.Event(), []

    @app.agent(topic)
    async def project(stream: Any) -> None:
        done = 0
        async for events in stream.take_events(1000, within=0.1):
            batches = {one.name: Batch() for one in chosen}
            for event in events:
                message = event.message
                at = read_envelope(message.headers.items(), Position(message.topic, message.partition, message.offset))
                for one in chosen:
                    if (take := one.envelope_handler(at.type)) is not None:
                        batches[one.name].add(take(at))
                    else:
                        handler, view = one.handlers[at.type]
                        batches[one.name].add(handler(decode(event.value, view), at))
            async with connection.transaction():
                for name, batch in batches.items():
                    await batch.write(connection, tables[name])
            done += len(events)
            seen.append((time.perf_counter(), done))
            if done >= EVENTS:
                finished.set()

    await app.start()
    await finished.wait()
    (first, some), (last, all_) = seen[0], seen[-1]
    await app.stop()
    await connection.close()
    return (all_ - some) / (last - first)
