"""Accounts of Dokumentlager and their tags. Contract: dokumentlager.md 3.2."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.aktorer import in_words
from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.dokumenter import DOKUMENTER, KONTOER
from gateway.dokumentlager import (
    A_KONTO,
    BASE,
    KONTO,
    LAST_OPP,
    MOST_AT_ONCE,
    TJENESTE,
    fresh,
    is_closed,
    konto_in,
    open_konto_in,
    page_in,
    uuid_in,
)
from gateway.kommando import decide, now_by
from gateway.metadata import Kontonavn
from gateway.opened import as_opened
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.errors import Unreadable
from schemas.konfigurasjon_commands import CreateKonto, DeleteKonto, RenameKonto, TagKonto, UntagKonto
from streams.domain.konfigurasjon import Ressurs
from streams.domain.konfigurasjon_commands import MOST_TAGS
from streams.domain.rettigheter import ADMIN

routes = Routes()

Tag = Annotated[str, Meta(pattern=r"\A[A-Za-zæøåÆØÅ0-9_.,/\- ]+\Z", max_length=200)]

HENDELSER = {
    "KontoOpprettet": "Kontoen er opprettet med navnet {}",
    "KontoEndret": "Kontoen har fått navnet {}",
    "KontoTagget": "Kontoen har fått taggen {}",
    "KontoTagFjernet": "Taggen {} er fjernet fra kontoen",
    "KontoSlettet": "Kontoen er slettet",
}
READER = integration(LAST_OPP) | manager(LAST_OPP)


class NyKonto(Struct, frozen=True):
    """``KontoCreateRequest``."""

    navn: Kontonavn
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MOST_TAGS)] = ()


class Navnet(Struct, frozen=True):
    """``KontoUpdateRequest``."""

    navn: Kontonavn


@routes.get(f"{BASE}/{{fiksOrgId}}/kontoer", demands=integration() | manager())
async def kontoer(request: web.Request) -> web.Response:
    """The accounts of the organisation that the caller may see, closed ones among them."""
    fiks_org_id, memory, holder = uuid_in(request, "fiksOrgId"), request.app[MEMORY], request[PRINCIPAL].holder
    known = memory.configuration.virksomhet(fiks_org_id).ressurser.values()
    own = [one for one in known if one.type == KONTO and memory.may(holder, LAST_OPP, one.id)]
    if not own:
        return as_json({"kontoer": []})
    found = await request.app[DOKUMENTER].statistikk(fiks_org_id=fiks_org_id)
    of = {row["konto_id"]: row for row in found.rows}
    shown = [_konto(request, one) | {"statistikk": statistikk_of(one.id, of.get(one.id))} for one in own]
    return fresh(found, as_json({"kontoer": shown}))


@routes.post(f"{BASE}/{{orgId}}/kontoer", demands=manager(ADMIN))
async def opprett(request: web.Request) -> web.Response:
    """A new account, below the service where the organisation has that; its administrators may make one too."""
    of = uuid_in(request, "orgId")
    tjeneste = request.app[MEMORY].configuration.virksomhet(of).tjenester.get(TJENESTE)
    await demand_on(request, tjeneste.ressurs_id if tjeneste else of)
    ny = await body.json(request, NyKonto)
    tags = tuple(dict.fromkeys(ny.tags))
    says = {"konto_id": new_uuid(), "tjeneste": TJENESTE, "navn": ny.navn, "tags": tags, **now_by(request, "opprettet")}
    made = await decide(request, CreateKonto, of=of, **says)
    return as_json({"id": made.konto_id, "navn": made.navn, "tags": made.tags})


@routes.get(A_KONTO, demands=READER)
async def konto(request: web.Request) -> web.Response:
    """An account and what has happened to it, a page of that where it is long."""
    one, page = konto_in(request), page_in(request, MOST_AT_ONCE)
    found = await request.app[KONTOER].hendelser(one.fiks_org_id, one.id, *page)
    aktorer = await in_words(request, "dokumentlager", (row["aktor"] for row in found.rows), one.fiks_org_id)
    hendelser = [_hendelse(row, aktorer[row["aktor"]]) for row in found.rows]
    return fresh(found, await as_opened(request, _konto(request, one) | {"hendelser": hendelser}))


@routes.patch(A_KONTO, demands=manager(ADMIN))
async def endre(request: web.Request) -> web.Response:
    """Another name."""
    one = open_konto_in(request)
    navn = (await body.json(request, Navnet)).navn
    await decide(request, RenameKonto, of=one.fiks_org_id, konto_id=one.id, navn=navn, **now_by(request, "endret"))
    return web.Response()


@routes.delete(A_KONTO, demands=manager(ADMIN))
async def slett(request: web.Request) -> web.Response:
    """Close the account. Its documents are deleted within moments; their metadata stay."""
    one = open_konto_in(request)
    await decide(request, DeleteKonto, of=one.fiks_org_id, konto_id=one.id, **now_by(request, "endret"))
    return web.Response()


@routes.put(f"{A_KONTO}/tags/{{tag:.+}}", demands=manager(ADMIN))
async def tag(request: web.Request) -> web.Response:
    """Give it a tag."""
    one = open_konto_in(request)
    says = {"tag": _tag(request), **now_by(request, "endret")}
    await decide(request, TagKonto, of=one.fiks_org_id, konto_id=one.id, **says)
    return web.Response()


@routes.delete(f"{A_KONTO}/tags/{{tag:.+}}", demands=manager(ADMIN))
async def fjern_tag(request: web.Request) -> web.Response:
    """Take a tag from it."""
    one = open_konto_in(request)
    says = {"tag": _tag(request), **now_by(request, "endret")}
    await decide(request, UntagKonto, of=one.fiks_org_id, konto_id=one.id, **says)
    return web.Response()


@routes.get(f"{A_KONTO}/statistikk", demands=READER)
async def statistikk(request: web.Request) -> web.Response:
    """How much the account has."""
    one = konto_in(request)
    found = await request.app[DOKUMENTER].statistikk(konto_id=one.id)
    return fresh(found, as_json(statistikk_of(one.id, found.rows[0] if found.rows else None)))


def statistikk_of(konto_id: UUID, row: Any | None) -> dict[str, Any]:
    """``KontoStatistikk``; sizes are of what is not deleted."""
    antall, levende = (row["antall"], row["levende"]) if row else (0, 0)
    return {
        "kontoId": konto_id,
        "antallMetadata": antall,
        "antallDokumenter": levende,
        "antallSlettet": antall - levende,
        "totalStorrelse": row["storrelse"] if row else 0,
        "ukryptertStorrelse": row["ukryptert"] if row else 0,
    }


def _konto(request: web.Request, one: Ressurs) -> dict[str, Any]:
    return {
        "id": one.id,
        "navn": one.navn,
        "fiksOrganisasjonId": one.fiks_org_id,
        "slettet": is_closed(request, one.id),
        "tags": sorted(request.app[MEMORY].configuration.konto(one.id).tags),
    }


def _hendelse(row: Any, aktor: str) -> dict[str, Any]:
    return {"dato": row["tidspunkt"], "melding": HENDELSER[row["type"]].format(row["detalj"]), "aktor": aktor}


def _tag(request: web.Request) -> str:
    try:
        return msgspec.convert(request.match_info["tag"], Tag)
    except msgspec.ValidationError:
        raise Unreadable("En tag kan ha bokstaver, sifre, mellomrom og _ . , / -") from None
