"""Documents that come in several calls, since 5 GB over a poor line is real: TUS 1.0.0, beside the multipart.

The call that brings the last byte makes the document; what the contract demands of an upload holds here too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web

from gateway import tus
from gateway.auth.demands import open_to_all
from gateway.body import reader
from gateway.dokument import until
from gateway.dokument_upload import EMPTY, LONGEST_CALL, must_be_clean
from gateway.dokumentlager import A_KONTO, UPLOADER, konto_in, kryptert_in, location_of, open_konto_in
from gateway.opplasting import Ferdig, Opplasting, Said
from gateway.opplasting_slutt import made, read_metadata
from gateway.opplastinger import GIVEN_UP, OPPLASTINGER
from gateway.routes import Routes
from schemas.errors import Unreadable
from streams.domain.konfigurasjon import Ressurs

routes = Routes()

OPPLASTINGER_ = f"{A_KONTO}/opplastinger"
EN = f"{OPPLASTINGER_}/{{opplastingId}}"
LARGEST = 6 << 30
"""Bytes of an upload: 5 GB, and what it grows by when it is encrypted."""
DOKUMENT_ID = "Fiks-Dokument-Id"
FERDIG = "Opplastingen er ferdig. Slett dokumentet, hvis det var det du ville"


@routes.options(OPPLASTINGER_, demands=open_to_all)
@routes.options(EN, demands=open_to_all)
async def tilbud(_request: web.Request) -> web.Response:
    """What is offered of the protocol."""
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=tus.offered(LARGEST))


@routes.post(OPPLASTINGER_, demands=UPLOADER)
async def begynn(request: web.Request) -> web.Response:
    """Begin an upload. What cannot become a document is refused already here, as far as that can be seen."""
    tus.check_version(request.headers)
    konto, kryptert, created = open_konto_in(request), kryptert_in(request), tus.creation(request.headers, LARGEST)
    until(read_metadata(created.metadata, kryptert), datetime.now(UTC))
    if created.length == 0:
        raise Unreadable(EMPTY)
    said = Said(created.length, kryptert, request.headers["Upload-Metadata"])
    upload = await request.app[OPPLASTINGER].begin(konto.id, said)
    address = f"{request.path.rstrip('/')}/{upload.id}"
    return web.Response(status=HTTPStatus.CREATED, headers=tus.answered(0, upload.expires) | {"Location": address})


@routes.get(EN, demands=UPLOADER)
async def vis(request: web.Request) -> web.Response:
    """How far it has come. One that is whole and no document yet, since a gateway was killed, becomes one here: who is
    told that all has come does not call again.
    """
    tus.check_version(request.headers)
    konto, upload = await _found(request)
    if isinstance(upload, Opplasting) and not upload.is_whole:
        shown = tus.shown(upload.offset, upload.length, upload.said.metadata, upload.expires)
        return web.Response(headers=shown)
    ferdig = upload if isinstance(upload, Ferdig) else await made(request, konto, upload)
    headers = _ferdig(request, ferdig) | tus.shown(ferdig.length, ferdig.length, "", None)
    return web.Response(headers=headers)


@routes.patch(EN, demands=UPLOADER)
async def fortsett(request: web.Request) -> web.Response:
    """The next bytes; what has come of them is kept, also when they break off."""
    tus.check_version(request.headers)
    konto, upload = await _found(request)
    if isinstance(upload, Opplasting) and not upload.is_whole:
        offset, whole = await _appended(request, upload)
        if offset != whole:
            return _no_content(tus.answered(offset, upload.expires))
        _, upload = await _found(request)
    else:
        end = upload.length if isinstance(upload, Ferdig) else upload.offset
        tus.patch(request.headers, offset=end, length=end, largest=LARGEST)
    ferdig = upload if isinstance(upload, Ferdig) else await made(request, konto, upload)
    return _no_content(_ferdig(request, ferdig) | tus.answered(ferdig.length, None))


@routes.delete(EN, demands=UPLOADER)
async def avbryt(request: web.Request) -> web.Response:
    """Give it up, and free what it takes. Of an account that is closed, too."""
    tus.check_version(request.headers)
    opplastinger, upload_id = request.app[OPPLASTINGER], request.match_info["opplastingId"]
    upload = await opplastinger.find(konto_in(request).id, upload_id)
    if isinstance(upload, Ferdig) or not await opplastinger.decide(upload, GIVEN_UP):
        raise tus.Refused(HTTPStatus.CONFLICT, FERDIG)
    await opplastinger.clear(upload)
    return _no_content({"Tus-Resumable": tus.VERSION})


METHODS = {"PATCH": fortsett, "DELETE": avbryt, "HEAD": vis}


@routes.post(EN, demands=UPLOADER)
async def overstyrt(request: web.Request) -> web.Response:
    """For callers whose surroundings let only GET and POST through."""
    if (handler := METHODS.get(request.headers.get("X-HTTP-Method-Override", ""))) is None:
        raise web.HTTPMethodNotAllowed(request.method, METHODS)
    return await handler(request)


async def _found(request: web.Request) -> tuple[Ressurs, Opplasting | Ferdig]:
    konto = open_konto_in(request)
    return konto, await request.app[OPPLASTINGER].find(konto.id, request.match_info["opplastingId"])


async def _appended(request: web.Request, upload: Opplasting) -> tuple[int, int | None]:
    """Keep what the call carries. Returns how far the upload has come by that, and its length if that is known."""
    opplastinger = request.app[OPPLASTINGER]
    patch = tus.patch(request.headers, offset=upload.offset, length=upload.length, largest=LARGEST)
    if upload.length is None and patch.length is not None:
        await opplastinger.measure(upload, patch.length)
    return await opplastinger.append(upload, _body(request, patch.most), patch.checksum), patch.length


async def _body(request: web.Request, most: int) -> AsyncGenerator[bytes, None]:
    """What the call carries. Raises Unreadable when its sender fails, Refused when it is more than ``most`` bytes."""
    read, left = reader(request, asyncio.get_running_loop().time() + LONGEST_CALL), most
    while chunk := await read():
        if (left := left - len(chunk)) < 0:
            raise tus.too_much(most)
        yield chunk


def _ferdig(request: web.Request, ferdig: Ferdig) -> dict[str, str]:
    must_be_clean(ferdig.skadevare)
    return {DOKUMENT_ID: str(ferdig.dokument_id), "Location": location_of(request, ferdig.dokument_id)}


def _no_content(headers: dict[str, str]) -> web.Response:
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
