"""Documents of an account: upload, change, deletion, and what the account has. Contract: dokumentlager.md 3 to 5.

Nothing redirects, and both spellings of the upload's address are served.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from gateway.auth.demands import integration, manager
from gateway.auth.persons import PERSONS
from gateway.auth.principal import PRINCIPAL
from gateway.context import CERTIFICATES, LOG, MINSIDE
from gateway.dokument import Metadata, Tilgjengelighet, exposures, must_be_encrypted_at_the_highest_level, until
from gateway.dokument_upload import Received, receiving
from gateway.dokumenter import DOKUMENTER
from gateway.dokumentlager import (
    A_KONTO,
    LAST_OPP,
    dokument_in,
    must_be_there,
    open_konto_in,
    uuid_in,
)
from gateway.metadata import read_json
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from gateway.said import said
from infra.crypto.cms import Decryptor
from schemas.dokumentlager import (
    DokumentendringBegjart,
    DokumentLastetOpp,
    DokumentslettingBegjart,
    Slettegrunn,
    SlettingAvFlereBegjart,
)
from schemas.errors import Unreadable
from streams.domain.errors import Rejected
from streams.domain.konfigurasjon import Ressurs

routes = Routes()

UPLOADER = integration(LAST_OPP) | manager(LAST_OPP)
DOKUMENT = f"{A_KONTO}/dokumenter/{{dokumentId}}"


@routes.post(f"{A_KONTO}/dokumenter", demands=UPLOADER)
@routes.post(f"{A_KONTO}/dokumenter/", demands=UPLOADER)
async def last_opp(request: web.Request) -> web.Response:
    """Take over a document. The answer is a promise: its content, its key and the event are durable."""
    konto, kryptert, dokument_id, now = open_konto_in(request), _kryptert(request), new_uuid(), datetime.now(UTC)
    async with receiving(request, dokument_id) as received:
        metadata = await received.metadata()
        must_be_encrypted_at_the_highest_level(metadata, kryptert)
        til = until(metadata, now)
        await received.content(Decryptor(request.app[CERTIFICATES].pairs()) if kryptert else None)
        open_konto_in(request)  # closed while the content came, perhaps for an hour
        event = _lastet_opp(request, konto, received, metadata, til)
        position = await received.say(request.app[LOG].append(event, said(request, event, now)))
    request.app[DOKUMENTER].wrote(dokument_id, position)
    if event.skadevare:
        raise Rejected(f"Dokumentet inneholder skadevare ({event.skadevare}) og kan ikke lastes ned av noen")
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
    response.headers["Location"] = f"{request.app[MINSIDE]}/dokumentlager/nedlasting/{dokument_id}"
    return response


@routes.patch(DOKUMENT, demands=UPLOADER)
async def endre(request: web.Request) -> web.Response:
    """The document is available until another time; nothing else of it can change."""
    konto = open_konto_in(request)
    til = until(read_json(await request.read(), Tilgjengelighet, request.charset), datetime.now(UTC))
    dokument = (await dokument_in(request, konto)).rows[0]
    must_be_there(dokument)
    av, dokument_id = request[PRINCIPAL].actor, dokument["dokument_id"]
    await _ask(request, DokumentendringBegjart(dokument_id=dokument_id, av=av, tilgjengelig_til=til))
    return as_json({"id": dokument_id, "tilgjengeligTil": til})


@routes.delete(DOKUMENT, demands=UPLOADER)
async def slett(request: web.Request) -> web.Response:
    """Delete a document. That it can be had no more follows at once, that nobody can ever read it within moments."""
    dokument = (await dokument_in(request, open_konto_in(request))).rows[0]
    must_be_there(dokument)
    av, dokument_id = request[PRINCIPAL].actor, dokument["dokument_id"]
    await _ask(request, DokumentslettingBegjart(dokument_id=dokument_id, grunn=Slettegrunn.API, av=av))
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


async def _ask(request: web.Request, event: DokumentendringBegjart | DokumentslettingBegjart) -> None:
    """Append what the caller asks, and let whoever asks here next see what was decided."""
    position = await request.app[LOG].append(event, said(request, event))
    request.app[DOKUMENTER].wrote(event.dokument_id, position, decided=True)


def _lastet_opp(
    request: web.Request, konto: Ressurs, received: Received, said_: Metadata, til: datetime | None
) -> DokumentLastetOpp:
    return DokumentLastetOpp(
        dokument_id=received.dokument_id,
        fiks_org_id=konto.fiks_org_id,
        konto_id=konto.id,
        korrelasjonsid=said_.korrelasjonsid,
        blob=received.blob,
        nokkel_id=received.key_id,
        dokumentnavn=said_.dokumentnavn,
        mimetype=said_.mimetype,
        sikkerhetsniva=said_.sikkerhetsniva,
        ukryptert_storrelse=received.size,
        kryptert_storrelse=received.sealed_size,
        sha256=received.sha256,
        kryptert=_kryptert(request),
        tilgjengelig_til=til,
        eksponert_for=exposures(said_.eksponert_for, request.app[PERSONS].actor),
        skadevare=received.skadevare,
        lagre_nedlastinger=not said_.ikke_lagre_dokument_lastet_ned,
    )


def _kryptert(request: web.Request) -> bool:
    """Whether the content comes as a CMS message."""
    given = request.query.get("kryptert", "false").lower()
    if given not in ("true", "false"):
        raise Unreadable("kryptert må være true eller false")
    return given == "true"
