"""The queues of Fiks IO on a real log and database: one worker, some gateways' sides of them, and a sender."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from gateway.queues import Queues
from infra.blobs import Blobs
from infra.database import pool_of
from infra.ends import Ends
from infra.keys import Table
from infra.sealed_blobs import sealing
from projections.fiks_io import fiks_io as table
from projections.fiks_io_kvitteringer import Kvitteringer
from projections.projecting import Projecting
from schemas.fiks_io import Header, MeldingSendt
from schemas.topics import NOKKEL, TOPICS
from streams.agents import Work
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain.fiks_io import fiks_io, key_id_of, stream_of
from streams.keys import Following
from tests.support.backbone import Backbone, about, backbone
from tests.support.chunks import chunks_of


@dataclass(slots=True)
class Post:
    """A backbone with queues: ``gateways`` share them."""

    system: Backbone
    blobs: Blobs
    gateways: tuple[Queues, ...]

    async def send(self, konto_id: UUID, body: bytes = b"", **fields: Any) -> MeldingSendt:
        """Append one message, its content stored as the gateway stores it."""
        made = await self.stored(konto_id, body, **fields)
        await self.system.log.append(made, about(made))
        return made

    async def stored(self, konto_id: UUID, body: bytes = b"", **fields: Any) -> MeldingSendt:
        """A message that is yet to be appended, its content stored."""
        made = sendt(konto_id, **fields)
        if body:
            name, key = await self.system.log.keys.for_sealing(key_id_of(stream_of(konto_id, made.melding_id)))
            blob = uuid4().hex
            await self.blobs.put(blob, sealing(key, blob, chunks_of(body)))
            stored = {"melding_id": made.melding_id, "blob": blob, "nokkel": name, "storrelse": len(body)}
            made = sendt(konto_id, **fields | stored)
        return made

    async def status(self, melding_id: UUID) -> str | None:
        """Where a message is, by the table."""
        statement = "select status from read.fiks_io_tilstand where melding_id = $1"
        found: str | None = await self.system.connection.fetchval(statement, melding_id)
        return found

    async def steps(self, melding_id: UUID) -> list[str]:
        """The types of what happened to a message, in order."""
        statement = "select type from read.fiks_io_steg where melding_id = $1 order by plass"
        return [row["type"] for row in await self.system.connection.fetch(statement, melding_id)]


def sendt(konto_id: UUID, **fields: Any) -> MeldingSendt:
    """A message without content to the account; ``fields`` override."""
    ttl = fields.pop("ttl", timedelta(hours=1))
    defaults: dict[str, Any] = {
        "mottaker_konto_id": konto_id,
        "melding_id": uuid4(),
        "avsender_konto_id": uuid4(),
        "mottaker_org_id": uuid4(),
        "avsender_org_id": uuid4(),
        "avsender_navn": "Testvik kommune",
        "melding_type": "no.ks.fiks.arkiv.v1.ping",
        "ttl": ttl // timedelta(milliseconds=1),
        "utloper": datetime.now(UTC) + ttl,
        "headere": (Header(navn="klientKorrelasjonsId", verdi="dialog 1"),),
    }
    return MeldingSendt(**(defaults | fields))


@asynccontextmanager
async def gateway(system: Backbone, blobs: Blobs) -> AsyncIterator[Queues]:
    """One gateway's side of the queues."""
    settings = system.settings
    pool = await pool_of(settings.postgres, 4)
    system.log.keys.table = Table(pool, Ends(settings.kafka, NOKKEL))
    queues = Queues(settings.postgres, pool, system.log, blobs, Ends(settings.kafka, TOPICS["fiks.io"]), uuid4())
    queues.start()
    try:
        yield queues
    finally:
        await queues.stop()
        await pool.close()


def works(system: Backbone) -> list[Work[Any]]:
    """What a worker does about messages, but for what follows from their ends."""
    letters = DeadLetters(system.log)
    return [
        Deciding(fiks_io, system.log, letters),
        Projecting([table], letters, system.log.keys),
        Following(system.log),
    ]


@asynccontextmanager
async def post(
    kafka: str, database: str, state: Path, *, gateways: int = 2, carries_out: bool = True
) -> AsyncIterator[Post]:
    """Everything, started and stopped; ``carries_out``: what follows from the ends of messages too."""
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(backbone(kafka, database, state))
        blobs = Blobs((state / "blobs").as_uri())
        ends = [Kvitteringer(system.log, DeadLetters(system.log), blobs)] if carries_out else []
        await stack.enter_async_context(system.worker([*works(system), *ends]))
        sides = [await stack.enter_async_context(gateway(system, blobs)) for _ in range(gateways)]
        for side in sides:
            await side.count(uuid4())  # what is sent from here on, nobody can have seen before
        yield Post(system, blobs, tuple(sides))
