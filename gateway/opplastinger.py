"""Uploads that are not finished: what they said, and their bytes so far, sealed in the blob store and nowhere else. So
any gateway takes the next call, and one that is killed takes nothing with it. Knows no documents.

In an upload's folder lie ``opprettet`` (its key, wrapped, and what was said), ``lengde`` (the length, where that was
said later), its bytes in parts that are named by their offset, and at last ``utfall`` and ``ferdig``. All are created
and none is ever changed: of several who say the same thing at once the store lets one do it. That is all the order
that there is.
"""

from __future__ import annotations

import os
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.opplasting import Chunks, Ferdig, Kept, Opplasting, Said, chain, expiry, opened, pieces, sealed
from gateway.randomness import new_hex
from gateway.tus import Checksum, Refused
from infra.blobs import Blobs
from infra.crypto.segments import KEY_SIZE
from infra.crypto.wrapping import generation_of
from infra.keks import Keks
from infra.sealed_blobs import opening, sealing
from streams.domain.errors import Gone, NotFound
from streams.domain.opplasting import FERDIG, LIFETIME, UTFALL, folder_of, id_of

MOST_PARTS = 20_000
OPPRETTET, LENGDE = "opprettet", "lengde"
GIVEN_UP = b""
"""The ``utfall`` of an upload that became nothing."""

AVBRUTT = "Opplastingen er avbrutt. Begynn på en ny"


