"""Deletions are carried out whatever fails on the way: the key first, then the bytes, each decision once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from infra.blobs import Blobs
from infra.ends import Ends
from projections.dokumentlager import dokumentlager as projection
from projections.dokumentlager import navn_of
from projections.dokumentlager_slettinger import AT_ONCE, Destruering, Slettinger
from projections.projecting import Projecting
from schemas.dokumentlager import (
    DokumentLastetOpp,
    DokumentslettingBegjart,
    Slettegrunn,
    SlettingAvFlereBegjart,
)
from schemas.topics import TOPICS
from streams.agents import Work
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain.dokumentlager import blob_of, dokumentlager, key_id_of
from streams.domain.errors import Unavailable
from streams.keys import Following
from streams.sealing import opened_at
from tests.support.backbone import Backbone, about, backbone
from tests.support.records import Record, distinct
from tests.support.stack import OwnKafka

TOPIC = "fiks.dokumentlager"


class Faulty(Blobs):
    """A store that is away when it is first asked to delete; tells what was deleted, and which keys were there then."""

    def __init__(self, url: str, system: Backbone) -> None:
        super().__init__(url)
        self.system, self.asked = system, 0
        self.keys_left: list[bool] = []

    async def delete(self, names) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("away")
        for name in names:
            id_ = UUID(hex=name)
            while await self.system.connection.fetch("select from nokkel where name = $1", key_id_of(id_)):
                await asyncio.sleep(0.02)
            self.keys_left.append(False)
        await super().delete(names)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: what an earlier test has sealed must open for a later one."""
    return tmp_path_factory.mktemp("state")


@pytest_asyncio.fixture
async def system(own_kafka: OwnKafka, database: str, state: Path) -> AsyncIterator[Backbone]:
    async with backbone(own_kafka.bootstrap, database, state) as made:
        yield made


