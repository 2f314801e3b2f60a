"""The load of documents in a chaos run, in one call or in several, and what can happen to one of them: each byte is a
moment to be killed at.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.routes.dokumentlager_opplastinger import DOKUMENT_ID
from gateway.tus import CONTENT_TYPE, VERSION
from tests.chaos.documents import Upload
from tests.chaos.faults import Fault
from tests.chaos.system import Node, System

BOUNDARY = b"chaos-boundary"
END = b"\r\n--%s--\r\n" % BOUNDARY
SIZES = ((1, 100_000), (200_000, 1_000_000), (1_100_000, 4_000_000))
"""Bytes from and to: a segment or less, several at once, and what is stored in pieces."""
PIECES = 8
CALLS = 3
"""Of an upload in several, where nothing happens to it."""
PATIENCE = 240.0
"""Seconds in which such an upload must have come to its end, whatever is done to the system."""
BROKEN = (ClientError, TimeoutError, ConnectionError)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is done to an upload: when the share ``at`` of what is sent was sent; 1 is all but its end."""

    at: float
    does: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Uploads:
    """A generator of ``rate`` uploads a second to the account at the address ``konto``. ``made`` is the history."""

    urls: list[str]
    headers: dict[str, str]
    konto: str
    rate: float
    random: random.Random
    made: list[Upload] = field(default_factory=list)
    broken: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Upload until told to stop, then wait for the answers that are outstanding."""
        async with ClientSession(timeout=ClientTimeout(total=60)) as session, asyncio.TaskGroup() as under_way:
            while not stop.is_set():
                upload = self.random.choice((self.upload, self.upload, self.upload_in_several))
                under_way.create_task(upload(session, self.random.choice(self.urls)))
                await asyncio.sleep(self.random.expovariate(self.rate))

    async def upload(self, session: ClientSession, url: str, hurt: Moment | None = None) -> None:
        """Send a document of some size."""
        one, content = self._new()
        body = self._before(one) + content + END
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        try:
            async with session.post(
                f"{url}{self.konto}/dokumenter/", data=_sent(body, hurt, len(END)), headers=self.headers | kind
            ) as answer:
                if answer.status == 201:
                    one.answered = UUID((await answer.json())["id"])
        except BROKEN:
            self.broken += 1

    async def upload_in_several(self, session: ClientSession, url: str, hurt: Moment | None = None) -> None:
        """The same by TUS, in some calls; where one fails, at whichever gateway answers, until it is a document. It is
        hurt in the first, which brings all of it where that is at the end.
        """
        one, content = self._new()
        said = base64.b64encode(json.dumps(self._metadata(one)).encode()).decode()
        begin = {"Tus-Resumable": VERSION, "Upload-Length": str(len(content)), "Upload-Metadata": f"metadata {said}"}
        try:
            async with session.post(f"{url}{self.konto}/opplastinger", headers=self.headers | begin) as answer:
                if answer.status != 201:
                    return
                path = answer.headers["Location"]
            async with asyncio.timeout(PATIENCE):
                one.answered = await self._continued(session, url, path, content, hurt)
        except BROKEN:
            self.broken += 1

    async def _continued(
        self, session: ClientSession, url: str, path: str, content: bytes, hurt: Moment | None
    ) -> UUID:
        """Send the content from where it has come to, until it is a document; its id."""
        offset, size = 0, len(content) if hurt and hurt.at == 1 else len(content) // CALLS + 1
        while True:
            part = content[offset : offset + size]
            about = {"Tus-Resumable": VERSION, "Upload-Offset": str(offset), "Content-Type": CONTENT_TYPE}
            headers, happening, hurt = self.headers | about, hurt, None
            try:
                if part:
                    async with session.patch(url + path, data=_sent(part, happening, 1), headers=headers):
                        pass  # how far it has come is asked in any case
                url = self.random.choice(self.urls)
                head = self.headers | {"Tus-Resumable": VERSION}
                async with session.head(url + path, headers=head) as answer:
                    if DOKUMENT_ID in answer.headers:
                        return UUID(answer.headers[DOKUMENT_ID])
                    answer.raise_for_status()
                    offset = int(answer.headers["Upload-Offset"])
            except BROKEN:
                url = self.random.choice(self.urls)
                await asyncio.sleep(0.5)

    async def contents(self, ids: list[UUID]) -> dict[UUID, str | None]:
        """The SHA-256 of what comes back of each document, None where nothing does."""
        async with ClientSession(self.urls[0], headers=self.headers) as session:
            return {id_: await _content(session, id_) for id_ in ids}

    def _new(self) -> tuple[Upload, bytes]:
        content = self.random.randbytes(self.random.randint(*self.random.choice(SIZES)))
        one = Upload(UUID(bytes=self.random.randbytes(16), version=4), hashlib.sha256(content).hexdigest())
        self.made.append(one)
        return one, content

    def _metadata(self, one: Upload) -> dict[str, Any]:
        return {
            "dokumentnavn": "kaos.bin",
            "mimetype": "application/octet-stream",
            "ttl": -1,
            "eksponertFor": [{"type": "INTEGRASJON", "id": self.headers["IntegrasjonId"]}],
            "korrelasjonsid": str(one.korrelasjonsid),
        }

    def _before(self, one: Upload) -> bytes:
        line = b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\nContent-Type: %s\r\n\r\n'
        head = line % (BOUNDARY, b"metadata", b"", b"application/json") + json.dumps(self._metadata(one)).encode()
        return head + b"\r\n" + line % (BOUNDARY, b"dokument", b'; filename="kaos.bin"', b"application/octet-stream")


async def _sent(body: bytes, hurt: Moment | None, end: int) -> AsyncIterator[bytes]:
    """The body in some pieces, hurt at its moment. ``end`` is how many bytes its end has."""
    size, cut = len(body) // PIECES + 1, 0
    if hurt:
        cut = len(body) - end if hurt.at == 1 else int(hurt.at * len(body))
    for part in (body[:cut], body[cut:]):
        for begin in range(0, len(part), size):
            yield part[begin : begin + size]
            await asyncio.sleep(0)
        if hurt:
            happening, hurt = hurt, None
            await happening.does()


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
        await _killed_during(uploads.upload, chance.choice(system.gateways), chance.random())

    async def kill_during_one_of_several_calls(system: System, chance: random.Random) -> None:
        """kill -9 of a gateway at some byte of a call that brings a part of an upload."""
        await _killed_during(uploads.upload_in_several, chance.choice(system.gateways), chance.random())

    async def kill_between_content_and_event(system: System, chance: random.Random) -> None:
        """kill -9 of a gateway that has a document to the end, while the log does not take its event."""
        node = chance.choice(system.gateways)

        async def no_log() -> None:
            system.kafka.pause()

        upload = chance.choice((uploads.upload, uploads.upload_in_several))
        async with _uploading(upload, node, Moment(1, no_log)):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            await node.kill()
            system.kafka.resume()

    return kill_during_an_upload, kill_during_one_of_several_calls, kill_between_content_and_event


async def _killed_during(begin: Callable[..., Awaitable[None]], node: Node, at: float) -> None:
    reached = asyncio.Event()

    async def stay() -> None:
        reached.set()
        await asyncio.Event().wait()  # until the connection breaks

    async with _uploading(begin, node, Moment(at, stay)) as upload:
        there = asyncio.create_task(reached.wait())
        await asyncio.wait([upload, there], return_when=asyncio.FIRST_COMPLETED)
        there.cancel()
        await node.kill()


@asynccontextmanager
async def _uploading(
    begin: Callable[..., Awaitable[None]], node: Node, hurt: Moment
) -> AsyncIterator[asyncio.Future[None]]:
    """An upload (``upload`` or another) to the gateway under way; then the gateway back, and the upload's end."""
    async with ClientSession() as session:
        url = f"http://127.0.0.1:{node.process.port}"
        upload = asyncio.ensure_future(begin(session, url, hurt))
        yield upload
        node.start()
        await node.ready()
        await upload
