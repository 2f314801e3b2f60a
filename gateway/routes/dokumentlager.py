"""Documents of an account: upload, change, deletion, and what the account has. Contract: dokumentlager.md 3 to 5.

Nothing redirects, and both spellings of the upload's address are served.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway.aktorer import in_words
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
    fresh,
    konto_in,
    must_be_there,
    open_konto_in,
    page_in,
    uuid_in,
)
from gateway.metadata import Text1000, Time, read_json
from gateway.opened import as_opened
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
from streams.domain.dokumentlager import Status
from streams.domain.errors import Rejected
from streams.domain.konfigurasjon import Ressurs

routes = Routes()

UPLOADER = integration(LAST_OPP) | manager(LAST_OPP)
DOKUMENT = f"{A_KONTO}/dokumenter/{{dokumentId}}"

HENDELSER = {
    "DokumentLastetOpp": "Dokumentet er lastet opp",
    "DokumentEndret": "Dokumentets levetid er endret",
    "DokumentInfisert": "Dokumentet inneholder skadevare og kan ikke lastes ned",
    "DokumentLastetNed": "Dokumentet er lastet ned",
    "DokumentSlettet": "Dokumentet er slettet",
    "DokumentSkadet": "Dokumentets innhold er skadet og kan ikke lastes ned",
    "DokumentDestruert": "Dokumentets innhold og nøkkel er destruert",
}
"""The texts of a document's history. None is published, so a type without a text shows as its name."""
GRUNNER = {
    Slettegrunn.API: "av den som eier det",
    Slettegrunn.UTLOP: "fordi tiden det skulle være tilgjengelig, er ute",
    Slettegrunn.KONTO: "sammen med kontoen",
}


class Kriterier(Struct, frozen=True):
    """``Sokekriterier``."""

    fra: Time | None = None
    til: Time | None = None
    dokumentnavn: Text1000 | None = None
    lest: bool | None = None
    slettet: bool | None = None
    korrelasjonsid: UUID | None = None


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


@routes.get(f"{A_KONTO}/dokumenter", demands=UPLOADER)
async def liste(request: web.Request) -> web.Response:
    """What the account has, the newest first."""
    konto, page = konto_in(request), page_in(request)
    found = await request.app[DOKUMENTER].liste(konto.id, *page)
    return fresh(found, as_json({"dokumenter": [_listed(row) for row in found.rows]}))


@routes.post(f"{A_KONTO}/dokumenter/sok", demands=UPLOADER)
async def sok(request: web.Request) -> web.Response:
    """The documents of the account that meet all criteria, deleted ones among them, the newest first."""
    konto, page = konto_in(request), page_in(request)
    kriterier = read_json(await request.read() or b"{}", Kriterier, request.charset)
    criteria = {name: value for name, value in msgspec.structs.asdict(kriterier).items() if value is not None}
    total, found = await request.app[DOKUMENTER].sok(konto.id, criteria, *page)
    return fresh(found, as_json({"totaltAntallTreff": total, "dokumenter": [_treff(row) for row in found.rows]}))


@routes.get(DOKUMENT, demands=UPLOADER)
async def utvidet(request: web.Request) -> web.Response:
    """What is known of a document, its history included; also when it is deleted (contract, trap 18)."""
    konto = konto_in(request)
    dokument = (await dokument_in(request, konto)).rows[0]
    found = await request.app[DOKUMENTER].hendelser(dokument["dokument_id"])
    known = _listed(dokument) | {
        "kryptertStorrelse": dokument["kryptert_storrelse"],
        "tilgjengeligTil": dokument["tilgjengelig_til"],
        "mimetype": dokument["mimetype"],
        "slettet": dokument["status"] == Status.SLETTET,
        "hendelser": [_hendelse(request, row, konto.fiks_org_id) for row in found.rows],
    }
    return fresh(found, await as_opened(request, known))


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


def _listed(row: Any) -> dict[str, Any]:
    return {
        "id": row["dokument_id"],
        "dokumentnavn": row["dokumentnavn"],
        "ukryptertStorrelse": row["ukryptert_storrelse"],
    }


def _treff(row: Any) -> dict[str, Any]:
    return _listed(row) | {
        "kryptertStorrelse": row["kryptert_storrelse"],
        "lest": row["lest"],
        "opprettet": row["opprettet"],
        "mimetype": row["mimetype"],
        "slettet": row["status"] == Status.SLETTET,
        "korrelasjonsid": row["korrelasjonsid"],
    }


def _hendelse(request: web.Request, row: Any, of: UUID) -> dict[str, Any]:
    text = HENDELSER.get(row["type"], row["type"])
    if row["type"] == "DokumentSlettet":
        text = f"{text} {GRUNNER[Slettegrunn(row['detalj'])]}"
    elif row["type"] == "DokumentEndret":
        text = f"{text}: tilgjengelig til {row['detalj']}" if row["detalj"] else f"{text}: slettes aldri"
    return {"dato": row["tidspunkt"], "melding": text, "aktor": in_words(request, row["aktor"], of)}
