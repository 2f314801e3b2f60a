"""Receives a forsendelse: metadata first, then its documents, each measured, sealed and stored as it passes.

Holds a chunk and the ends of a document, never all of one that is large.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from fiks_cms import Decryptor, KeyPair
from gateway import pdf
from gateway.body import reader
from gateway.context import BLOBS, CERTIFICATES, LOG
from gateway.deciphering import NotDeciphered, deciphered
from gateway.forsendelse import MOST_DOKUMENTER, Dokument, Forsendelse, Received
from gateway.metadata import read_json
from gateway.multipart import Multipart, nfc
from gateway.randomness import new_hex
from gateway.stored import KeyUnderWay
from infra.blobs import Blobs
from infra.keys import Keys
from infra.sealed_blobs import opening, sealing
from schemas.envelope import Position
from schemas.errors import Unreadable
from schemas.svarut import Feil, Feilkode
from streams.domain.errors import Unacknowledged, Unavailable

LONGEST_CALL = 15 * 60.0
"""Seconds; clients give up after 16 minutes."""
MOST_METADATA = 1 << 20
KEPT = 1 << 16
"""Bytes at either end of a document that are kept to look at, so that few have to be read back."""


class Upload:
    """One forsendelse on its way in. ``received`` and ``faults`` grow while ``documents`` runs.

    Its documents are sealed under the key of its stream, ``key_id``, which is made beside the first of them. What comes
    encrypted for one of ``pairs`` is kept, and looked into, as what it holds (contract 11).
    """

    def __init__(
        self, parts: Multipart, blobs: Blobs, keys: Keys, key_id: str, pairs: Callable[[], Sequence[KeyPair]]
    ) -> None:
        self._parts = parts
        self._pairs = pairs
        self._blobs = blobs
        self._keys, self._key_id = keys, key_id
        self._key: KeyUnderWay | None = None
        self._kept: list[str] = []
        self.received: list[Received] = []
        self.faults: list[Feil] = []

    async def metadata(self) -> Forsendelse:
        """The first part. Raises Unreadable, and HTTPRequestEntityTooLarge above a megabyte."""
        part = await self._parts.next_part()
        if part is None or part.name != "forsendelse":
            raise Unreadable("Ugyldig innhold: første del må hete forsendelse")
        return read_json(await self._parts.whole(MOST_METADATA), Forsendelse, part.charset)

    async def documents(self, sent: Forsendelse) -> None:
        """Receive the documents that ``sent`` names, in whatever order they come; the name of a part says nothing."""
        wanted = {nfc(dokument.filnavn): number for number, dokument in enumerate(sent.dokumenter)}
        self.received = [Received()] * min(len(sent.dokumenter), MOST_DOKUMENTER)
        try:
            await self._receive(sent, wanted)
        except Unreadable:
            self.faults.append(Feil(kode=Feilkode.UFULLSTENDIG_OPPLASTING))
        else:
            missing = (at for at in wanted.values() if at < MOST_DOKUMENTER)
            self.faults += [Feil(kode=Feilkode.DOKUMENT_MANGLER, sted=str(at + 1)) for at in missing]
        if self._key is not None:
            await self._key.durable()

    async def say(self, appending: Awaitable[Position]) -> Position:
        """Append what is said of the upload. Its content stays where that may be on the log: content that nobody names
        only costs space, an event without its content is a letter lost.
        """
        try:
            return await appending
        except (Unacknowledged, asyncio.CancelledError):
            self._kept, self._key = [], None
            raise
        except Unavailable:  # nor would the log hear that the key is to be destroyed; it opens nothing
            self._key = None
            raise

    async def discard(self) -> None:
        """Delete all that was kept."""
        self.received = [Received(storrelse=one.storrelse, sha256=one.sha256) for one in self.received]
        kept, self._kept = self._kept, []
        await self._blobs.delete(kept)

    async def abandon(self) -> None:
        """Leave nothing behind, the key neither; what cannot be deleted now is swept later."""
        with suppress(Unavailable):
            await self.discard()
        if self._key is not None:
            await self._key.destroy()

    async def _receive(self, sent: Forsendelse, wanted: dict[str, int]) -> None:
        count = 0
        while part := await self._parts.next_part():
            count += 1
            at = wanted.pop(part.filename or "", None)
            if at is None and len(self.faults) < MOST_DOKUMENTER:
                self.faults.append(Feil(kode=Feilkode.UKJENT_DOKUMENT, sted=str(count)))
            elif at is not None and at < MOST_DOKUMENTER:
                await self._document(sent.dokumenter[at], at, sent.kryptert)

    async def _document(self, said: Dokument, at: int, kryptert: bool) -> None:
        measured, content = Measured(), self._parts.content()
        if kryptert:
            content = deciphered(content, Decryptor(self._pairs()))
        blob: str | None = None
        fault: Feilkode | None = Feilkode.MA_KRYPTERES
        with suppress(NotDeciphered):
            blob = await self._keep(measured.of(content))
            fault = await self._fault(measured, blob, said)
        self.received[at] = Received(storrelse=measured.size, sha256=measured.sha256, blob=blob)
        if fault:
            self.faults.append(Feil(kode=fault, sted=str(at + 1)))

    async def _keep(self, content: AsyncIterator[bytes]) -> str | None:
        """The name of the blob; None once there are faults, since it will be refused: it is measured, not stored."""
        if self.faults:
            async for _ in content:
                pass
            return None
        blob = new_hex()
        self._kept.append(blob)
        await self._blobs.put(blob, sealing(self._made_key().key, blob, self._beside_the_key(content)))
        return blob

    async def _beside_the_key(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. What does not come at once waits for the key: nobody sends on while the log is away."""
        async for chunk in content:
            yield chunk
            if self._parts.more_comes:
                await self._made_key().durable()

    async def _fault(self, measured: Measured, blob: str | None, said: Dokument) -> Feilkode | None:
        if not measured.size:
            return Feilkode.TOMT_DOKUMENT
        if not said.is_pdf or not blob:
            return None
        inspection = pdf.inspect(measured.size, measured.head, measured.tail, max(said.giroark_sider, default=1))
        try:
            wanted = next(inspection)
            while True:
                wanted = inspection.send(await self._range(measured, blob, *wanted))
        except StopIteration as end:
            fault: Feilkode | None = end.value
            return fault

    async def _range(self, measured: Measured, blob: str, offset: int, length: int) -> bytes:
        if (kept := measured.range(offset, length)) is not None:
            return kept
        last = min(offset + length, measured.size) - 1
        pieces = opening(self._blobs, self._made_key().key, blob, measured.size, offset, last)
        return b"".join([piece async for piece in pieces])

    def _made_key(self) -> KeyUnderWay:
        if self._key is None:
            self._key = KeyUnderWay(self._keys, self._key_id)
        return self._key


