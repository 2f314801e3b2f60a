"""A deleted document is gone: no byte of its content, its key or a personal field is left anywhere, nor comes back.

However it came: in one call or in several, encrypted for the platform or not, into a folder or an object store.
Searched are the bytes themselves: all records of all topics, as they are read and as they lie in Kafka's files; all
rows of all tables, all files of the database, its write-ahead log too; all that the blob store holds; all else that the
gateways left; and the same in a system that is built anew from the log. What was not deleted is as it was.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from confluent_kafka.admin import AdminClient

from gateway.context import LOG
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
from streams.domain.dokumentlager import key_id_of
from streams.keys import Following
from streams.log import Log
from tests.support.dokumentlager import Lager, form, running_lager, said_of
from tests.support.kafka_files import records_in_files
from tests.support.records import records_on
from tests.support.s3 import new_bucket, running_s3
from tests.support.stack import OwnPostgres, temporary_folder
from tests.support.tus import begun
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


@dataclass(frozen=True)
class Searched:
    """A system of which every byte can be searched. ``shards`` is what must not be found."""

    lager: Lager
    folder: Path
    stored: Callable[[], Iterable[bytes]]
    shards: set[bytes] = field(default_factory=lambda: set(SHARDS))

    def found_in(self, everything: Iterable[bytes]) -> set[bytes]:
        return {shard for one in everything for shard in self.shards if shard in one}

    async def assert_nothing_is_found(self) -> None:
        lager = self.lager
        assert self.found_in(on_the_log(lager.settings.kafka)) == set()
        assert self.found_in(records_in_files(self.folder / "kafka")) == set()
        assert self.found_in(await in_the_tables(lager.postgres)) == set()
        assert self.found_in(self.stored()) == set()
        await checkpointed(lager.postgres)
        assert self.found_in(files_in(self.folder)) == set()

    async def assert_that_is_found_what_shall(self, sealed: bytes) -> None:
        """Or the search would find nothing at all."""
        await checkpointed(self.lager.postgres)
        for everything, wanted in (
            (on_the_log(self.lager.settings.kafka), VISIBLE),
            (records_in_files(self.folder / "kafka"), VISIBLE),
            (await in_the_tables(self.lager.postgres), VISIBLE),
            (files_in(self.folder / "postgres"), VISIBLE),
            (self.stored(), sealed),
        ):
            assert any(wanted in one for one in everything)


@pytest_asyncio.fixture(params=["folder", "bucket"])
async def searched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Searched]:
    with temporary_folder() as folder, ExitStack() as servers:
        stored: Callable[[], Iterable[bytes]] = lambda: files_in(folder / "state" / "blobs")  # noqa: E731
        if request.param == "bucket":
            bucket = new_bucket(servers.enter_context(running_s3()), monkeypatch)
            monkeypatch.setenv("FIKS_BLOBS", bucket.url)
            stored = bucket.contents
        async with running_lager(folder) as (lager, _):
            monkeypatch.setenv("FIKS_KAFKA", lager.settings.kafka)  # for the processes that a rebuild starts
            monkeypatch.setenv("FIKS_POSTGRES", lager.postgres)
            monkeypatch.setenv("FIKS_STATE", str(lager.settings.state))
            yield Searched(lager, folder, stored)


def on_the_log(bootstrap: str) -> Iterator[bytes]:
    """Every byte of every topic."""
    for name in AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics:
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


async def checkpointed(dsn: str) -> None:
    """What PostgreSQL has in memory lies on the disk too: what was overwritten there, or deleted, does so still."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("checkpoint")
    await connection.close()


def files_in(folder: Path) -> Iterator[bytes]:
    """But for Kafka's indexes, which are of offsets and times, and mostly of nothing."""
    for file in folder.rglob("*"):
        assert not file.is_symlink(), "behind which nobody would look"
        if file.is_file() and file.suffix not in (".index", ".timeindex"):
            yield file.read_bytes()


