"""What was removed from the log before it was read is missed, loudly, and never passed over. Removed for real."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from gateway.auth.memory import Memory
from gateway.auth.snapshot import SnapshotFile
from infra.ends import Ends
from projections import rebuild as rebuilding
from projections.projection import projections
from projections.rebuild import RebuildFailed, end_offsets
from streams.history import history
from streams.reader import Hole
from tests.support.backbone import TOPIC, Backbone
from tests.support.eventually import eventually
from tests.support.topical import topical

README = Path(__file__).parents[2] / "README.md"


def remove(kafka: str, topic: str, before: dict[int, int]) -> None:
    """Remove from each partition what lies before an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": kafka})
    asked = [TopicPartition(topic, partition, offset) for partition, offset in before.items()]
    for removed in admin.delete_records(asked).values():
        removed.result(20)


def ends_of(kafka: str, topic: str = TOPIC) -> dict[int, int]:
    return {partition: end for (_, partition), end in end_offsets(kafka, [topic]).items()}


@pytest.mark.parametrize("left", [1, 0], ids=["the last is left", "nothing is left"])
async def test_a_worker_stops_rather_than_pass_over_what_was_removed(system: Backbone, left: int) -> None:
    await system.send(50)
    kafka = system.settings.kafka
    remove(kafka, TOPIC, {partition: max(end - left, 0) for partition, end in ends_of(kafka).items()})
    worker = await system.worker_process(roles="['projections']")
    _, said = await worker.communicate()
    assert worker.returncode == 70
    assert b"Hole" in said
    assert await system.connection.fetchval("select count(*) from read.svarut_status") == 0


async def test_a_rebuild_from_a_log_that_does_not_go_back_to_its_beginning_fails_and_leaves_the_live_version(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kafka", "postgres", "state"):
        monkeypatch.setenv(f"FIKS_{name.upper()}", str(getattr(system.settings, name)))
    ends = ends_of(system.settings.kafka)
    connection = await asyncpg.connect(system.settings.postgres)
    was_applied = "update checkpoint set next_offset = $2 where name = 'svarut_status' and partition = $1"
    await connection.executemany(was_applied, list(ends.items()))
    remove(system.settings.kafka, TOPIC, ends)
    status = projections()["svarut_status"]
    with pytest.raises(RebuildFailed, match="see its log"):
        await rebuilding.rebuild(connection, system.settings.kafka, [status], 1, lambda done, total: None)
    assert await connection.fetchval("select live from projection where name = 'svarut_status'") == 1
    await connection.close()


@pytest.mark.parametrize("left", [1, 0], ids=["the last is left", "nothing is left"])
async def test_a_past_that_was_removed_is_no_past(kafka: str, left: int) -> None:
    async with topical(kafka) as own:
        for _ in range(3):
            await own.konto()
        [end] = (await Ends(kafka, own.topic).now()).values()
        remove(kafka, own.topic.name, {0: end - left})
        with pytest.raises(Hole):
            async for _ in history(kafka, own.topic.name, {0: 0}, {0: end}):
                pass


async def test_a_memory_whose_snapshot_is_all_that_is_left_says_so(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[BaseException] = []
    monkeypatch.setattr("gateway.auth.memory.LOOK", 0.02)
    monkeypatch.setattr("gateway.auth.memory.ENOUGH", 1)
    monkeypatch.setattr("gateway.auth.follower.die", lambda where, fault: died.append(fault))
    async with topical(kafka) as own:
        await own.konto()
        first = Memory(kafka, own.topic, folder=tmp_path)
        await first.start()
        await eventually(lambda: SnapshotFile(tmp_path, own.topic).records() > 0)
        await first.stop()
        remove(kafka, own.topic.name, await Ends(kafka, own.topic).now())

        second = Memory(kafka, own.topic, folder=tmp_path)
        await second.start()
        await eventually(lambda: bool(died))
        assert isinstance(died[0], Hole)
        assert not second.ready
        await second.stop()


async def test_an_analyst_is_told_that_an_event_is_not_there_any_more(system: Backbone) -> None:
    kafka = system.settings.kafka
    await system.send(50)
    ends = ends_of(kafka)
    remove(kafka, TOPIC, ends)
    [code] = re.findall(r"```python\n(from confluent_kafka import Consumer.*?)```", README.read_text(), re.DOTALL)
    known: dict[str, Any] = {}
    exec(code.replace("127.0.0.1:9092", kafka), known)
    partition = max(ends, key=lambda one: ends[one])
    with pytest.raises(LookupError, match="not any more"):
        await asyncio.to_thread(known["event_at"], TOPIC, partition, ends[partition] - 1)