@pytest.fixture
def blobs(system: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Faulty:
    return Faulty(tmp_path_factory.mktemp("blobs").as_uri(), system)


def works(system: Backbone, *more: Work) -> list[Work]:
    letters = DeadLetters(system.log)
    own = [Deciding(dokumentlager, system.log, letters), Projecting([projection], letters, system.log.keys)]
    return [*own, Following(system.log), *more]


async def uploaded(system: Backbone, blobs: Blobs, **said: object) -> UUID:
    """A document with content and key."""

    async def content() -> AsyncIterator[bytes]:
        yield b"innhold"

    id_ = uuid4()
    await system.log.keys.create(key_id_of(id_))
    await blobs.put(blob_of(id_), content())
    measured = {"ukryptert_storrelse": 7, "kryptert_storrelse": 64, "sha256": "0" * 64, "sikkerhetsniva": 3}
    where = {"fiks_org_id": uuid4(), "konto_id": uuid4(), "blob": blob_of(id_), "nokkel_id": key_id_of(id_)}
    known = {"dokumentnavn": "Ola Nordmanns journal.pdf", "mimetype": "text/plain"}
    event = DokumentLastetOpp(**({"dokument_id": id_} | measured | where | known | said))
    await system.log.append(event, about(event))
    return id_


def records_of(system: Backbone, stream: UUID) -> list[Record]:
    return [one for one in system.records(TOPIC) if one.key == str(stream).encode()]


def types_of(records: list[Record]) -> list[str]:
    return [dict(one.headers)["ce_type"].decode() for one in records]


async def until_told(system: Backbone, kind: str, *streams: UUID) -> None:
    while any(kind not in types_of(records_of(system, one)) for one in streams):
        await asyncio.sleep(0.1)


async def test_the_key_goes_first_and_a_store_that_is_away_is_asked_again(system: Backbone, blobs: Faulty) -> None:
    async with system.worker(works(system, Destruering(system.log, DeadLetters(system.log), blobs))):
        id_, stays = await uploaded(system, blobs), await uploaded(system, blobs)
        asked = DokumentslettingBegjart(dokument_id=id_, grunn=Slettegrunn.API, av="integrasjon:1")
        await system.log.append(asked, about(asked))
        await until_told(system, "DokumentDestruert", id_)
        await system.until_projected("dokumentlager")

    assert blobs.asked > 1 and blobs.keys_left
    assert types_of(distinct(records_of(system, id_))) == [
        "DokumentLastetOpp",
        "DokumentslettingBegjart",
        "DokumentSlettet",
        "DokumentDestruert",
    ]
    left = [name async for names in blobs.written(datetime.now(UTC) + timedelta(days=1)) for name in names]
    assert left == [blob_of(stays)]
    rows = await system.connection.fetch("select dokument_id, status, dokumentnavn from read.dokumentlager_dokument")
    shown = await opened_at(system.log.keys, [navn_of(row) for row in rows])
    assert {(row["dokument_id"], row["status"], one.dokumentnavn) for row, one in zip(rows, shown, strict=True)} == {
        (id_, "SLETTET", "(slettet)"),
        (stays, "TILGJENGELIG", "Ola Nordmanns journal.pdf"),
    }


async def test_what_is_done_again_after_a_crash_is_said_under_the_same_id(system: Backbone, state: Path) -> None:
    letters, blobs = DeadLetters(system.log), Blobs((state / "blobs").as_uri())
    konto_id, korrelasjonsid = uuid4(), uuid4()
    same = {"konto_id": konto_id, "korrelasjonsid": korrelasjonsid}
    ends = Ends(system.settings.kafka, TOPICS[TOPIC])
    async with system.worker(works(system)):
        go = [await uploaded(system, blobs, **same) for _ in range(3)]
        others = [await uploaded(system, blobs, korrelasjonsid=korrelasjonsid)]
        at = await ends.now()
        asked = SlettingAvFlereBegjart(
            sletting_id=uuid4(), **same, av="integrasjon:1", grenser=tuple(at[number] for number in sorted(at))
        )
        await system.log.append(asked, about(asked))
        others.append(await uploaded(system, blobs, **same))
        await system.until_projected("dokumentlager")

    for _ in range(2):  # the second time as if nothing had been remembered of the first
        effects = [Slettinger(system.log, letters, ends), Destruering(system.log, letters, blobs)]
        async with system.worker(works(system, *effects)):
            await until_told(system, "DokumentDestruert", *go)
            while await system.connection.fetchval(
                "select count(*) from checkpoint where name = any($1) and topic = $2",
                [Slettinger.role, Destruering.role],
                TOPIC,
            ) < 2 * TOPICS[TOPIC].partitions or await behind(system, ends):
                await asyncio.sleep(0.1)
        await system.connection.execute(
            "update checkpoint set next_offset = 0 where name = any($1)", [Slettinger.role, Destruering.role]
        )

    for kind in ("DokumentslettingBegjart", "DokumentDestruert"):
        for id_ in go:
            told = [dict(one.headers) for one in records_of(system, id_)]
            assert len({one["ce_id"] for one in told if one["ce_type"] == kind.encode()}) == 1
    assert all("DokumentSlettet" not in types_of(records_of(system, id_)) for id_ in others)
    assert all(types_of(records_of(system, id_)).count("DokumentSlettet") == 1 for id_ in go)


async def behind(system: Backbone, ends: Ends) -> bool:
    """Whether one of the two roles has not met all that is on the topic."""
    at = await ends.now()
    rows = await system.connection.fetch(
        "select partition, next_offset from checkpoint where name = any($1) and topic = $2",
        [Slettinger.role, Destruering.role],
        TOPIC,
    )
    return any(row["next_offset"] < at[row["partition"]] for row in rows)


class Slow(Blobs):
    """A store that takes its time to delete: whatever it is asked for is done, a moment later."""

    async def delete(self, names) -> None:
        await asyncio.sleep(1.2)
        await super().delete(names)


async def test_a_store_that_deletes_slowly_is_waited_for(system: Backbone, state: Path) -> None:
    """Many that are deleted together take longer than PostgreSQL lets a transaction sleep."""
    blobs, number, ends = Slow((state / "blobs").as_uri()), 3 * AT_ONCE, Ends(system.settings.kafka, TOPICS[TOPIC])

    async def until_all(kind: str) -> None:
        happened = "select count(distinct dokument_id) from read.dokumentlager_hendelse where type = $1"
        while await system.connection.fetchval(happened, kind) < number:
            await asyncio.sleep(0.1)

    async with system.worker(works(system)):
        ids = [await uploaded(system, blobs) for _ in range(number)]
        asked = [DokumentslettingBegjart(dokument_id=one, grunn=Slettegrunn.API, av="integrasjon:1") for one in ids]
        await system.log.append_all([(one, about(one)) for one in asked])
        await until_all("DokumentSlettet")
        async with (
            asyncio.timeout(30),
            system.worker([Destruering(system.log, DeadLetters(system.log), blobs)], group="other"),
        ):
            await until_all("DokumentDestruert")
            while await behind(system, ends):
                await asyncio.sleep(0.1)

    told = [one for one in system.records(TOPIC) if dict(one.headers)["ce_type"] == b"DokumentDestruert"]
    assert len([one for one in told if UUID(one.key.decode()) in ids]) == number
