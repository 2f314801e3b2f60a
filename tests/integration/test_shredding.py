"""A deleted document is gone: no byte of its content or of a personal field is left anywhere, nor comes back.

Searched are the bytes themselves: all records of all topics, all rows of all tables, all files of the database, its
write-ahead log too, all files of the blob store, and the same in a system that is built anew from the log. What was not
deleted is as it was.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from confluent_kafka.admin import AdminClient

from infra.database import pool_of
from infra.ends import Ends
from infra.keys import Table
from infra.kms import keks
from projections.compare import check
from projections.projecting import Projecting
from projections.projection import projections
from schemas.personal import ERASED
from schemas.topics import NOKKEL
from streams.app import Worker
from streams.dead_letters import DeadLetters
from streams.domain.dokumentlager import blob_of, key_id_of
from streams.keys import Following
from streams.log import Log
from tests.support.dokumentlager import Lager, running_lager
from tests.support.records import records_on
from tests.support.stack import OwnPostgres, temporary_folder
from tests.support.workers import prepare

FNR = "12858010053"
NAVN = "Ærlig hemmelighet.pdf"
SECRET = b"Kari Nordmanns diagnose er hemmelig. "
CONTENT = SECRET * 50_000
"""Seven segments, in every one of which the secret stands."""
HASH = hashlib.sha256(CONTENT)
"""By which anybody could try what the document said, were it short."""
SHARDS = (SECRET[:12], SECRET[-12:], b"hemmelig", NAVN.encode(), NAVN.encode("utf-16-le"), FNR.encode())
SHARDS += (HASH.digest(), HASH.hexdigest().encode(), base64.b64encode(HASH.digest()))
VISIBLE = b"application/x-not-personal"
"""The type of the document, which is nobody's secret."""
EXPOSED = [{"fnr": FNR, "type": "PERSON"}]


@pytest_asyncio.fixture
async def lager(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lager]:
    with temporary_folder() as folder:
        async with running_lager(folder) as (lager, _):
            monkeypatch.setenv("FIKS_KAFKA", lager.settings.kafka)  # for the processes that a rebuild starts
            monkeypatch.setenv("FIKS_POSTGRES", lager.postgres)
            monkeypatch.setenv("FIKS_STATE", str(lager.settings.state))
            yield lager


def on_the_log(bootstrap: str) -> Iterator[bytes]:
    """Every byte of every topic of ours."""
    for name in AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics:
        if name.startswith("fiks."):
            for one in records_on(bootstrap, name):
                yield b"\0".join((one.key, one.value, *(value for _, value in one.headers)))


async def in_the_tables(dsn: str) -> list[bytes]:
    """Every byte of every table, in text as PostgreSQL writes it, bytea by itself."""
    connection = await asyncpg.connect(dsn)
    found = []
    for schema, table in await connection.fetch(
        "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
    ):
        for row in await connection.fetch(f'select * from "{schema}"."{table}"'):
            found.append(b"\0".join(one if isinstance(one, bytes) else str(one).encode() for one in row))
    await connection.close()
    return found