class Opplastinger:
    """The unfinished uploads of all gateways. Everything raises Unavailable when the store or the KMS is away."""

    def __init__(self, blobs: Blobs, keks: Keks) -> None:
        self._blobs, self._keks = blobs, keks

    async def begin(self, konto_id: UUID, said: Said) -> Opplasting:
        """A new upload to the account."""
        opplasting_id = id_of(datetime.now(UTC) + LIFETIME, new_hex())
        folder, key = folder_of(konto_id, opplasting_id), os.urandom(KEY_SIZE)
        name = f"{folder}/{OPPRETTET}"
        kept = Kept(await self._keks.wrap(name, key), sealed(key, name, msgspec.json.encode(said)))
        await self._blobs.create(name, msgspec.msgpack.encode(kept))
        return Opplasting(opplasting_id, folder, key, said, said.length)

    async def find(self, konto_id: UUID, opplasting_id: str) -> Opplasting | Ferdig:
        """The upload as it is now. Raises NotFound; Gone when it has expired or was given up."""
        if expiry(opplasting_id) < datetime.now(UTC):
            raise Gone("Opplastingen er utløpt. Begynn på en ny")
        folder = folder_of(konto_id, opplasting_id)
        try:
            return await self._found(opplasting_id, folder)
        except NotFound:  # perhaps it has been finished, and so cleared away, between two looks at it
            return await self._found(opplasting_id, folder)

    async def measure(self, upload: Opplasting, length: int) -> None:
        """The length of an upload that was begun without. Raises Refused when another was told."""
        name = f"{upload.folder}/{LENGDE}"
        if not await self._blobs.create(name, str(length).encode()) and await self._length(name) != length:
            raise Refused(400, "Upload-Length er oppgitt før, og kan ikke endres")

    async def append(self, upload: Opplasting, chunks: Chunks, checksum: Checksum | None) -> int:
        """Keep what comes, at the end of the upload; the new end. What has come is kept when ``chunks`` breaks off.

        Raises Refused: 409 when somebody else has put something there; 460, with nothing kept, when the bytes do not
        add up to ``checksum``; and whatever ``chunks`` raises.
        """
        offset, count = upload.offset, len(upload.parts)
        async with aclosing(self._proven(upload, chunks, checksum) if checksum else chunks) as proven:
            async for piece in pieces(proven):
                if count >= MOST_PARTS:
                    raise Refused(400, "Opplastingen er kommet i for mange deler. Begynn på en ny, med større deler")
                name = upload.part(offset)
                if not await self._blobs.create(name, sealed(upload.key, name, piece)):
                    raise Refused(409, "Noen andre har sendt denne delen. Spør etter Upload-Offset, og fortsett derfra")
                offset, count = offset + len(piece), count + 1
        return offset

    async def content(self, upload: Opplasting) -> Chunks:
        """All bytes that have come. Raises Tampered, also when the upload was cleared away."""
        offset = 0
        for size in upload.parts:
            async for plain in opening(self._blobs, upload.key, upload.part(offset), size, 0, size - 1):
                yield plain
            offset += size

    async def decide(self, upload: Opplasting, outcome: bytes) -> bool:
        """What becomes of the upload: GIVEN_UP, or what ``outcome`` is to read. Whether that was still open."""
        name = f"{upload.folder}/{UTFALL}"
        return await self._blobs.create(name, outcome and sealed(upload.key, name, outcome))

    async def outcome(self, upload: Opplasting) -> bytes:
        """What was decided. Raises Gone when the upload was given up, NotFound when it was cleared away."""
        name = f"{upload.folder}/{UTFALL}"
        if not (kept := await self._read(name)):
            raise Gone(AVBRUTT)
        return opened(upload.key, name, kept)

    async def finish(self, upload: Opplasting, ferdig: Ferdig) -> None:
        """Remember what it became, and clear the rest away."""
        await self._blobs.create(f"{upload.folder}/{FERDIG}", msgspec.json.encode(ferdig))
        await self.clear(upload)

    async def clear(self, upload: Opplasting) -> None:
        """Delete the key and the bytes of an upload that is decided; what cannot be deleted now is swept up later.

        That it was decided stays, unreadable without the key: who has read it all shall not decide it anew.
        """
        left = await self._blobs.sizes(upload.folder)
        parts = [name for name in left if name not in {OPPRETTET, UTFALL, FERDIG}]
        await self._blobs.delete([f"{upload.folder}/{OPPRETTET}"])
        await self._blobs.delete([f"{upload.folder}/{name}" for name in parts])

    async def _found(self, opplasting_id: str, folder: str) -> Opplasting | Ferdig:
        sizes = await self._blobs.sizes(folder)
        if FERDIG in sizes:
            return msgspec.json.decode(await self._read(f"{folder}/{FERDIG}"), type=Ferdig)
        if sizes.get(UTFALL) == len(GIVEN_UP):
            raise Gone(AVBRUTT)
        if OPPRETTET not in sizes:
            raise NotFound("Opplastingen finnes ikke")
        name = f"{folder}/{OPPRETTET}"
        kept = msgspec.msgpack.decode(await self._read(name), type=Kept)
        if generation_of(kept.key) not in await self._keks.usable():
            raise Gone("Nøkkelen til opplastingen er trukket tilbake. Begynn på en ny")
        key = (await self._keks.unwrap({name: kept.key}))[name]
        said = msgspec.json.decode(opened(key, name, kept.said), type=Said)
        length = await self._length(f"{folder}/{LENGDE}") if LENGDE in sizes else said.length
        return Opplasting(opplasting_id, folder, key, said, length, chain(sizes), UTFALL in sizes)

    async def _length(self, name: str) -> int:
        return int(await self._read(name))

    async def _read(self, name: str) -> bytes:
        return b"".join([chunk async for chunk in self._blobs.get(name)])

    async def _proven(self, upload: Opplasting, chunks: Chunks, checksum: Checksum) -> Chunks:
        """The same bytes, once all are here and add up. They may be many, so until then they lie in the store."""
        waiting, summed, size = new_hex(), checksum.begin(), 0

        async def passing() -> Chunks:
            nonlocal size
            async for chunk in chunks:
                summed.update(chunk)
                size += len(chunk)
                yield chunk

        try:
            await self._blobs.put(waiting, sealing(upload.key, waiting, passing()))
            checksum.check(summed)
            async for plain in opening(self._blobs, upload.key, waiting, size, 0, size - 1):
                yield plain
        finally:
            await self._blobs.delete([waiting])


OPPLASTINGER = web.AppKey("opplastinger", Opplastinger)
"""``app[OPPLASTINGER]``: where handlers find them."""
