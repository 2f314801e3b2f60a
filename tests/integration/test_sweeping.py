"""Content that no event tells of is swept up, in a folder and in S3; what is told of, or may be, never is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from infra.blobs import LOG, SMALL, Blobs
from infra.ends import Ends
from infra.settings import Settings
from projections import sweeping
from projections.audit import audit
from projections.innhold import innhold
from projections.projecting import Projecting
from projections.sweeping import PASSING, Found, named_in_dead_letters, require_told_by_this_log, sweep
from schemas.codec import encode
from schemas.dokumentlager import DokumentLastetOpp
from schemas.svarut import Dokument
from schemas.topics import TOPICS
from streams.dead_letters import DeadLetters
from streams.domain.errors import Unavailable
from streams.domain.opplasting import folder_of, id_of
from streams.log import Log
from tests.support.backbone import Backbone, about, mottatt
from tests.support.s3 import new_bucket, running_s3
from tests.support.stack import OwnKafka


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs").as_uri())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Blobs]:
    with running_s3() as address:
        yield Blobs(new_bucket(address, monkeypatch).url)


async def stored(blobs: Blobs, size: int = 10) -> str:
    async def content() -> AsyncIterator[bytes]:
        yield os.urandom(size)

    await blobs.put(name := uuid4().hex, content())
    return name


async def names(blobs: Blobs) -> set[str]:
    return {name async for some in blobs.written(tomorrow()) for name in some}


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def document(blob: str) -> DokumentLastetOpp:
    measured = {"ukryptert_storrelse": 10, "kryptert_storrelse": 67, "sha256": "0" * 64, "sikkerhetsniva": 3}
    return DokumentLastetOpp(
        dokument_id=uuid4(),
        fiks_org_id=uuid4(),
        konto_id=uuid4(),
        blob=blob,
        nokkel_id="dokumentlager:1",
        dokumentnavn="a",
        mimetype="text/plain",
        **measured,
    )


@pytest.mark.parametrize("store", ["folder", "bucket"])
async def test_only_what_no_event_tells_of_is_swept(
    store: str, request: pytest.FixtureRequest, system: Backbone, own_kafka: OwnKafka
) -> None:
    blobs: Blobs = request.getfixturevalue(store)
    letter, document_, orphan, large = [await stored(blobs, size) for size in (10, 10, 10, SMALL + 1)]
    ends = [Ends(own_kafka.bootstrap, TOPICS[name]) for name in innhold.topics]
    event = mottatt(
        dokumenter=(
            Dokument(filnavn="a", mime_type="b", storrelse=1, sha256="0", blob=letter),
            Dokument(filnavn="b", mime_type="b", storrelse=1, sha256="0", blob=None),
        )
    )
    for told in (event, document(document_)):
        await system.log.append(told, about(told))

    with pytest.raises(Unavailable):  # what was appended is not projected yet
        await sweep(system.connection, blobs, ends, set(), tomorrow())
    async with system.worker([Projecting([innhold], DeadLetters(system.log), system.log.keys)]):
        await system.until_projected("innhold")

    assert await sweep(system.connection, blobs, ends, set(), datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await names(blobs) == {letter, document_, orphan, large}
    assert await sweep(system.connection, blobs, ends, {large}, tomorrow()) == 1
    assert await names(blobs) == {letter, document_, large}
    assert await sweep(system.connection, blobs, ends, set(), tomorrow()) == 1
    assert await names(blobs) == {letter, document_}


@pytest.mark.parametrize("store", ["folder", "bucket"])
async def test_what_cannot_be_ours_is_left_alone(store: str, request: pytest.FixtureRequest, system: Backbone) -> None:
    """As in a bucket that somebody else has, which a host was told of by mistake and saw for the first time."""
    blobs: Blobs = request.getfixturevalue(store)
    orphan, foreign = await stored(blobs), {"bilde.jpg", "mappe/brev.pdf", f"mappe/{uuid4().hex}", uuid4().hex.upper()}
    for name in foreign:
        await blobs.create(name, b"x")

    assert await sweep(system.connection, blobs, [], set(), tomorrow()) == 1
    assert await names(blobs) == foreign, f"{orphan} is gone"


@pytest.mark.parametrize("store", ["folder", "bucket"])
async def test_the_content_of_another_log_is_left_alone(
    store: str, request: pytest.FixtureRequest, system: Backbone
) -> None:
    """As where a system for tests is told of the store of another by mistake."""
    blobs: Blobs = request.getfixturevalue(store)
    with pytest.raises(Unavailable, match="nothing on the log"):
        await require_told_by_this_log(system.connection, blobs)
    event = document(await stored(blobs))
    await system.log.append(event, about(event))
    async with system.worker([Projecting([audit], DeadLetters(system.log), system.log.keys)]):
        await system.until_projected("audit")

    for _ in range(2):
        await require_told_by_this_log(system.connection, blobs)
    _, _, _, id_, _ = (await blobs.told_by("x")).split("/")
    assert await system.connection.fetch("select from read.audit where id = $1", id_)
    assert await names(blobs) == {event.blob}
    await system.connection.execute("update audit_v1.audit set time = time + interval '1 second'")
    with pytest.raises(Unavailable, match="another log's"):
        await require_told_by_this_log(system.connection, blobs)


async def test_what_a_crash_left_of_a_file_is_swept(folder: Blobs, system: Backbone) -> None:
    for name in (f"{uuid4().hex}.part", uuid4().hex):
        await folder.create(name, b"x")

    assert await sweep(system.connection, folder, [], set(), tomorrow()) == 2
    assert await names(folder) == set()


@pytest.mark.parametrize("store", ["folder", "bucket"])
async def test_an_upload_in_several_calls_stays_while_it_may_go_on(
    store: str, request: pytest.FixtureRequest, system: Backbone
) -> None:
    blobs: Blobs = request.getfixturevalue(store)
    now, konto_id = datetime.now(UTC), uuid4()

    def folder_until(expires: datetime) -> str:
        return folder_of(konto_id, id_of(expires, uuid4().hex))

    running, decided, finished = [folder_until(now + timedelta(days=3)) for _ in range(3)]
    expired = folder_until(now - timedelta(days=1))
    for folder, names_ in (
        (running, ["opprettet", "000000000000"]),
        (decided, ["opprettet", "000000000000", "utfall"]),
        (finished, ["opprettet", "000000000000", "utfall", "ferdig"]),
        (expired, ["opprettet", "000000000000", "utfall", "ferdig"]),
    ):
        for name in names_:
            await blobs.create(f"{folder}/{name}", b"x")

    assert await sweep(system.connection, blobs, [], set(), now - timedelta(hours=1)) == 0  # all was written since
    assert await sweep(system.connection, blobs, [], set(), tomorrow()) == 8

    left = {f"{running}/{name}" for name in ("opprettet", "000000000000")}
    left |= {f"{decided}/utfall", f"{finished}/utfall", f"{finished}/ferdig"}
    assert await names(blobs) == left
    assert await sweep(system.connection, blobs, [], set(), now + timedelta(days=4)) == len(left)
    assert await names(blobs) == set()


async def test_a_turn_that_failed_is_soon_tried_again(
    system: Backbone, own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    turns, turn, settings = [], sweeping._turn, system.settings.model_copy(update={"blobs": tmp_path.as_uri()})
    orphan = await stored(Blobs(settings.blobs))
    os.utime(tmp_path / orphan, (0, 0))

    async def watched(settings: Settings, keys_on: Log, orphans: Found) -> None:
        try:
            await turn(settings, keys_on, orphans)
        except PASSING:
            turns.append("failed")
            raise
        turns.append("swept")

    monkeypatch.setattr(sweeping, "_turn", watched)
    monkeypatch.setattr(sweeping, "SURE", 0.0)
    event = document(uuid4().hex)
    await system.log.append(event, about(event))  # is not projected, so nothing can be swept
    sweeper = asyncio.create_task(sweeping.sweep_for_ever(settings, system.log))
    while turns[:2] != ["failed"] * 2:
        await asyncio.sleep(0.05)
    assert orphan in await names(Blobs(settings.blobs))

    async with system.worker([Projecting([innhold, audit], DeadLetters(system.log), system.log.keys)]):
        while "swept" not in turns:
            await asyncio.sleep(0.05)
    sweeper.cancel()
    assert orphan not in await names(Blobs(settings.blobs))
    assert (tmp_path / LOG).read_text().startswith("fiks."), "it is known whose the content is"


async def test_what_a_dead_letter_tells_of_is_spared(system: Backbone, own_kafka: OwnKafka) -> None:
    event = document(blob := uuid4().hex)
    topic = TOPICS["fiks.dokumentlager"].dead_letters
    headers = about(event).headers()
    where = {"role": "projections", "reason": "x", "topic": "fiks.dokumentlager", "partition": "0", "offset": "0"}
    headers += [(f"fiks_dlq_{name}", value.encode()) for name, value in where.items()]
    await system.log.send(topic, str(event.dokument_id), encode(event), headers)

    assert blob in await asyncio.to_thread(named_in_dead_letters, own_kafka.bootstrap)

    await system.log.send(topic, str(event.dokument_id), b"nothing that can be read", headers)
    with pytest.raises(Unavailable, match="may name content"):
        await asyncio.to_thread(named_in_dead_letters, own_kafka.bootstrap)
