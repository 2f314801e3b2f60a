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
from schemas.konfigurasjon import PersonopplysningerEndret, PersonopplysningerOppgitt, PersonOpprettet
from streams.domain.personer import person_id
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
    about = {"fiks_org_id": A, "aktor": "person:1"}
    said = PersonopplysningerOppgitt(
        person_id=person_id(A, "person:1"), opplysninger_id=uuid4(), fnr="12858010053", navn="Kari", **about
    )
    for event in (*GENESIS, said, PersonOpprettet(opplysninger_id=said.opplysninger_id, **about)):
        await own.say(event)
    file = SnapshotFile(tmp_path, own.topic)
    async with remembering(own, tmp_path) as first:
        before = first.received  # what was not acknowledged in time may lie there twice
        await eventually(lambda: file.records() == before)
    changed = PersonopplysningerOppgitt(
        person_id=said.person_id, opplysninger_id=uuid4(), navn="Kari Nordmann", **about
    )
    await own.say(changed)
    await own.say(PersonopplysningerEndret(opplysninger_id=changed.opplysninger_id, **about))
    await own.say(grant(A, "person:1", A))
    async with remembering(own, tmp_path) as second:
        after = second.received
        assert second._follower.records == before + after
        assert second.may("person:1", "ADMIN", A)
        assert second.configuration.person(A, "person:1").navn == "Kari Nordmann"
        await assert_as_from_zero(second, own)
        await eventually(lambda: file.records() == before + after)
    async with remembering(own, tmp_path) as third:
        assert third.received == 0
        await assert_as_from_zero(third, own)


async def test_processes_that_share_a_folder_leave_one_good_snapshot(own: Topical, tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path, own.topic)
    async with remembering(own, tmp_path) as one, remembering(own, tmp_path) as other:
        for _ in range(20):
            konto = await own.konto()
            await eventually(lambda konto=konto: bool(one.ressurs(konto) and other.ressurs(konto)))
        await eventually(lambda: file.records() == one.received)
    async with remembering(own, tmp_path) as again:
        assert again.received == 0
        await assert_as_from_zero(again, own)


async def test_a_snapshot_that_was_changed_is_told_and_not_used(own: Topical, tmp_path: Path) -> None:
    before = await own.konto()
    async with remembering(own, tmp_path) as first:
        count = first.received
        await eventually(lambda: SnapshotFile(tmp_path, own.topic).records() == count)
    path = tmp_path / f"{own.topic.name}.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    with capture_logs() as logs:
        async with remembering(own, tmp_path) as memory:
            assert memory.received == count
            assert memory.ressurs(before)
            await eventually(lambda: SnapshotFile(tmp_path, own.topic).records() == count)
    async with remembering(own, tmp_path) as again:
        assert again.received == 0
    assert [line["fault"] for line in logs if "snapshot" in line["event"]] == ["it was cut or changed"]


@pytest.mark.parametrize("beyond", [-1, 0, 1], ids=["another record", "another last record", "beyond the end"])
async def test_a_snapshot_of_another_log_is_forgotten(own: Topical, tmp_path: Path, beyond: int) -> None:
    kontoer = [await own.konto() for _ in range(2)]
    async with remembering(own) as memory:
        (mark,), count = memory._follower.marks(), memory.received
    file, other = SnapshotFile(tmp_path, own.topic), fold(GENESIS)
    file.write(Snapshot([Mark(mark.partition, mark.next_offset + beyond, b"of another log")], other.streams(), []))
    with capture_logs() as logs:
        async with remembering(own, tmp_path) as memory:
            assert memory.received == count
            assert all(memory.ressurs(one) for one in kontoer)
            assert memory.organisasjon(A) is None
            await assert_as_from_zero(memory, own)
            await eventually(lambda: file.records() == count)
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
