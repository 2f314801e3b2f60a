"""Makes a document of an upload that is whole: the same that it would be had it come in one call, and exactly one.

Any number of gateways may be at it at once, each with a document of its own: the first to say so has decided, and the
others leave nothing behind. What was decided is appended by whoever comes, until it is known to be on the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

import msgspec
from aiohttp import web

from fiks_cms import Decryptor
from gateway.auth.middleware import demand_on
from gateway.auth.persons import PERSONS
from gateway.context import BLOBS, CERTIFICATES, LOG, SCANNER
from gateway.deadline import without_deadline
from gateway.dokument import Metadata, must_be_encrypted_at_the_highest_level, until
from gateway.dokument_upload import Received, lastet_opp
from gateway.dokumenter import DOKUMENTER
from gateway.dokumentlager import open_konto_in
from gateway.metadata import read_json
from gateway.opplasting import Ferdig, Opplasting
from gateway.opplastinger import AVBRUTT, GIVEN_UP, OPPLASTINGER
from gateway.randomness import new_uuid
from gateway.said import said
from gateway.tus import metadata_in
from infra.crypto.segments import Tampered
from infra.logs import logger
from schemas.codec import decode, encode
from schemas.dokumentlager import DokumentLastetOpp
from schemas.envelope import derived_id
from schemas.errors import Unreadable
from streams.domain.errors import Gone, NotFound, Rejected, Unavailable
from streams.domain.konfigurasjon import Ressurs

log = logger(__name__)

METADATA = "metadata"
"""The key of Upload-Metadata under which the metadata of the document stand, as JSON."""
SKADET = "Det som er kommet av opplastingen, er skadet hos oss. Begynn på en ny"
SETTLING = 5.0
"""Seconds in which a gateway that has decided is let alone to append: an append takes no longer."""
PAUSE = 0.2
OLDEST = timedelta(hours=12)
"""What was decided longer ago is not appended any more: its content may be swept up when it is a day old."""

MAKING = web.AppKey("making", dict[str, "asyncio.Task[Ferdig]"])
"""The uploads of which this process is making documents."""


class _Decided(msgspec.Struct, frozen=True, array_like=True):
    """What is appended: the event as the codec writes it, and when it happened."""

    event: bytes
    time: datetime


def read_metadata(said_: Mapping[str, bytes], kryptert: bool) -> Metadata:
    """The metadata of a document, of what was said in Upload-Metadata. Raises Unreadable."""
    if METADATA not in said_:
        raise Unreadable(f"Ugyldig innhold: Upload-Metadata må ha nøkkelen {METADATA}, med metadata som JSON")
    metadata = read_json(said_[METADATA], Metadata)
    must_be_encrypted_at_the_highest_level(metadata, kryptert)
    return metadata


async def made(request: web.Request, konto: Ressurs, upload: Opplasting) -> Ferdig:
    """The document of an upload that is whole. Who asks while this process is making it waits for the same.

    Raises Unreadable or Rejected where it can be none, and Gone where what came is damaged, and then nothing is left;
    NotAllowed, NotFound and Unavailable.
    """
    without_deadline(request)
    making = request.app[MAKING]
    if (task := making.get(upload.id)) is None:
        task = making[upload.id] = asyncio.create_task(_made(request, konto, upload))
        task.add_done_callback(lambda _: making.pop(upload.id))
    return await asyncio.shield(task)


async def _made(request: web.Request, konto: Ressurs, upload: Opplasting) -> Ferdig:
    try:
        if upload.is_decided or (decided := await _decided(request, konto, upload)) is None:
            return await _settled(request, konto, upload)
        return await _appended(request, upload, decided)
    except (NotFound, Tampered) as fault:  # another has made it meanwhile, and cleared away what was being read
        found = await request.app[OPPLASTINGER].find(konto.id, upload.id)
        if isinstance(found, Ferdig):
            return found
        if isinstance(fault, Tampered) and await _is_given_up(request, found):
            log.error("what is stored of an upload is not what was stored", opplasting_id=upload.id, exc_info=fault)
            raise Gone(SKADET) from fault
        raise


async def _decided(request: web.Request, konto: Ressurs, upload: Opplasting) -> _Decided | None:
    """Receive the document and decide that it is the one; None when something else was decided before."""
    app, opplastinger = request.app, request.app[OPPLASTINGER]
    received = Received(app[BLOBS], app[LOG].keys, app[SCANNER], new_uuid())
    try:
        mine = await _received(request, konto, upload, received)
    except (Rejected, Unreadable):
        await received.discard()
        if not await _is_given_up(request, upload):
            return None
        raise
    except BaseException:
        await asyncio.shield(received.discard())
        raise
    # From here on its content stays unless another is known to be the one: an event without content is a document lost.
    if await opplastinger.decide(upload, msgspec.msgpack.encode(mine)):
        return mine
    try:
        first = await _outcome(request, upload)
    except (Gone, NotFound):
        await received.discard()
        raise
    if first == mine:  # the store had it, and we lost its answer
        return mine
    await received.discard()
    return None


async def _is_given_up(request: web.Request, upload: Opplasting) -> bool:
    """Give it up, and free what it takes, unless something else was decided before."""
    opplastinger = request.app[OPPLASTINGER]
    if not await opplastinger.decide(upload, GIVEN_UP):
        return False
    with suppress(Unavailable):
        await opplastinger.clear(upload)
    return True


async def _received(request: web.Request, konto: Ressurs, upload: Opplasting, received: Received) -> _Decided:
    """Store the content as that of a document, by the rules of an upload in one call."""
    app, now, kryptert = request.app, datetime.now(UTC), upload.said.kryptert
    metadata = read_metadata(metadata_in(upload.said.metadata), kryptert)
    til = until(metadata, now)
    async with aclosing(app[OPPLASTINGER].content(upload)) as content:
        await received.store(content, Decryptor(app[CERTIFICATES].pairs()) if kryptert else None)
    open_konto_in(request)  # closed meanwhile, perhaps, or the caller's right is gone
    await demand_on(request, konto.id)
    return _Decided(
        encode(lastet_opp(received, metadata, konto, kryptert=kryptert, til=til, named=app[PERSONS].actor)), now
    )


async def _settled(request: web.Request, konto: Ressurs, upload: Opplasting) -> Ferdig:
    """The document that was decided, by another or before: appended, unless it is on the log."""
    decided, loop = await _outcome(request, upload), asyncio.get_running_loop()
    alone_until = loop.time() + SETTLING
    while loop.time() < alone_until:
        found = await request.app[OPPLASTINGER].find(konto.id, upload.id)
        if isinstance(found, Ferdig):
            return found
        await asyncio.sleep(PAUSE)
    event = decode(decided.event)
    if (await request.app[DOKUMENTER].dokument(event.dokument_id)).rows:
        return await _finished(request, upload, event)
    if decided.time < datetime.now(UTC) - OLDEST:
        raise Gone(AVBRUTT)
    return await _appended(request, upload, decided)


async def _appended(request: web.Request, upload: Opplasting, decided: _Decided) -> Ferdig:
    """The event, whose id is that of the upload's: where the log was silent, and it is said again, it is the same."""
    event = decode(decided.event)
    about = said(request, event, decided.time)
    about = msgspec.structs.replace(about, id=derived_id(upload.id, about.type))
    position = await request.app[LOG].append(event, about)
    request.app[DOKUMENTER].wrote(event.dokument_id, position)
    return await _finished(request, upload, event)


async def _finished(request: web.Request, upload: Opplasting, event: DokumentLastetOpp) -> Ferdig:
    ferdig = Ferdig(event.dokument_id, upload.offset, event.skadevare)
    try:
        await request.app[OPPLASTINGER].finish(upload, ferdig)
    except Unavailable as fault:  # the document is received all the same
        log.warning("an upload that is finished is not cleared away", fault=str(fault))
    return ferdig


async def _outcome(request: web.Request, upload: Opplasting) -> _Decided:
    return msgspec.msgpack.decode(await request.app[OPPLASTINGER].outcome(upload), type=_Decided)
