"""The log, the database and workers for tests: the product's own parts, in this process or in one of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from infra.database import Connection
from infra.kms import keks
from infra.local.processes import leashed
from infra.settings import Settings
from projections import versions
from projections.projection import projections
from projections.rebuild import end_offsets
from projections.worker import projecting
from schemas.envelope import Envelope, fact
from schemas.svarut import Adresse, ForsendelseMottatt, Grensesnitt
from schemas.topics import TOPICS
from streams.agents import Work
from streams.app import Worker
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain.errors import Unavailable
from streams.domain.svarut import svarut
from streams.keys import Following
from streams.log import Log
from tests.support.records import Record, records_on
from tests.support.workers import install_tables

TOPIC = "fiks.svarut"


@dataclass(slots=True)
class Backbone:
    """A log and a database with this release's tables."""

    settings: Settings
    log: Log
    connection: Connection

    @asynccontextmanager
    async def worker(self, works: list[Work[Any]] | None = None, group: str = "fiks") -> AsyncIterator[Worker]:
        """A worker in this process; without ``works`` it decides and projects."""
        worker = Worker(self.settings, self.works() if works is None else works, group=group, keys=self.log.keys)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()

    def works(self) -> list[Work[Any]]:
        """All that a worker does."""
        letters = DeadLetters(self.log)
        return [Deciding(svarut, self.log, letters), *projecting(letters, self.log.keys), Following(self.log)]

    async def worker_process(self, code: str = "", *, roles: str = "ROLES") -> asyncio.subprocess.Process:
        """A worker in a process of its own, in which ``code`` ran first (to make it another release, or wrong)."""
        program = (
            "import asyncio\nfrom infra import telemetry\nfrom infra.settings import Settings\n"
            "from projections.worker import ROLES, work\ntelemetry.start(Settings(), 'worker')\n"
            f"{code}\nasyncio.run(work(Settings(), {roles}))"
        )
        environment = os.environ | {
            "FIKS_KAFKA": self.settings.kafka,
            "FIKS_POSTGRES": self.settings.postgres,
            "FIKS_STATE": str(self.settings.state),
        }
        return await asyncio.create_subprocess_exec(
            *leashed((sys.executable, "-c", program)), env=environment, stderr=asyncio.subprocess.PIPE
        )

    async def send(self, count: int = 1, **fields: Any) -> list[UUID]:
        """Append so many ForsendelseMottatt. Returns their ids."""
        made = [mottatt(**fields) for _ in range(count)]
        await self.log.append_all([(event, about(event)) for event in made])
        return [event.forsendelse_id for event in made]

    async def until_sent(self) -> UUID:
        """Append one ForsendelseMottatt as soon as the broker takes it."""
        while True:
            try:
                return (await self.send(1))[0]
            except Unavailable:
                await asyncio.sleep(0.1)

    async def statuser(self, ids: Iterable[UUID]) -> Counter[str]:
        """How many of the forsendelser have each status."""
        rows = await self.connection.fetch(
            "select status from read.svarut_status where forsendelse_id = any($1::uuid[])", list(ids)
        )
        return Counter(row["status"] for row in rows)

    async def until_status(self, ids: list[UUID], status: str) -> None:
        """Wait until all of them have the status; a test that waits in vain is stopped by its time limit."""
        while await self.statuser(ids) != Counter({status: len(ids)}):
            await asyncio.sleep(0.05)

    async def until_projected(self, name: str) -> None:
        """Wait until a projection has applied all that is on the log now."""
        version = (await versions.live(self.connection, projections()[name]) or (0, 0))[0]
        ends = await asyncio.to_thread(end_offsets, self.settings.kafka, projections()[name].topics)
        while await self._behind(name, version, ends):
            await asyncio.sleep(0.05)

    async def _behind(self, name: str, version: int, ends: dict[tuple[str, int], int]) -> bool:
        at = await versions.checkpoints(self.connection, name, version)
        return any(at[partition] < end for partition, end in ends.items())

    async def until_quiet(self) -> None:
        """Wait until everything on the log has been decided on and projected, and nothing more follows."""
        while True:
            ends = await asyncio.to_thread(end_offsets, self.settings.kafka, list(TOPICS))
            for name in projections():
                await self.until_projected(name)
            at = await versions.checkpoints(self.connection, f"decider:{svarut.name}", 1)
            decided = all(at.get(partition, 0) == end for partition, end in ends.items() if partition[0] == TOPIC)
            if decided and ends == await asyncio.to_thread(end_offsets, self.settings.kafka, list(TOPICS)):
                return
            await asyncio.sleep(0.1)

    def records(self, topic: str = TOPIC) -> list[Record]:
        """Everything on a topic, in order within each partition."""
        return records_on(self.settings.kafka, topic)


@asynccontextmanager
async def backbone(kafka: str, database: str, state: Any) -> AsyncIterator[Backbone]:
    """The parts, started and stopped."""
    settings = Settings(kafka=kafka, postgres=database, state=state)
    connection = await asyncpg.connect(database)
    await install_tables(connection)
    log = Log(kafka, keks(settings))
    await log.start()
    made = Backbone(settings, log, connection)
    try:
        await made.until_sent()  # a broker that has just started is not yet ready to number its producers
        yield made
    finally:
        await log.stop()
        await connection.close()


def mottatt(**fields: Any) -> ForsendelseMottatt:
    """A forsendelse to a person; ``fields`` override."""
    defaults: dict[str, Any] = {
        "forsendelse_id": uuid4(),
        "fiks_org_id": uuid4(),
        "konto_id": uuid4(),
        "integrasjon_id": uuid4(),
        "grensesnitt": Grensesnitt.REST_V2,
        "tittel": "Vedtak",
        "mottaker": Adresse(navn="Ola Nordmann", digital_id="15819000066"),
    }
    return ForsendelseMottatt(**(defaults | fields))


def about(event: object, **fields: Any) -> Envelope:
    """An envelope for a fact of a test."""
    return fact(event, time=datetime.now(UTC), id=str(uuid4()), source="urn:test", **fields)
