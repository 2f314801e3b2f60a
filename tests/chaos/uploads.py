"""The load of documents in a chaos run, and what can happen to one of them: each byte is a moment to be killed at."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.chaos.documents import Upload
from tests.chaos.faults import Fault
from tests.chaos.system import Node, System

BOUNDARY = b"chaos-boundary"
END = b"\r\n--%s--\r\n" % BOUNDARY
SIZES = ((1, 100_000), (200_000, 1_000_000), (1_100_000, 4_000_000))
"""Bytes from and to: a segment or less, several at once, and what is stored in pieces."""
PIECES = 8
BROKEN = (ClientError, TimeoutError, ConnectionError)


@dataclass(slots=True)
class Uploads:
    """A generator of ``rate`` uploads a second to an account. ``made`` is the history."""

    urls: list[str]
    headers: dict[str, str]
    path: str
    rate: float
    random: random.Random
    made: list[Upload] = field(default_factory=list)
    broken: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Upload until told to stop, then wait for the answers that are outstanding."""
        async with ClientSession(timeout=ClientTimeout(total=60)) as session, asyncio.TaskGroup() as under_way:
            while not stop.is_set():
                under_way.create_task(self.upload(session, self.random.choice(self.urls)))
                await asyncio.sleep(self.random.expovariate(self.rate))

    async def upload(
        self,
        session: ClientSession,
        url: str,
        at: float | None = None,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Send a document of some size. ``meanwhile`` happens when the share ``at`` of the body was sent; 1 is all but
        its end.
        """
        content = self.random.randbytes(self.random.randint(*self.random.choice(SIZES)))
        one = Upload(UUID(bytes=self.random.randbytes(16), version=4), hashlib.sha256(content).hexdigest())
        self.made.append(one)
        body = self._before(one) + content + END
        cut = len(body) - len(END) if at == 1 else int((at or 0) * len(body))
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        try:
            async with session.post(
                url + self.path, data=_sent(body, cut, meanwhile), headers=self.headers | kind
            ) as answer:
                if answer.status == 201:
                    one.answered = UUID((await answer.json())["id"])
        except BROKEN:
            self.broken += 1

    async def contents(self, ids: list[UUID]) -> dict[UUID, str | None]:
        """The SHA-256 of what comes back of each document, None where nothing does."""
        async with ClientSession(self.urls[0], headers=self.headers) as session:
            return {id_: await _content(session, id_) for id_ in ids}

    def _before(self, one: Upload) -> bytes:
        metadata = {
            "dokumentnavn": "kaos.bin",
            "mimetype": "application/octet-stream",
            "ttl": -1,
            "eksponertFor": [{"type": "INTEGRASJON", "id": self.headers["IntegrasjonId"]}],
            "korrelasjonsid": str(one.korrelasjonsid),
        }
        line = b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\nContent-Type: %s\r\n\r\n'
        head = line % (BOUNDARY, b"metadata", b"", b"application/json") + json.dumps(metadata).encode()
        return head + b"\r\n" + line % (BOUNDARY, b"dokument", b'; filename="kaos.bin"', b"application/octet-stream")


async def _sent(body: bytes, cut: int, meanwhile: Callable[[], Awaitable[None]] | None) -> AsyncIterator[bytes]:
    """The body in some pieces; ``meanwhile`` happens before the byte ``cut``."""
    size = len(body) // PIECES + 1
    for part in (body[:cut], body[cut:]):
        for begin in range(0, len(part), size):
            yield part[begin : begin + size]
            await asyncio.sleep(0)
        if meanwhile:
            happening, meanwhile = meanwhile, None
            await happening()


async def _content(session: ClientSession, id_: UUID) -> str | None:
    found = hashlib.sha256()
    try:
        async with session.get(f"/dokumentlager/nedlasting/{id_}") as answer:
            if answer.status != 200:
                return None
            async for piece in answer.content.iter_any():
                found.update(piece)
    except BROKEN:
        return None
    return found.hexdigest()


def faults(uploads: Uploads) -> tuple[Fault, ...]:
    """What is done to an upload."""

    async def kill_during_an_upload(system: System, chance: random.Random) -> None:
        """kill -9 of a gateway at some byte of an upload to it."""
        node, reached = chance.choice(system.gateways), asyncio.Event()

        async def stay() -> None:
            reached.set()
            await asyncio.Event().wait()  # until the connection breaks

        async with _uploading(uploads, node, chance.random(), stay) as upload:
            there = asyncio.create_task(reached.wait())
            await asyncio.wait([upload, there], return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            await node.kill()

    async def kill_between_content_and_event(system: System, chance: random.Random) -> None:
        """kill -9 of a gateway that has a document to the end, while the log does not take its event."""
        node = chance.choice(system.gateways)

        async def no_log() -> None:
            system.kafka.pause()

        async with _uploading(uploads, node, 1, no_log):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            await node.kill()
            system.kafka.resume()

    return kill_during_an_upload, kill_between_content_and_event


@asynccontextmanager
async def _uploading(
    uploads: Uploads, node: Node, at: float, meanwhile: Callable[[], Awaitable[None]]
) -> AsyncIterator[asyncio.Task[None]]:
    """An upload to the gateway under way; then its end, and the gateway back."""
    async with ClientSession() as session:
        url = f"http://127.0.0.1:{node.process.port}"
        upload = asyncio.create_task(uploads.upload(session, url, at, meanwhile))
        yield upload
        await upload
    node.start()
    await node.ready()
