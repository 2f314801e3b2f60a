"""The worker end to end: facts in, decisions and rows out, on a Kafka and a PostgreSQL of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest_asyncio

from infra.migrate import migrate
from infra.settings import Settings
from projections import versions
from projections.freshness import passed
from projections.projecting import Projecting
from projections.projection import projections
from schemas.envelope import fact
from schemas.svarut import Adresse, ForsendelseMottatt, Grensesnitt
from schemas.topics import TOPICS
from streams import topics
from streams.app import Worker
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain.svarut import svarut
from streams.log import Log
from tests.support.stack import OwnKafka, temporary_folder


@pytest_asyncio.fixture(scope="module")
async def bootstrap() -> AsyncIterator[str]:
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        topics.apply(server.bootstrap, 1)
        yield server.bootstrap
        await server.stop()


async def test_smoke(bootstrap: str, database: str) -> None:
    settings = Settings(kafka=bootstrap, postgres=database)
    connection = await asyncpg.connect(database)
    await migrate(connection)
    for one in projections().values():
        async with connection.transaction():
            await versions.install(connection, one)
    log = Log(bootstrap)
    await log.start()
    letters = DeadLetters(log)
    worker = Worker(settings, [Deciding(svarut, log, letters), Projecting(list(projections().values()), letters)])
    await worker.start()
    ids = []
    for _ in range(20):
        event = ForsendelseMottatt(
            forsendelse_id=uuid4(), fiks_org_id=uuid4(), konto_id=uuid4(), integrasjon_id=uuid4(),
            grensesnitt=Grensesnitt.REST_V2, tittel="x", mottaker=Adresse(navn="Ola", digital_id="01010112345"))
        await log.append(event, fact(event, time=datetime.now(UTC), id=str(uuid4()), source="urn:test"))
        ids.append(event.forsendelse_id)
    for _ in range(100):
        rows = await connection.fetch("select status, count(*) from read.svarut_status group by 1")
        if dict(rows) == {"SENDT_ALTINN": 20}:
            break
        await asyncio.sleep(0.1)
    print(rows, await connection.fetch("select type, count(*) from read.audit group by 1"))
    print(await connection.fetch("select * from frist limit 2"))
    assert dict(rows) == {"SENDT_ALTINN": 20}
    await worker.stop()
    await log.stop()
    await connection.close()
