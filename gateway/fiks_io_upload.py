"""Receives a message of Fiks IO: metadata first, then its content, checked, measured, sealed and stored as it passes.

Holds a segment, or what came at once, never more. Which key is the content's is said only once all of it has come: of a
small one the message's, of a large one the document's that it becomes. Until then nobody else knows that key.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.body import reader
from gateway.context import BLOBS, LOG
from gateway.dokument_upload import LONGEST_CALL
from gateway.fiks_io import LARGEST, Content, Spesifikasjon, must_be_deliverable
from gateway.metadata import read_json
from gateway.multipart import Multipart
from gateway.randomness import new_uuid
from gateway.stored import Stored
from infra.blobs import Blobs
from infra.crypto.cms_structure import Structure
from infra.keys import Keys, new_key
from schemas.errors import Unreadable
from streams.domain.dokumentlager import blob_of

MOST_METADATA = 1 << 20
MOST_ASIDE = 2 * MOST_METADATA
"""Octets of a body beside the content, at most: the metadata, and what divides the parts."""
DATA = "data"


class Innhold(Stored):
    """The content of one message: ``begin`` and then ``store`` are to be awaited, each once."""

    def __init__(self, parts: Multipart, blobs: Blobs, keys: Keys) -> None:
        self._dokument_id = new_uuid()
        super().__init__(blobs, keys, blob_of(self._dokument_id))
        self._chunks = parts.content()
        self._parts = parts
        self._first = b""
        self._waits = False
        self._key = new_key()
        self._hash = hashlib.sha256()
        self._size = 0

    async def begin(self) -> bool:
        """Whether there is content. Raises Unreadable, of a part without a single octet too: clients send no part where
        they have no content, and an empty one where theirs broke off at once (findings fiks-io-edge.md).
        """
        part = await self._parts.next_part()
        if part is None:
            return False
        if part.name != DATA:
            raise Unreadable(f"Ugyldig innhold: andre del må hete {DATA}")
        self._first = await anext(self._chunks, b"")
        if not self._first:
            raise Unreadable(f"Ugyldig innhold: delen {DATA} er tom. Send hele innholdet på nytt, eller utelat delen")
        return True

    async def store(self) -> Content | None:
        """What was received, to the end of the body; None where there is no content. What came all at once is put only
        when its key is named. Raises Unreadable, HTTPRequestEntityTooLarge and Unavailable.
        """
        if self._first and self._parts.more_comes:
            await self.put(self._key, self._measured())
        elif self._first:
            self._waits = True
            async for _ in self._measured():
                pass
        if await self._parts.next_part() is not None:
            raise Unreadable(f"Ugyldig innhold: kallet har flere deler enn metadata og {DATA}")
        if not self._first:
            return None
        return Content(self._dokument_id, self.blob, self._size, self._hash.hexdigest())

    @property
    def is_there(self) -> bool:
        """Whether there is content."""
        return bool(self._first)

    @property
    def is_sealed(self) -> bool:
        """Whether some of it was put, so that its key is what it is."""
        return self.is_there and not self._waits

    async def sealed_by(self, name: str, ahead: bytes | None = None) -> None:
        """Make its key known under the name, or take that which is known by it ``ahead``; what waits for that is put
        meanwhile. Raises Unavailable.
        """
        self._key = ahead or self._key
        making = self.begin_key(name, self._key, ahead=ahead is not None)
        if self._waits:
            await self.put(self._key, self._all())
        await making.durable()

    async def _measured(self) -> AsyncIterator[bytes]:
        structure = Structure()
        async for chunk in self._all():
            self._size += len(chunk)
            if self._size > LARGEST:
                raise web.HTTPRequestEntityTooLarge(max_size=LARGEST, actual_size=self._size)
            structure.update(chunk)
            self._hash.update(chunk)
            yield chunk
        structure.finish()

    async def _all(self) -> AsyncIterator[bytes]:
        yield self._first
        async for chunk in self._chunks:
            yield chunk


def parts_of(request: web.Request) -> Multipart:
    """The parts of a call. Raises Unreadable where it is no form, HTTPRequestEntityTooLarge where it says that it has
    more than there can be: nobody sends for minutes what is then refused.
    """
    if (said := request.content_length or 0) > LARGEST + MOST_ASIDE:
        raise web.HTTPRequestEntityTooLarge(max_size=LARGEST, actual_size=said)
    deadline = asyncio.get_running_loop().time() + LONGEST_CALL
    return Multipart(request.headers.get("Content-Type", ""), reader(request, deadline))


async def metadata(parts: Multipart) -> Spesifikasjon:
    """The first part. Raises Unreadable, and HTTPRequestEntityTooLarge above a megabyte."""
    part = await parts.next_part()
    if part is None or part.name != "metadata":
        raise Unreadable("Ugyldig innhold: første del må hete metadata")
    said = read_json(await parts.whole(MOST_METADATA), Spesifikasjon, part.charset)
    must_be_deliverable(said.ttl, said.headere)
    return said


@asynccontextmanager
async def receiving(request: web.Request, parts: Multipart) -> AsyncIterator[Innhold]:
    """The content behind the metadata. When what is done with it raises, nothing is left behind (but see ``say``)."""
    innhold = Innhold(parts, request.app[BLOBS], request.app[LOG].keys)
    try:
        yield innhold
    except BaseException:
        await asyncio.shield(innhold.discard())
        raise