async def destroyed(lager: Lager, dokument_id: str) -> None:
    """Delete the document, and wait until the log says that nobody can read it any more."""
    assert (await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")).status == 200
    until = "select 1 from read.dokumentlager_hendelse where dokument_id = $1 and type = 'DokumentDestruert'"
    while not await lager.rows(until, UUID(dokument_id)):
        await asyncio.sleep(0.1)


async def in_one_call(lager: Lager, content: bytes, query: str) -> str:
    exposed = [{"id": lager.headers["IntegrasjonId"], "type": "INTEGRASJON"}, *EXPOSED]
    said = said_of(dokumentnavn=NAVN, mimetype=VISIBLE.decode(), eksponertFor=exposed)
    answer = await lager.upload(form(said, content), query=query)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


async def in_several(lager: Lager, content: bytes, query: str) -> str:
    exposed = [{"id": lager.headers["IntegrasjonId"], "type": "INTEGRASJON"}, *EXPOSED]
    said = {"dokumentnavn": NAVN, "mimetype": VISIBLE.decode(), "eksponertFor": exposed}
    upload, middle = await begun(lager, len(content), query, **said), len(content) // 2 + 7
    assert (await upload.send(0, content[:middle])).status == 204
    answer = await upload.send(middle, content[middle:])
    assert answer.status == 204, answer.body
    return answer.headers["Fiks-Dokument-Id"]


async def test_nothing_of_a_deleted_document_is_left(searched: Searched) -> None:
    lager, kept_content = searched.lager, os.urandom(500_000)
    message = await lager.encrypted(CONTENT)
    searched.shards.update(message[at : at + 32] for at in range(0, len(message) - 32, len(message) // 7))
    before = set(searched.stored())
    gone = [
        await in_one_call(lager, CONTENT, "?kryptert=false"),
        await in_one_call(lager, message, "?kryptert=true"),
        await in_several(lager, CONTENT, ""),
        await in_several(lager, message, "?kryptert=true"),
    ]
    sealed = [one[-100:] for one in set(searched.stored()) - before if len(one) > len(CONTENT)]
    assert len(sealed) == len(gone)
    kept = await lager.uploaded(kept_content, dokumentnavn="Beholdt.pdf")
    for key in (await lager.app[LOG].keys.get_many([key_id_of(UUID(one)) for one in gone])).values():
        searched.shards.update((key, key.hex().encode(), base64.b64encode(key).rstrip(b"=")))
    while (await lager.download(gone[-1])).status == 503:  # the worker has just been started
        await asyncio.sleep(0.1)
    person = await lager.as_person(FNR)
    for one in gone:
        assert (await lager.download(one)).body == (await person.download(one)).body == CONTENT
    await searched.assert_nothing_is_found()  # nor may anybody see it before that
    await searched.assert_that_is_found_what_shall(sealed[0])

    for one in gone:
        await destroyed(lager, one)

    await searched.assert_nothing_is_found()
    left = list(searched.stored())
    assert not any(shard in one for one in left for shard in sealed)
    assert all(len(one) < len(kept_content) + 1000 for one in left), "nor is any other copy that we do not know"
    for one in gone:
        await assert_without_key(lager, one)
        await assert_gone_and_kept(lager, one, kept, kept_content)
    with temporary_folder() as folder:
        await assert_the_same_anew(searched, folder, gone)


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


async def assert_the_same_anew(searched: Searched, folder: Path, gone: list[str]) -> None:
    """An empty database, filled from the log alone by the key-encryption keys that are there, has the same rows."""
    lager, postgres = searched.lager, OwnPostgres(folder)
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
        for one in gone:
            while not await anew.rows(until, UUID(one)):
                await asyncio.sleep(0.1)
            name = "select dokumentnavn from read.dokumentlager_dokument where dokument_id = $1"
            assert (await anew.rows(name, UUID(one)))[0]["dokumentnavn"] == ERASED
        assert searched.found_in(await in_the_tables(postgres.dsn)) == set()
        await checkpointed(postgres.dsn)
        assert searched.found_in(files_in(folder)) == set()
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
