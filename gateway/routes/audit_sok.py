"""Search of an organisation's own record. Contract: auth.md 8. What the contract's entries say in words of their own is
here what the event is called; the event itself stands on the log at the place that the payload names.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
from aiohttp import web

from gateway.aktorer import in_words
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.dokumentlager import fresh, page_in
from gateway.opened import as_opened
from gateway.revisjon import REVISJON, SORTERING, TJENESTER, Kriterier
from gateway.routes import Routes
from schemas.errors import Unreadable
from schemas.konfigurasjon import ROOT
from streams.domain.configuration import Configuration
from streams.domain.errors import Rejected
from streams.domain.rettigheter import ADMIN

routes = Routes()

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 253_402_300_799_999
"""Milliseconds from then to the end of year 9999, after which there is no time."""
SERVICES = {name: uuid5(ROOT, name) for name in TJENESTER}


@routes.get("/audit-sok/api/v1/sok", demands=manager(ADMIN))
async def sok(request: web.Request) -> web.Response:
    """What happened in an organisation that the caller administrates, and who did it."""
    query = request.query
    of, sortering = _organisation(request), query.get("sortering", "DATO_DESC")
    if sortering not in SORTERING:
        raise Unreadable(f"sortering må være en av {', '.join(SORTERING)}")
    await demand_on(request, of)
    if "underRessurser" in query:
        raise Rejected("Det kan ikke søkes etter underRessurser: søk i hendelsene til kontoen eller dokumentet")
    asked = query.getall("tjenester", [])
    if any("\0" in one for one in (query.get("term", ""), *query.getall("requestIder", []))):
        raise Unreadable("det kan ikke søkes etter tegnet NUL")
    kriterier = Kriterier(
        tjenester=[name for name, id_ in SERVICES.items() if not asked or {name, str(id_)} & set(asked)],
        term=query.get("term") or None,
        fra=_moment(query, "fraDato"),
        til=_moment(query, "tilDato"),
        requester=query.getall("requestIder", None),
    )
    known = request.app[MEMORY].organisasjon(of)
    orgnr = known.orgnr if known else None
    if query.get("organisasjonsNummer", orgnr) != orgnr:
        kriterier = Kriterier(tjenester=[])
    fra, antall = page_in(request)
    found = await request.app[REVISJON].sok(of, kriterier, sortering, fra, antall)
    aktorer = {row[column] for row in found.side.rows for column in ("actor", "integration")}
    configuration = request.app[MEMORY].configuration
    words = await in_words(request, "audit", aktorer, of)
    strangers = {one for one in aktorer if _is_stranger(configuration, one or "", of)}
    words |= dict.fromkeys(strangers, "Integrasjon")
    treff = [_treff(row, of, orgnr, words, strangers) for row in found.side.rows]
    counted = [_aggregert(SERVICES[name], name, count, bool(asked)) for name, count in found.antall.items() if count]
    total = sum(found.antall.values())
    answer = {
        "antallTreff": total,
        "treff": [{name: said for name, said in one.items() if said is not None} for one in treff],
        "forespurtFra": fra,
        "forespurtAntall": antall,
        "aggregeringer": {
            "fiksOrg": [_aggregert(of, known.navn if known else "ROOT", total, True)],
            "tjeneste": counted,
            "underRessurs": [],
        },
    }
    return fresh(found.side, await as_opened(request, answer))


def _is_stranger(configuration: Configuration, aktor: str, of: UUID) -> bool:
    """Whether it is an integration of which the organisation knows nothing: neither its own nor ever offered to all."""
    kind, _, id_ = aktor.partition(":")
    if kind != "integrasjon" or of == ROOT:
        return False
    known = (configuration.virksomhet(of).integrasjoner, configuration.virksomhet(ROOT).globale)
    return not any(UUID(id_) in one for one in known)


def _treff(
    row: Any, of: UUID, orgnr: str | None, words: Mapping[str | None, str], strangers: Set[str | None]
) -> dict[str, Any]:
    """A line of the trail; ``words`` are for its actors. How ``strangers`` came in is their own affair."""
    place = {name: row[name] for name in ("topic", "partition", "offset")}
    through = None if row["integration"] is None else words[row["integration"]]
    came_in = {"leverandor": row["supplier"], "niva": row["level"], "integrasjon": through}
    if strangers & {row["actor"], row["integration"]}:
        came_in = {}
    proof = {"lovhjemmel": row["legal_basis"], **came_in, "hendelseId": row["id"], **place}
    return {
        "principal": words[row["actor"]],
        "tidspunkt": (row["time"] - BEGINNING) // timedelta(milliseconds=1),
        "onBehalfOf": row["on_behalf_of"],
        "fiksOrg": of,
        "orgNo": orgnr,
        "tjeneste": row["topic"].rpartition(".")[2],
        "handling": row["type"],
        "payload": msgspec.json.encode(proof).decode(),
        "requestId": row["correlation_id"],
    }


def _aggregert(id_: UUID, navn: str, antall: int, valgt: bool) -> dict[str, Any]:
    return {"id": id_, "visningsnavn": navn, "antall": antall, "valgt": valgt}


def _organisation(request: web.Request) -> UUID:
    try:
        return UUID(request.query["fiksOrganisasjon"])
    except (KeyError, ValueError):
        raise Unreadable("Oppgi fiksOrganisasjon i adressen, en UUID") from None


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    """Milliseconds since 1970 in the query. Raises Unreadable."""
    if (said := query.get(name)) is None:
        return None
    if not said.isascii() or not said.isdigit() or len(said) > 15 or int(said) > LAST:
        raise Unreadable(f"{name} må være millisekunder siden 1970")
    return BEGINNING + timedelta(milliseconds=int(said))