class Measured:
    """The size, the SHA-256 and both ends of what flowed through ``of``."""

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._end = bytearray()
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @property
    def tail(self) -> bytes:
        return bytes(self._end)

    async def of(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks, measured."""
        async for chunk in chunks:
            self.size += len(chunk)
            self._hash.update(chunk)
            if len(self.head) < KEPT:
                self.head += chunk[: KEPT - len(self.head)]
            self._end += chunk
            if len(self._end) > 4 * KEPT:  # not at each chunk: that would copy it all for every few bytes
                del self._end[:-KEPT]
            yield chunk

    def range(self, offset: int, length: int) -> bytes | None:
        """At most ``length`` bytes from ``offset`` where they are still at hand."""
        end = min(offset + length, self.size)
        if end <= len(self.head):
            return self.head[offset:end]
        if (begin := offset - (self.size - len(self._end))) >= 0:
            return bytes(self._end[begin : begin + length])
        return None


@asynccontextmanager
async def receiving(request: web.Request, key_id: str) -> AsyncIterator[Upload]:
    """The upload that a call carries. When what is done with it raises, nothing is left behind (but see ``say``)."""
    deadline = asyncio.get_running_loop().time() + LONGEST_CALL
    parts = Multipart(request.headers.get("Content-Type", ""), reader(request, deadline))
    upload = Upload(parts, request.app[BLOBS], request.app[LOG].keys, key_id, request.app[CERTIFICATES].pairs)
    try:
        yield upload
    except BaseException:
        await asyncio.shield(upload.abandon())
        raise