async def in_the_files(dsn: str) -> list[bytes]:
    """Every file of the database as it lies on the disk: what was overwritten there, or deleted, is in them still."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("checkpoint")
    folder = await connection.fetchval("show data_directory")
    await connection.close()
    return files_in(Path(folder))


def files_in(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def in_the_store(state: Path) -> Iterator[bytes]:
    for file in (state / "blobs").iterdir():
        yield file.read_bytes()


def shards_in(everything: Iterator[bytes] | list[bytes]) -> set[bytes]:
    return {shard for one in everything for shard in SHARDS if shard in one}


async def destroyed(lager: Lager, dokument_id: str) -> None:
    """Delete the document, and wait until the log says that nobody can read it any more."""
    assert (await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")).status == 200
    until = "select 1 from read.dokumentlager_hendelse where dokument_id = $1 and type = 'DokumentDestruert'"
    while not await lager.rows(until, UUID(dokument_id)):
        await asyncio.sleep(0.1)


async def test_nothing_of_a_deleted_document_is_left(lager: Lager) -> None:
    settings, kept_content = lager.settings, os.urandom(500_000)
    itself = {"id": lager.headers["IntegrasjonId"], "type": "INTEGRASJON"}
    kept = await lager.uploaded(kept_content, dokumentnavn="Beholdt.pdf")
    gone = await lager.uploaded(CONTENT, dokumentnavn=NAVN, mimetype=VISIBLE.decode(), eksponertFor=[itself, *EXPOSED])
    while (await lager.download(gone)).status == 503:  # the worker has just been started
        await asyncio.sleep(0.1)
    assert (await lager.download(gone)).body == CONTENT
    assert (await (await lager.as_person(FNR)).download(gone)).body == CONTENT
    blob = (settings.state / "blobs" / blob_of(UUID(gone))).read_bytes()
    assert shards_in(on_the_log(settings.kafka)) == set(), "nor may anybody see it before that"
    assert shards_in(in_the_store(settings.state)) == set()
    assert shards_in(await in_the_tables(lager.postgres)) == set()
    files = await in_the_files(lager.postgres)
    assert shards_in(files) == set()
    assert any(VISIBLE in one for one in files), "or this test would find nothing at all"

    await destroyed(lager, gone)

    assert shards_in(on_the_log(settings.kafka)) == set()
    assert shards_in(await in_the_tables(lager.postgres)) == set()
    assert shards_in(await in_the_files(lager.postgres)) == set()
    assert blob_of(UUID(gone)) not in lager.blobs
    assert not any(blob[-100:] in one for one in in_the_store(settings.state))
    await assert_without_key(lager, gone)
    await assert_gone_and_kept(lager, gone, kept, kept_content)
    with temporary_folder() as folder:
        await assert_the_same_anew(lager, folder, gone)


async def assert_without_key(lager: Lager, gone: str) -> None:
    """Neither the table nor, once it is compacted, the topic has the key: see test_keys_linger for the latter."""
    pool = await pool_of(lager.postgres, 1)
    table = Table(pool, Ends(lager.settings.kafka, NOKKEL))
    assert await table.load([key_id_of(UUID(gone))]) == {}
    await pool.close()
    last = [one for one in records_on(lager.settings.kafka, NOKKEL.name) if one.key == key_id_of(UUID(gone)).encode()]
    assert last[-1].value == b"", "a tombstone"


async def assert_gone_and_kept(lager: Lager, gone: str, kept: str, content: bytes) -> None:
    assert (await lager.download(gone)).status == 410
    known = await lager.ask("GET", f"{lager.konto}/dokumenter/{gone}")
    assert (known.json["dokumentnavn"], known.json["slettet"]) == (ERASED, True)
    assert known.json["ukryptertStorrelse"] == len(CONTENT)
    assert (await lager.download(kept)).body == content
    assert (await lager.ask("GET", f"{lager.konto}/dokumenter/{kept}")).json["dokumentnavn"] == "Beholdt.pdf"


async def assert_the_same_anew(lager: Lager, folder: Path, gone: str) -> None:
    """An empty database, filled from the log alone by the key-encryption keys that are there, has the same rows."""
    postgres = OwnPostgres(folder)
    await postgres.start()
    await prepare(postgres.dsn)
    anew, settings = replace(lager, postgres=postgres.dsn), lager.settings.model_copy(update={"postgres": postgres.dsn})
    log = Log(settings.kafka, keks(settings))
    await log.start()
    works = [Projecting(list(projections().values()), DeadLetters(log), log.keys), Following(log)]
    worker = Worker(settings, works, group="anew", keys=log.keys)
    await worker.start()
    try:
        until = "select 1 from read.dokumentlager_hendelse where dokument_id = $1 and type = 'DokumentDestruert'"
        while not await anew.rows(until, UUID(gone)):
            await asyncio.sleep(0.1)
        name = "select dokumentnavn from read.dokumentlager_dokument where dokument_id = $1"
        assert (await anew.rows(name, UUID(gone)))[0]["dokumentnavn"] == ERASED
        assert shards_in(await in_the_tables(postgres.dsn)) == set()
    finally:
        await worker.stop()
    await log.stop()
    connection, snapshot = await asyncpg.connect(lager.postgres), await asyncpg.connect(lager.postgres)
    for projection in projections().values():
        found = await check(connection, snapshot, settings.kafka, projection, 1, lambda done, total: None)
        assert not found.differences, projection.name
    await connection.close()
    await snapshot.close()
    await postgres.stop()
