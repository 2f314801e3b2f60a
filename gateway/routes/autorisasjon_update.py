"""Granting and revoking, and the resources on which. Contract: auth.md 6.3; success codes are exact."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.aktorer import aktor, must_be_type, must_exist, receiver, switched
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.kommando import decide
from gateway.metadata import NOT_BLANK, Kode
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.errors import Unreadable
from schemas.konfigurasjon import ROOT
from schemas.konfigurasjon_commands import (
    ActivateAktor,
    CreateRessurs,
    DeactivateAktor,
    GrantPrivilegium,
    GrantTypePrivilegium,
    RenameRessurs,
    RevokePrivilegium,
    RevokeTypePrivilegium,
)
from streams.domain.konfigurasjon import ORGANISASJON
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/autorisasjon-update/api/v1"
RESSURS = f"{BASE}/ressurs/{{ressursId}}"
TYPE = f"{BASE}/typeTilganger/{{ressursType}}/tilganger"

Ressursnavn = Annotated[str, Meta(pattern=NOT_BLANK, min_length=2, max_length=200)]


class NyRessurs(Struct, rename="camel", frozen=True):
    """``OpprettRessursRequest``."""

    forelder_ressurs: UUID
    type: Kode
    navn: Ressursnavn


class Navn(Struct, frozen=True):
    """``OppdaterRessursRequest``."""

    navn: Ressursnavn


class Tilgang(Struct, frozen=True):
    """``TilgangRequest``."""

    aktor: str
    privilegium: Kode


class Aktiv(Struct, frozen=True):
    """``OppdaterAktorRequest``."""

    aktiv: bool


@routes.post(f"{BASE}/ressurs", demands=manager(ADMIN))
async def opprett(request: web.Request) -> web.Response:
    """A new resource below one that the caller administrates."""
    ny = await body.json(request, NyRessurs)
    await demand_on(request, ny.forelder_ressurs)
    _must_be_made(ny.type)
    says = {"ressurs_id": new_uuid(), "forelder_id": ny.forelder_ressurs, "type": ny.type, "navn": ny.navn}
    made = await decide(request, CreateRessurs, of=_owner(request, ny.forelder_ressurs), **says)
    said = {"id": made.ressurs_id, "forelder": made.forelder_id, "type": made.type, "navn": made.navn}
    return as_json(said, status=201)


@routes.patch(RESSURS, demands=manager(ADMIN))
async def endre(request: web.Request) -> web.Response:
    """Another name for a resource."""
    navn = (await body.json(request, Navn)).navn
    ressurs_id = _ressurs_id(request)
    await decide(request, RenameRessurs, of=_owner(request, ressurs_id), ressurs_id=ressurs_id, navn=navn)
    return web.Response()


@routes.post(f"{RESSURS}/tilganger", demands=manager(ADMIN))
async def tildel(request: web.Request) -> web.Response:
    """Give a right."""
    tilgang = await body.json(request, Tilgang)
    ressurs_id = _ressurs_id(request)
    owner, kind = _owner(request, ressurs_id), _type_of(request, ressurs_id)
    who = await receiver(request, tilgang.aktor, tilgang.privilegium, owner, ressurs_id, kind)
    says = {"aktor": who, "ressurs_id": ressurs_id, "privilegium": tilgang.privilegium}
    await decide(request, GrantPrivilegium, of=owner, **says)
    return as_json({"aktor": tilgang.aktor, "privilegium": tilgang.privilegium, "ressurs": ressurs_id})


@routes.delete(f"{RESSURS}/tilganger", demands=manager(ADMIN))
async def trekk_tilbake(request: web.Request) -> web.Response:
    """Take a right back."""
    ressurs_id, tilgang = _ressurs_id(request), _asked(request)
    says = {"aktor": aktor(request, tilgang.aktor), "ressurs_id": ressurs_id, "privilegium": tilgang.privilegium}
    await decide(request, RevokePrivilegium, of=_owner(request, ressurs_id), **says)
    return web.Response()


@routes.post(TYPE, demands=manager(ADMIN))
async def tildel_type(request: web.Request) -> web.Response:
    """Give a right on all resources of a type."""
    await demand_on(request, ROOT)
    tilgang = await body.json(request, Tilgang)
    kind = _type(request)
    who = await receiver(request, tilgang.aktor, tilgang.privilegium, ROOT, ROOT, kind)
    says = {"aktor": who, "ressurstype": kind, "privilegium": tilgang.privilegium}
    await decide(request, GrantTypePrivilegium, of=ROOT, **says)
    return as_json({"aktor": tilgang.aktor, "ressursType": kind, "privilegium": tilgang.privilegium})


@routes.post(f"{TYPE}/delete", demands=manager(ADMIN))
async def trekk_tilbake_type(request: web.Request) -> web.Response:
    """Take a right on a type back."""
    await demand_on(request, ROOT)
    tilgang = await body.json(request, Tilgang)
    must_exist(tilgang.privilegium)
    says = {"aktor": aktor(request, tilgang.aktor), "ressurstype": _type(request), "privilegium": tilgang.privilegium}
    await decide(request, RevokeTypePrivilegium, of=ROOT, **says)
    return web.Response()


@routes.patch(f"{BASE}/fiksorgs/{{fiksOrgId}}/aktorer/{{aktor}}", demands=manager(ADMIN))
async def sla_av_eller_pa(request: web.Request) -> web.Response:
    """Switch an actor on or off in an organisation. The success code 201 is the contract's."""
    aktiv = (await body.json(request, Aktiv)).aktiv
    named = request.match_info["aktor"]
    of = UUID(request.match_info["fiksOrgId"])
    await decide(request, ActivateAktor if aktiv else DeactivateAktor, of=of, aktor=switched(request, named, of))
    return as_json({"id": named, "aktiv": aktiv}, status=201)


def _ressurs_id(request: web.Request) -> UUID:
    return UUID(request.match_info["ressursId"])


def _owner(request: web.Request, ressurs_id: UUID) -> UUID:
    """The organisation whose stream the resource is in; that the caller may ask about it was demanded."""
    ressurs = request.app[MEMORY].configuration.ressurs(ressurs_id)
    return ressurs.fiks_org_id if ressurs else ROOT


def _type_of(request: web.Request, ressurs_id: UUID) -> str:
    """The type of the resource; that the caller may ask about it was demanded, so what is not known is ROOT."""
    ressurs = request.app[MEMORY].configuration.ressurs(ressurs_id)
    return ressurs.type if ressurs else "ROOT"


def _must_be_made(kind: str) -> None:
    """Raises Unreadable for a type that no resource below another can have."""
    must_be_type(kind)
    if kind == ORGANISASJON:
        raise Unreadable("En organisasjon kan ikke opprettes under en annen ressurs")


def _type(request: web.Request) -> str:
    kind = request.match_info["ressursType"]
    must_be_type(kind)
    return kind


def _asked(request: web.Request) -> Tilgang:
    try:
        asked = msgspec.convert(dict(request.query), Tilgang)
    except msgspec.ValidationError:
        raise Unreadable("Oppgi aktor og privilegium i adressen") from None
    must_exist(asked.privilegium)
    return asked
