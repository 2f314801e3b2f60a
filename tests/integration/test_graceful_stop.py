"""A worker that is asked to stop: what it has begun ends and is committed, it begins nothing more, and then it goes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra.database import Connection
from projections import versions
from projections.projecting import Prepared, Projecting
from projections.projection import projections
from schemas.topics import TOPICS
from streams.app import CONCURRENCY, Worker
from streams.dead_letters import DeadLetters
from streams.reader import Claim, Reader
from tests.support.backbone import TOPIC, Backbone
from tests.support.eventually import eventually, eventually_found
from tests.support.ports import free_port

LONG = 250.0
"""Seconds for which the work of a test may go on: it ends when the test says so."""
A_WHILE = 1.0
"""Seconds in which somebody who does not wait would have gone."""


def members(kafka: str, group: str) -> int:
    """How many a consumer group has, as the broker tells."""
    admin = AdminClient({"bootstrap.servers": kafka})
    return len(admin.describe_consumer_groups([group])[group].result().members)


async def goes_on(task: asyncio.Task[object]) -> bool:
    """Whether it has not ended after a while."""
    await asyncio.wait({task}, timeout=A_WHILE)
    return not task.done()


async def test_a_reader_stays_in_its_group_until_all_that_is_carried_has_ended(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.reader.REVOKE_WAIT", LONG)
    carried: list[Claim] = []

    async def load(partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def offer(claim: Claim) -> None:
        carried.append(claim)

    kafka, group = system.settings.kafka, f"test-{uuid4()}"
    reader = Reader(kafka, group, (TOPIC,), load, offer)
    await system.send(20)
    await reader.start()
    await eventually(lambda: len(carried) > 1)

    stopping = asyncio.create_task(reader.stop())
    assert await goes_on(stopping)
    *others, last = carried
    for claim in others:
        claim.idle.set()
    assert await goes_on(stopping)
    assert await asyncio.to_thread(members, kafka, group) == 1

    last.idle.set()
    await stopping
    assert await asyncio.to_thread(members, kafka, group) == 0


async def test_batches_that_are_under_way_end_and_none_is_begun_after_them(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.reader.REVOKE_WAIT", LONG)
    begun: set[tuple[int, int]] = set()
    go_on = asyncio.Event()

    class Held(Projecting):
        """Takes one record at a time, and keeps it."""

        batch = 1

        async def carry(self, connection: Connection, prepared: Prepared) -> None:
            begun.update((lot.at[1], lot.records[0].offset) for lot in prepared.lots)
            await go_on.wait()
            await super().carry(connection, prepared)

    await system.send(50)
    work = Held([projections()["svarut_status"]], DeadLetters(system.log), system.log.keys)
    worker = Worker(system.settings, [work])
    await worker.start()
    [reader] = worker.readers
    await eventually(lambda: len(begun) == CONCURRENCY and sum(reader.behind().values()) > CONCURRENCY)

    stopping = asyncio.create_task(worker.stop())
    await eventually(lambda: not reader.claims)
    go_on.set()
    await stopping

    assert len(begun) == CONCURRENCY
    came_to = dict.fromkeys(((TOPIC, one) for one in range(TOPICS[TOPIC].partitions)), 0)
    came_to |= {(TOPIC, partition): offset + 1 for partition, offset in begun}
    assert await versions.checkpoints(system.connection, "svarut_status", 1) == came_to


HELD = f"""
from projections.projecting import Projecting
from streams import reader
reader.REVOKE_WAIT = {LONG}
carry = Projecting._carry_under_lock
async def held(self, connection, prepared):
    await carry(self, connection, prepared)
    await connection.execute("set local lock_timeout = 0; select pg_advisory_xact_lock_shared(1)")
Projecting._carry_under_lock = held
"""
"""Makes a worker wait in each of its transactions, once all is written, for a lock that the test holds."""


async def test_a_worker_that_is_asked_to_stop_in_a_transaction_commits_it_and_exits_with_0(system: Backbone) -> None:
    async with system.worker():
        await system.until_quiet()
    [id_] = await system.send(1)
    await system.connection.execute("select pg_advisory_lock(1)")
    worker = await system.worker_process(HELD, roles="('projections',)")

    async def all_are_held() -> bool:
        """Each of the three roles of projections has a transaction of its own."""
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        return bool(await system.connection.fetchval(waiting) == 3)

    await eventually_found(all_are_held)
    assert not await system.statuser([id_])
    worker.terminate()
    ending = asyncio.create_task(worker.communicate())
    assert await goes_on(ending)

    await system.connection.execute("select pg_advisory_unlock(1)")
    await ending
    assert worker.returncode == 0
    assert await system.statuser([id_]) == {"MOTTATT": 1}
    assert await system.connection.fetchval("select count(*) from read.audit where stream = $1", str(id_)) == 1


async def test_a_worker_that_never_reached_kafka_stops(system: Backbone) -> None:
    settings = system.settings.model_copy(update={"kafka": f"127.0.0.1:{free_port()}"})
    process = await dataclasses.replace(system, settings=settings).worker_process(roles="['projections']")
    assert process.stderr
    try:
        async with asyncio.timeout(60):
            while b"waiting for Kafka" not in await process.stderr.readline():
                pass
        process.terminate()
        async with asyncio.timeout(15):
            await asyncio.gather(process.wait(), process.stderr.read())
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
