"""The gateway's memory that goes on from a snapshot, against a real broker: it is the memory that read everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from gateway.auth import memory as module
from gateway.auth.memory import Memory
from gateway.auth.snapshot import Mark, Snapshot, SnapshotFile
from schemas.konfigurasjon import PersonEndret, PersonRegistrert
from tests.support.eventually import eventually
from tests.support.konfigurasjon import GENESIS, A, fold, grant
from tests.support.topical import Topical, topical


class Counting(Memory):
    """Counts the records that it is given."""

    received = 0

    def _receive(self, record: object) -> None:
        self.received += 1
        super()._receive(record)  # type: ignore[arg-type]


@asynccontextmanager
async def remembering(of: Topical, folder: Path | None = None) -> AsyncIterator[Counting]:
    memory = Counting(of.bootstrap, of.topic, folder=folder)
    await memory.start()
    await eventually(lambda: memory.ready)
    yield memory
    await memory.stop()


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot after every record."""
    monkeypatch.setattr(module, "LOOK", 0.02)
    monkeypatch.setattr(module, "ENOUGH", 1)


@pytest.fixture
async def own(kafka: str) -> AsyncIterator[Topical]:
    async with topical(kafka, partitions=3) as own:
        yield own


async def assert_as_from_zero(memory: Memory, own: Topical) -> None:
    async with remembering(own) as other:
        assert memory.configuration.streams() == other.configuration.streams()
        assert memory.configuration.personer == other.configuration.personer


async def test_a_start_reads_only_what_came_after_the_snapshot(own: Topical, tmp_path: Path) -> None:
    person = PersonRegistrert(person_id=uuid4(), aktor="person:1", fnr="12858010053", navn="Kari")
    for event in (*GENESIS, person):
        await own.say(event)
    before = len(GENESIS) + 1
    file = SnapshotFile(tmp_path, own.topic)
    async with remembering(own, tmp_path) as first:
        assert first.received == before
        await eventually(lambda: file.records() == before)
    await own.say(PersonEndret(person_id=person.person_id, aktor="person:1", navn="Kari Nordmann"))
    await own.say(grant(A, "person:1", A))
    async with remembering(own, tmp_path) as second:
        assert second.received == 2
        assert second.may("person:1", "ADMIN", A)
        assert second.configuration.personer["person:1"].navn == "Kari Nordmann"
        await assert_as_from_zero(second, own)
        await eventually(lambda: file.records() == before + 2)
    async with remembering(own, tmp_path) as third:
        assert third.received == 0
        await assert_as_from_zero(third, own)


async def test_processes_that_share_a_folder_leave_one_good_snapshot(own: Topical, tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path, own.topic)
    async with remembering(own, tmp_path) as one, remembering(own, tmp_path) as other:
        for _ in range(20):
            konto = await own.konto()
            await eventually(lambda konto=konto: bool(one.ressurs(konto) and other.ressurs(konto)))
        await eventually(lambda: file.records() == 20)
    async with remembering(own, tmp_path) as again:
        assert again.received == 0
        await assert_as_from_zero(again, own)


async def test_a_snapshot_that_was_changed_is_told_and_not_used(own: Topical, tmp_path: Path) -> None:
    before = await own.konto()
    async with remembering(own, tmp_path):
        await eventually(lambda: SnapshotFile(tmp_path, own.topic).records() == 1)
    path = tmp_path / f"{own.topic.name}.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    with capture_logs() as logs:
        async with remembering(own, tmp_path) as memory:
            assert memory.received == 1
            assert memory.ressurs(before)
    assert [line["fault"] for line in logs if "snapshot" in line["event"]] == ["it was cut or changed"]


@pytest.mark.parametrize("next_offset", [1, 2, 3], ids=["another record", "behind the end", "beyond the end"])
async def test_a_snapshot_of_another_log_is_forgotten(own: Topical, tmp_path: Path, next_offset: int) -> None:
    kontoer = [await own.konto() for _ in range(2)]
    async with remembering(own) as memory:
        (mark,) = memory._follower.marks()
    file, other = SnapshotFile(tmp_path, own.topic), fold(GENESIS)
    file.write(Snapshot([Mark(mark.partition, next_offset, b"of another log")], other.streams(), []))
    with capture_logs() as logs:
        async with remembering(own, tmp_path) as memory:
            assert memory.received == 2
            assert all(memory.ressurs(one) for one in kontoer)
            assert memory.organisasjon(A) is None
            await assert_as_from_zero(memory, own)
            await eventually(lambda: file.records() == 2)
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "the log is not the one that was read before; reading it from its beginning"
    ]


async def test_a_folder_that_cannot_be_written_is_told_and_nothing_else(own: Topical, tmp_path: Path) -> None:
    folder = tmp_path / "a file"
    folder.touch()
    konto = await own.konto()
    with capture_logs() as logs:
        async with remembering(own, folder) as memory:
            await eventually(lambda: any("could not be written" in line["event"] for line in logs))
            assert memory.ressurs(konto)
