"""Hands out a document to who may have it, and tells so. Contract: dokumentlager.md 5."""

from __future__ import annotations

from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.auth.principal import PRINCIPAL
from gateway.auth.remembered import Remembered
from gateway.context import BLOBS, LOG
from gateway.deadline import without_deadline
from gateway.dokument_nedlasting import body, headers_of, key_of, planned
from gateway.dokumenter import DOKUMENTER
from gateway.dokumentlager import etag_of, is_closed, must_be_as_known, must_be_there
from gateway.eksponering import must_be_exposed, must_be_logged_in_at
from gateway.preconditions import is_at_hand
from gateway.problems import error_message, hidden
from gateway.randomness import new_hex
from gateway.said import said
from infra.crypto.segments import Tampered
from infra.logs import logger
from infra.metrics import DOWNLOADS_MISSED
from schemas.dokumentlager import DokumentLastetNed, DokumentSkadet
from streams.domain.dokumentlager import Status
from streams.domain.errors import Gone, NotAllowed, NotFound, Rejected, Unavailable

log = logger(__name__)

DAMAGED = web.AppKey("damaged", Remembered[UUID, date])
"""When it was last told of a document that it is damaged."""
MOST_DAMAGED = 10_000
LONGEST_WRITE = 600.0
"""Seconds that a caller may take to read enough that the next of the content can be written."""
Asked = Callable[[], Awaitable[Any]]
"""Finds the row of the document once more, as ``exposed`` does."""


async def handed_out(request: web.Request, asked: Asked) -> web.StreamResponse:
    """The content of the document, as the call wants it: whole, in ranges, or not at all. Raises as ``asked`` does."""
    dokument = await asked()
    must_be_as_known(request, dokument)
    if request.method == "HEAD":
        return _head(request, dokument)
    plan = planned(request.headers, dokument, new_hex())
    if plan.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        unmet = error_message(request.path, plan.status, "Dokumentet har ikke noe i det området")
        unmet.headers.update(plan.headers)
        return unmet
    if not plan.parts:
        return web.Response(status=plan.status, headers=plan.headers)
    chunks = body(request.app[BLOBS], await key_of(request.app[LOG].keys, dokument), dokument, plan)
    try:
        first = await anext(chunks)
    except Tampered:
        await asked()  # deleted at this very moment, it is gone and not damaged
        await _damaged(request, dokument)
        raise
    await _tell(request, dokument)
    response = web.StreamResponse(status=plan.status, headers=plan.headers)
    response.content_length = plan.length
    without_deadline(request)
    await response.prepare(request)
    await _send(request, response, dokument, first, chunks, asked)
    return response


def _head(request: web.Request, dokument: Any) -> web.StreamResponse:
    """What is answered to HEAD, for which ranges mean nothing; nothing is handed out, and nothing told."""
    response = web.StreamResponse(headers=headers_of(dokument))
    if is_at_hand(request.headers, etag_of(dokument)):
        response.set_status(HTTPStatus.NOT_MODIFIED)
        return response
    response.content_length = dokument["ukryptert_storrelse"]
    return response


async def exposed(request: web.Request, dokument_id: UUID) -> Any:
    """The row of the document, which is there for the caller. Raises NotFound, Gone, NotAllowed.

    Whoever closed the account was told that its documents are gone, though each is deleted a moment later.
    """
    missing, dokumenter = f"Dokumentet {dokument_id} finnes ikke", request.app[DOKUMENTER]
    found = await dokumenter.at_hand(dokument_id)
    keys, konto_id = (found[0]["eksponert"], found[0]["konto_id"]) if found else ((), dokument_id)
    with hidden(missing):  # of one that there is not, too: neither what is told nor a clock tells them apart
        try:
            await must_be_exposed(request, keys, konto_id)
        except NotAllowed:
            if found:
                await dokumenter.looked_for(dokument_id)  # as one that is not at hand was
            raise
    [dokument] = found
    must_be_there(dokument)
    if is_closed(request, dokument["konto_id"]):
        raise Gone(f"Dokumentet {dokument_id} er slettet")
    if dokument["status"] == Status.INFISERT:
        raise Rejected("Dokumentet inneholder skadevare og kan ikke lastes ned")
    must_be_logged_in_at(request, dokument["sikkerhetsniva"])
    [named] = await dokumenter.named(found)
    return named


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    dokument: Any,
    first: bytes,
    rest: AsyncIterator[bytes],
    asked: Asked,
) -> None:
    """Send the content as fast as the caller takes it. What fails on the way can only be cut off."""
    try:
        async with _patience():
            await response.write(first)
        async for chunk in rest:
            async with _patience():
                await response.write(chunk)
        async with _patience():
            await response.write_eof()
    except ConnectionError:
        _abort(request)
        log.info("a download was given up", dokument_id=dokument["dokument_id"])
    except Exception as fault:
        _abort(request)
        log.error("a download was cut off", dokument_id=dokument["dokument_id"], exc_info=fault)
        if isinstance(fault, Tampered):
            with suppress(Gone, Rejected, NotAllowed, NotFound, Unavailable):  # deleted on the way, it is not damaged
                await asked()
                await _damaged(request, dokument)


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Who stops reading has given up. Raises ConnectionAbortedError."""
    try:
        async with timeout(LONGEST_WRITE):
            yield
    except TimeoutError as fault:
        raise ConnectionAbortedError(f"nothing was read for {LONGEST_WRITE} seconds") from fault


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _tell(request: web.Request, dokument: Any) -> None:
    """That it is handed out. Downloading works while the log does not, so a log that is away keeps nobody from it."""
    if not dokument["lagre_nedlastinger"]:
        return
    event = DokumentLastetNed(dokument_id=dokument["dokument_id"], av=request[PRINCIPAL].actor)
    try:
        await request.app[LOG].append(event, said(request, event))
    except Unavailable as fault:
        DOWNLOADS_MISSED.inc()
        log.error("a download is not on the log", dokument_id=event.dokument_id, actor=event.av, fault=str(fault))


async def _damaged(request: web.Request, dokument: Any) -> None:
    """That it is damaged, which this process tells once a day of a document, however often it is asked for."""
    event, told, now = DokumentSkadet(dokument_id=dokument["dokument_id"]), request.app[DAMAGED], datetime.now(UTC)
    log.error("what is stored of a document is not what was stored", dokument_id=event.dokument_id)
    if told.get(event.dokument_id) == now.date():
        return
    told.put(event.dokument_id, now.date())
    try:
        await request.app[LOG].append(event, said(request, event))
    except Unavailable:
        told.forget(event.dokument_id)
