"""Rebuilding ``svarut_status`` and ``audit``: events a second and memory, against the same topic consumed and decoded
by librdkafka and fastavro alone, against a plain Faust topic agent that writes the same rows, and against itself with a
read model that needs personal texts, and into tables that are large already. A process that takes more than
``MOST_MEMORY`` fails it.

    python -m tests.bench.rebuild [events, by default 2000000] [more sizes …]
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import asyncpg
import fastavro
import psutil
from confluent_kafka import Consumer, TopicPartition

from infra.database import Connection
from infra.settings import Settings
from projections import versions
from projections.projection import Projection, projections
from projections.rebuild import cancel, end_offsets, group_of, prepare, topics_of
from schemas.registry import by_id
from streams import topics
from streams.app import Worker
from streams.keys import Following
from streams.log import Log
from tests.bench.arguments import asked
from tests.bench.events import EVENTS_A_STREAM, TOPIC, fill
from tests.bench.letters import letters
from tests.bench.report import Report
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder
from tests.support.workers import install_tables

MOST_MEMORY = 400
"""MiB that a process may take, at any size."""
NAMES = ("svarut_status", "audit")
WITH_PERSONAL = (letters.name, "audit")


async def bench(sizes: list[int]) -> None:
    """Fill the topic step by step to each size and rebuild at each; the peers are measured at the first."""
    report = Report("rebuild")
    with temporary_folder() as folder:
        kafka, postgres = OwnKafka(folder, measured=True), OwnPostgres(folder)
        await kafka.start()
        await postgres.start()
        try:
            topics.apply(kafka.bootstrap, 1)
            connection = await asyncpg.connect(postgres.dsn)
            await install_tables(connection)
            os.environ.update(
                FIKS_KAFKA=kafka.bootstrap,
                FIKS_POSTGRES=postgres.dsn,
                FIKS_LOG_LEVEL="WARNING",
                FIKS_STATE=str(folder / "state"),
                FIKS_KEK_FILE=str(folder / "state" / "keks.json"),
            )
            await measure(report, connection, kafka.bootstrap, sizes)
            await connection.close()
        finally:
            await postgres.stop()
            await kafka.stop()
    report.finish()


async def measure(report: Report, connection: Connection, bootstrap: str, sizes: list[int]) -> None:
    """All figures."""
    first, *more = sizes
    streams = first // EVENTS_A_STREAM
    kek = own_kek()
    fill(bootstrap, kek, streams)
    report.add("keys_followed", await follow_keys(bootstrap, connection, streams), "keys/s")
    report.add("raw_consume_and_decode", peer("raw", bootstrap), "events/s")
    rate, memory, indexing = await rebuild(connection, bootstrap, 1)
    report.add("rebuild_one_process", rate, "events/s", to="raw_consume_and_decode")
    report.add("rebuild_one_process_peak_memory", memory, "MiB")
    report.add("rebuild_one_process_then_indexes", indexing, "s")
    personal, memory, _ = await rebuild(connection, bootstrap, 1, WITH_PERSONAL)
    report.add("rebuild_one_process_with_personal_texts", personal, "events/s", to="rebuild_one_process")
    report.add("rebuild_one_process_with_personal_texts_peak_memory", memory, "MiB")
    two, memory, _ = await rebuild(connection, bootstrap, 2)
    report.add("rebuild_two_processes", two, "events/s", to="rebuild_one_process")
    report.add("rebuild_two_processes_peak_memory_each", memory, "MiB")
    report.add("faust_topic_agent", peer("faust", bootstrap), "events/s")
    report.add_ratio("rebuild_one_process_vs_raw", "rebuild_one_process", "raw_consume_and_decode")
    report.add_ratio("rebuild_two_processes_vs_one", "rebuild_two_processes", "rebuild_one_process")
    report.add_ratio("rebuild_one_process_vs_faust_topic_agent", "rebuild_one_process", "faust_topic_agent")
    for size in more:
        wanted = size // EVENTS_A_STREAM
        fill(bootstrap, kek, wanted - streams, streams)
        await follow_keys(bootstrap, connection, wanted)
        streams = wanted
        rate, memory, indexing = await rebuild(connection, bootstrap, 1)
        report.add(f"rebuild_one_process_at_{size}", rate, "events/s", to="rebuild_one_process")
        report.add(f"rebuild_one_process_at_{size}_peak_memory", memory, "MiB", to="rebuild_one_process_peak_memory")
        report.add(f"rebuild_one_process_at_{size}_then_indexes", indexing, "s", to="rebuild_one_process_then_indexes")
    await into_large(report, connection, bootstrap, kek, streams)
    peaks = {one.name: one.value for one in report.figures if "peak_memory" in one.name}
    if too_much := {name: peak for name, peak in peaks.items() if peak > MOST_MEMORY}:
        raise SystemExit(f"more than {MOST_MEMORY} MiB: {too_much}")


async def into_large(report: Report, connection: Connection, bootstrap: str, kek: bytes, streams: int) -> None:
    """How fast a quarter more of the events come into tables that hold all of them, before and after their indexes are
    made: as when a rebuild goes on where it was interrupted, and while it waits for the switch.
    """
    building = {projections()[name]: await prepare(connection, projections()[name]) for name in NAMES}
    await filled(connection, bootstrap, 1, building)
    more = max(streams // 4, 1)
    for at, name in enumerate(("large", "large_indexed")):
        fill(bootstrap, kek, more, streams + at * more)
        rate, _ = await filled(connection, bootstrap, 1, building)
        report.add(f"rebuild_one_process_into_{name}", rate, "events/s", to="rebuild_one_process")
        for one, version in building.items():
            async with connection.transaction():
                await versions.index(connection, one, version)
    for one in building:
        await cancel(connection, one)


def own_kek() -> bytes:
    """The first generation of the key-encryption keys, in the file where the processes look for it."""
    kek = os.urandom(32)
    file = Settings().state / "keks.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"kms": "none", "generations": {1: kek.hex()}}))
    return kek


async def follow_keys(bootstrap: str, connection: Connection, wanted: int) -> float:
    """Bring so many keys into their table. Returns how many a second that were."""
    log = Log(bootstrap)
    await log.start()
    before, started = await connection.fetchval("select count(*) from nokkel"), time.perf_counter()
    worker = Worker(Settings(), [Following(log)])
    await worker.start()
    while await connection.fetchval("select count(*) from nokkel") < wanted:
        await asyncio.sleep(0.1)
    elapsed = time.perf_counter() - started
    await worker.stop()
    await log.stop()
    return float((wanted - before) / elapsed)


async def rebuild(
    connection: Connection, bootstrap: str, count: int, names: tuple[str, ...] = NAMES
) -> tuple[float, float, float]:
    """Events a second from the first event applied to the last, the peak memory of a process (MiB), and the seconds
    that the indexes take which are made before the switch.
    """
    chosen = [projections()[name] for name in names]
    building = {one: await prepare(connection, one) for one in chosen}
    rate, peak = await filled(connection, bootstrap, count, building)
    indexing = time.perf_counter()
    for one, version in building.items():
        async with connection.transaction():
            await versions.index(connection, one, version)
    indexing = time.perf_counter() - indexing
    for one in chosen:
        await cancel(connection, one)
    return rate, peak, indexing


async def filled(
    connection: Connection, bootstrap: str, count: int, building: dict[Projection, int]
) -> tuple[float, float]:
    """Let so many processes fill the versions. Events a second, from those first seen applied to the last, and the peak
    memory of a process (MiB).
    """
    wanted = sum(end_offsets(bootstrap, topics_of(list(building))).values())
    argv = [
        sys.executable,
        "-m",
        "tests.bench.letters",
        "--parent",
        str(os.getpid()),
        "--group",
        group_of(building),
        *(one.name for one in building),
    ]
    running = [psutil.Popen(argv) for _ in range(count)]
    begun = before = await applied(connection, building)
    started, peak = 0.0, 0
    while (done := await applied(connection, building)) < wanted:
        if done > begun and not started:
            started, before = time.perf_counter(), done
        peak = max(peak, *(process.memory_info().rss for process in running))
        await asyncio.sleep(0.05)
    elapsed = time.perf_counter() - started
    for process in running:
        process.terminate()
        process.wait()
    return (wanted - before) / elapsed, peak / 2**20


async def applied(connection: Connection, building: dict[Projection, int]) -> int:
    """Events that the slowest of the projections has applied."""
    return min(
        [
            await connection.fetchval(
                "select sum(next_offset)::bigint from checkpoint where name = $1 and version = $2 and topic = $3",
                projection.name,
                version,
                TOPIC,
            )
            for projection, version in building.items()
        ]
    )


def peer(name: str, bootstrap: str) -> float:
    """Run a peer in a process of its own. Returns its events a second."""
    out = subprocess.run(
        [sys.executable, "-m", "tests.bench.rebuild", "--peer", name, bootstrap],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return float(json.loads(out.splitlines()[-1]))


def raw(bootstrap: str) -> float:
    """librdkafka's consume and fastavro's decode with the released schemas, nothing else."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "raw", "enable.auto.commit": False})
    ends = end_offsets(bootstrap, [TOPIC])
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in ends])
    schemas = {one.id: fastavro.parse_schema(one.schema) for one in by_id().values()}
    wanted, done = sum(ends.values()), 0
    started = 0.0
    while done < wanted:
        messages = consumer.consume(min(10_000, wanted - done), timeout=1)  # it would wait for what does not come
        if messages and not started:
            started, wanted = time.perf_counter(), wanted - len(messages)
            continue
        for message in messages:
            value: Any = message.value()
            body = io.BytesIO(value)
            body.seek(5)
            fastavro.schemaless_reader(body, schemas[int.from_bytes(value[1:5], "big")], None)
        done += len(messages)
    consumer.close()
    return wanted / (time.perf_counter() - started)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        from tests.bench.faust_agent import topic_agent

        with suppress(KeyboardInterrupt):
            print(json.dumps({"raw": raw, "faust": topic_agent}[sys.argv[2]](sys.argv[3])))
    else:
        sizes = asked("rebuild", "EVENTS ...", "([1-9][0-9]*( [1-9][0-9]*)*)?")
        asyncio.run(bench([int(size) for size in sizes] or [2_000_000]))
