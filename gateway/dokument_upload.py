"""Receives a document: metadata first, then its bytes, deciphered, measured, sealed and stored as they pass.

Holds a segment, never a document. What was received counts only once the end boundary has come.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from aiohttp import web

from fiks_cms import Decryptor
from gateway.body import reader
from gateway.context import BLOBS, LOG, SCANNER
from gateway.deciphering import deciphered
from gateway.dokument import Metadata, Named, exposures
from gateway.metadata import read_json
from gateway.multipart import Multipart
from gateway.stored import Stored
from infra.blobs import Blobs
from infra.crypto.segments import sealed_size
from infra.keys import Keys
from infra.virus import Outcome, Scan, Scanner, Verdict
from schemas.dokumentlager import DokumentLastetOpp
from schemas.errors import Unreadable
from streams.domain.dokumentlager import blob_of, key_id_of
from streams.domain.errors import Rejected, Unavailable
from streams.domain.konfigurasjon import Ressurs

LONGEST_CALL = 60 * 60.0
"""Seconds; clients give up after an hour."""
MOST_METADATA = 2 << 20
EMPTY = "Ugyldig innhold: dokumentet er tomt"


class Received(Stored):
    """A document on its way in, once ``store`` was awaited.

    ``size`` and ``sha256`` are of the content itself, ``sealed_size`` is what lies at rest. Its blob and its key are
    named after the document, so that who knows the document finds them. ``skadevare`` is what a virus scanner found.
    """

    def __init__(self, blobs: Blobs, keys: Keys, scanner: Scanner, dokument_id: UUID) -> None:
        super().__init__(blobs, keys, blob_of(dokument_id))
        self._scanner = scanner
        self._hash = hashlib.sha256()
        self.dokument_id, self.key_id = dokument_id, key_id_of(dokument_id)
        self.size = 0
        self.skadevare: str | None = None

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @property
    def sealed_size(self) -> int:
        return sealed_size(self.size)

    async def store(self, content: AsyncIterator[bytes], decryptor: Decryptor | None) -> None:
        """Take all of the content. Raises Unreadable, Unavailable, and whatever ``content`` raises."""
        key = await self.make_key(self.key_id)
        plain = deciphered(content, decryptor) if decryptor else content
        async with self._scanner.scanning() as scan:
            await self.put(key, self._measured(plain, scan))
            self.skadevare = _found(await scan.verdict())
        if not self.size:
            raise Unreadable(EMPTY)

    async def _measured(self, plain: AsyncIterator[bytes], scan: Scan) -> AsyncIterator[bytes]:
        async for chunk in plain:
            await scan.feed(chunk)
            self.size += len(chunk)
            self._hash.update(chunk)
            yield chunk


class Posted(Received):
    """A document that comes in one call: ``metadata`` and then ``content`` are to be awaited, each once."""

    def __init__(self, parts: Multipart, blobs: Blobs, keys: Keys, scanner: Scanner, dokument_id: UUID) -> None:
        super().__init__(blobs, keys, scanner, dokument_id)
        self._parts = parts

    async def metadata(self) -> Metadata:
        """The first part. Raises Unreadable, and HTTPRequestEntityTooLarge above two megabytes."""
        part = await self._parts.next_part()
        if part is None or part.name != "metadata":
            raise Unreadable("Ugyldig innhold: første del må hete metadata")
        if part.content_type != "application/json":
            raise Unreadable("Ugyldig innhold: delen metadata må ha Content-Type application/json")
        return read_json(await self._parts.whole(MOST_METADATA), Metadata, part.charset)

    async def content(self, decryptor: Decryptor | None) -> None:
        """The second part, which must be the last, to the end of the body. Raises Unreadable and Unavailable."""
        part = await self._parts.next_part()
        if part is None or part.name != "dokument":
            raise Unreadable("Ugyldig innhold: andre del må hete dokument")
        await self.store(self._parts.content(), decryptor)
        if await self._parts.next_part() is not None:
            raise Unreadable("Ugyldig innhold: kallet har flere deler enn metadata og dokument")


def lastet_opp(
    received: Received, said: Metadata, konto: Ressurs, *, kryptert: bool, til: datetime | None, named: Named
) -> DokumentLastetOpp:
    """What is said of a document that was received. ``named`` gives the keyed hash of a person's number."""
    return DokumentLastetOpp(
        dokument_id=received.dokument_id,
        fiks_org_id=konto.fiks_org_id,
        konto_id=konto.id,
        korrelasjonsid=said.korrelasjonsid,
        blob=received.blob,
        nokkel_id=received.key_id,
        dokumentnavn=said.dokumentnavn,
        mimetype=said.mimetype,
        sikkerhetsniva=said.sikkerhetsniva,
        ukryptert_storrelse=received.size,
        kryptert_storrelse=received.sealed_size,
        sha256=received.sha256,
        kryptert=kryptert,
        tilgjengelig_til=til,
        eksponert_for=exposures(said.eksponert_for, named),
        skadevare=received.skadevare,
        lagre_nedlastinger=not said.ikke_lagre_dokument_lastet_ned,
    )


def must_be_clean(skadevare: str | None) -> None:
    """Raises Rejected for a document in which a virus scanner found something."""
    if skadevare:
        raise Rejected(f"Dokumentet inneholder skadevare ({skadevare}) og kan ikke lastes ned av noen")


def _found(verdict: Verdict) -> str | None:
    """What the scanner found. What it did not look into, as it is down or that is too large for it, is not taken in."""
    if verdict.outcome is Outcome.TOO_LARGE:
        raise Rejected("Dokumentet er for stort til å bli undersøkt for skadevare, og tas derfor ikke imot")
    if verdict.outcome is Outcome.UNAVAILABLE:
        raise Unavailable("Dokumentet kan ikke undersøkes for skadevare akkurat nå; ingenting er tatt imot. Prøv igjen")
    return verdict.signature if verdict.outcome is Outcome.INFECTED else None


@asynccontextmanager
async def receiving(request: web.Request, dokument_id: UUID) -> AsyncIterator[Posted]:
    """The document that a call carries. When what is done with it raises, nothing is left behind (but see ``say``)."""
    app = request.app
    deadline = asyncio.get_running_loop().time() + LONGEST_CALL
    parts = Multipart(request.headers.get("Content-Type", ""), reader(request, deadline))
    received = Posted(parts, app[BLOBS], app[LOG].keys, app[SCANNER], dokument_id)
    try:
        yield received
    except BaseException:
        await asyncio.shield(received.discard())
        raise
