"""Documents of an account: upload, change, deletion, and what the account has. Contract: dokumentlager.md 3 to 5.

Nothing redirects, and both spellings of the upload's address are served.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from fiks_cms import Decryptor
from gateway import body
from gateway.auth.middleware import demand_on
from gateway.auth.persons import PERSONS
from gateway.auth.principal import PRINCIPAL
from gateway.context import CERTIFICATES, LOG
from gateway.dokument import Tilgjengelighet, must_be_encrypted_at_the_highest_level, until
from gateway.dokument_upload import lastet_opp, must_be_clean, receiving
from gateway.dokumenter import DOKUMENTER
from gateway.dokumentlager import (
    A_KONTO,
    UPLOADER,
    dokument_in,
    kryptert_in,
    location_of,
    must_be_as_known,
    must_be_there,
    open_konto_in,
    uuid_in,
)
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from gateway.said import said
from schemas.dokumentlager import (
    DokumentendringBegjart,
    DokumentslettingBegjart,
    Slettegrunn,
    SlettingAvFlereBegjart,
)
from streams.domain.errors import Gone

routes = Routes()

DOKUMENT = f"{A_KONTO}/dokumenter/{{dokumentId}}"


@routes.post(f"{A_KONTO}/dokumenter", demands=UPLOADER)
@routes.post(f"{A_KONTO}/dokumenter/", demands=UPLOADER)
async def last_opp(request: web.Request) -> web.Response:
    """Take over a document. The answer is a promise: its content, its key and the event are durable."""
    konto, kryptert, dokument_id = open_konto_in(request), kryptert_in(request), new_uuid()
    async with receiving(request, dokument_id) as received:
        metadata = await received.metadata()
        must_be_encrypted_at_the_highest_level(metadata, kryptert)
        until(metadata, datetime.now(UTC))  # nobody sends for an hour what cannot be
        await received.content(Decryptor(request.app[CERTIFICATES].pairs()) if kryptert else None)
        # It may have been closed or revoked while the content came, perhaps for an hour.
        await demand_on(request, open_konto_in(request).id)
        til = until(metadata, now := datetime.now(UTC))
        named = request.app[PERSONS].actor
        event = lastet_opp(received, metadata, konto, kryptert=kryptert, til=til, named=named)
        position = await received.say(request.app[LOG].append(event, said(request, event, now)))
    request.app[DOKUMENTER].wrote(dokument_id, position)
    must_be_clean(event.skadevare)
    response = as_json(
        {
            "id": dokument_id,
            "dokumentnavn": event.dokumentnavn,
            "mimeType": event.mimetype,
            "ukryptertStorrelse": event.ukryptert_storrelse,
            "kryptertStorrelse": event.kryptert_storrelse,
        },
        status=201,
    )
    response.headers["Location"] = location_of(request, dokument_id)
    return response


@routes.patch(DOKUMENT, demands=UPLOADER)
async def endre(request: web.Request) -> web.Response:
    """The document is available until another time; nothing else of it can change. Gone where a deletion came first."""
    konto = open_konto_in(request)
    til = until(await body.json(request, Tilgjengelighet), datetime.now(UTC))
    dokument = (await dokument_in(request, konto)).rows[0]
    must_be_there(dokument)
    must_be_as_known(request, dokument)
    av, dokument_id = request[PRINCIPAL].actor, dokument["dokument_id"]
    await _ask(request, DokumentendringBegjart(dokument_id=dokument_id, av=av, tilgjengelig_til=til))
    must_be_there((await dokument_in(request, konto)).rows[0])
    return as_json({"id": dokument_id, "tilgjengeligTil": til})


@routes.delete(DOKUMENT, demands=UPLOADER)
async def slett(request: web.Request) -> web.Response:
    """Delete a document. That it can be had no more follows at once, that nobody can ever read it within moments.

    Of several who delete it one has deleted it; to the others, and where its time was over first, it is gone.
    """
    konto = open_konto_in(request)
    dokument = (await dokument_in(request, konto)).rows[0]
    must_be_there(dokument)
    must_be_as_known(request, dokument)
    av, dokument_id = request[PRINCIPAL].actor, dokument["dokument_id"]
    event_id = await _ask(request, DokumentslettingBegjart(dokument_id=dokument_id, grunn=Slettegrunn.API, av=av))
    if (await dokument_in(request, konto)).rows[0]["slettet_fordi"] != event_id:
        raise Gone(f"Dokumentet {dokument_id} er slettet")
    return web.Response()


@routes.delete(f"{A_KONTO}/korrelasjonsid/{{korrelasjonsid}}", demands=UPLOADER)
async def slett_flere(request: web.Request) -> web.Response:
    """Delete all documents that the account has with a correlation id by now; none is no fault (contract 5)."""
    konto = open_konto_in(request)
    event = SlettingAvFlereBegjart(
        sletting_id=new_uuid(),
        konto_id=konto.id,
        korrelasjonsid=uuid_in(request, "korrelasjonsid"),
        av=request[PRINCIPAL].actor,
        grenser=await request.app[DOKUMENTER].grenser(),
    )
    await request.app[LOG].append(event, said(request, event))
    return web.Response(status=204)


async def _ask(request: web.Request, event: DokumentendringBegjart | DokumentslettingBegjart) -> str:
    """Append what the caller asks and wait until whoever asks next, wherever, sees what was decided; the event's id."""
    about = said(request, event)
    position = await request.app[LOG].append(event, about)
    await request.app[DOKUMENTER].settled(event.dokument_id, position)
    return about.id
