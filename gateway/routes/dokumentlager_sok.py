"""What an account has: a list, a search, and what is known of one document. Contract: dokumentlager.md 3.2 and 5."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway import body
from gateway.aktorer import in_words
from gateway.auth.demands import integration, manager
from gateway.dokumenter import DOKUMENTER
from gateway.dokumentlager import A_KONTO, LAST_OPP, MOST_AT_ONCE, dokument_in, fresh, konto_in, page_in
from gateway.metadata import Text1000, Time, must_be_in_the_calendar, read_json
from gateway.opened import as_opened
from gateway.routes import Routes, as_json
from schemas.dokumentlager import Slettegrunn
from streams.domain.dokumentlager import Status

routes = Routes()

UPLOADER = integration(LAST_OPP) | manager(LAST_OPP)

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

    def __post_init__(self) -> None:
        must_be_in_the_calendar(self.fra)
        must_be_in_the_calendar(self.til)


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
    kriterier = read_json(await body.whole(request) or b"{}", Kriterier, request.charset)
    criteria = {name: value for name, value in msgspec.structs.asdict(kriterier).items() if value is not None}
    total, found = await request.app[DOKUMENTER].sok(konto.id, criteria, *page)
    return fresh(found, as_json({"totaltAntallTreff": total, "dokumenter": [_treff(row) for row in found.rows]}))


@routes.get(f"{A_KONTO}/dokumenter/{{dokumentId}}", demands=UPLOADER)
async def utvidet(request: web.Request) -> web.Response:
    """What is known of a document, its history included, a page of it where that is long; also when it is deleted
    (contract, trap 18).
    """
    konto, page = konto_in(request), page_in(request, MOST_AT_ONCE)
    dokument = (await dokument_in(request, konto)).rows[0]
    found = await request.app[DOKUMENTER].hendelser(dokument["dokument_id"], *page)
    aktorer = await in_words(request, "dokumentlager", (row["aktor"] for row in found.rows), konto.fiks_org_id)
    known = _listed(dokument) | {
        "kryptertStorrelse": dokument["kryptert_storrelse"],
        "tilgjengeligTil": dokument["tilgjengelig_til"],
        "mimetype": dokument["mimetype"],
        "slettet": dokument["status"] == Status.SLETTET,
        "hendelser": [_hendelse(row, aktorer[row["aktor"]]) for row in found.rows],
    }
    return fresh(found, await as_opened(request, known))


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


def _hendelse(row: Any, aktor: str) -> dict[str, Any]:
    text = HENDELSER.get(row["type"], row["type"])
    if row["type"] == "DokumentSlettet":
        text = f"{text} {GRUNNER[Slettegrunn(row['detalj'])]}"
    elif row["type"] == "DokumentEndret":
        text = f"{text}: tilgjengelig til {row['detalj']}" if row["detalj"] else f"{text}: slettes aldri"
    elif row["antall"] > 1:
        text = f"{text} {row['antall']} ganger, sist {row['sist'].isoformat()}"
    return {"dato": row["tidspunkt"], "melding": text, "aktor": aktor}
