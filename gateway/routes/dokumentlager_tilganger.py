"""Who administrates and who uses an account of Dokumentlager. Contract: dokumentlager.md 3.2.

An administrator holds ADMIN on the account itself, a user the right to upload. So a user who may not upload is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from aiohttp import web
from msgspec import Struct

from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.dokumentlager import BASE, LAST_OPP, konto_in, open_konto_in, uuid_in
from gateway.kommando import decide
from gateway.metadata import read_json
from gateway.personer import opened
from gateway.routes import Routes, as_json
from schemas.konfigurasjon_commands import GrantPrivilegium, RevokePrivilegium
from streams.domain.errors import NotFound
from streams.domain.konfigurasjon import Ressurs
from streams.domain.personer import Person
from streams.domain.rettigheter import ADMIN

routes = Routes()

KONTO = f"{BASE}/organisasjoner/{{fiksOrgId}}/kontoer/{{kontoId}}"


class Tilganger(Struct, rename="camel", frozen=True):
    """``DokumentlagerTilganger``."""

    kan_laste_opp: bool


class Endring(Struct, frozen=True):
    """``EndreTilgangerRequest``."""

    tilganger: Tilganger


@routes.get(f"{KONTO}/administratorer", demands=manager(ADMIN))
async def administratorer(request: web.Request) -> web.Response:
    """Who administrates the account by a right on itself."""
    return as_json({"administratorer": await _shown(request, ADMIN)})


@routes.post(f"{KONTO}/administratorer/{{personId}}", demands=manager(ADMIN))
async def ny_administrator(request: web.Request) -> web.Response:
    """Somebody may administrate it."""
    return await _change(request, GrantPrivilegium, ADMIN)


@routes.delete(f"{KONTO}/administratorer/{{personId}}", demands=manager(ADMIN))
async def fjern_administrator(request: web.Request) -> web.Response:
    """Somebody may administrate it no more."""
    return await _change(request, RevokePrivilegium, ADMIN)


@routes.get(f"{KONTO}/brukere", demands=manager(ADMIN))
async def brukere(request: web.Request) -> web.Response:
    """Who uses the account by a right on itself."""
    tilganger = {"tilganger": {"kanLasteOpp": True}}
    return as_json({"brukere": [one | tilganger for one in await _shown(request, LAST_OPP)]})


@routes.post(f"{KONTO}/brukere/{{personId}}", demands=manager(ADMIN))
async def ny_bruker(request: web.Request) -> web.Response:
    """Somebody may upload, or may not."""
    tilganger = read_json(await request.read(), Endring, request.charset).tilganger
    return await _change(request, GrantPrivilegium if tilganger.kan_laste_opp else RevokePrivilegium, LAST_OPP)


@routes.delete(f"{KONTO}/brukere/{{personId}}", demands=manager(ADMIN))
async def fjern_bruker(request: web.Request) -> web.Response:
    """Somebody uses it no more."""
    return await _change(request, RevokePrivilegium, LAST_OPP)


async def _change(request: web.Request, command: type, privilegium: str) -> web.Response:
    konto = open_konto_in(request)
    person = _person(request, konto.fiks_org_id)
    says = {"aktor": person.aktor, "ressurs_id": konto.id, "privilegium": privilegium}
    await decide(request, command, of=konto.fiks_org_id, **says)
    return web.Response()


async def _shown(request: web.Request, privilegium: str) -> list[dict[str, Any]]:
    """Who holds it on the account, as the organisation knows them."""
    holders = list(_holders(request, privilegium))
    said = await opened(request, holders)
    return [{"personId": one.id, "navn": texts.get("navn", "")} for one, texts in zip(holders, said, strict=True)]


def _holders(request: web.Request, privilegium: str) -> Iterator[Person]:
    konto: Ressurs = konto_in(request)
    configuration = request.app[MEMORY].configuration
    for aktor, held in configuration.virksomhet(konto.fiks_org_id).rettigheter.items():
        person = configuration.personer.person(konto.fiks_org_id, aktor)
        if privilegium in held.get(konto.id, ()) and person is not None:
            yield person


def _person(request: web.Request, of: UUID) -> Person:
    """The person in the address, as the organisation knows it. Raises NotFound."""
    wanted: UUID = uuid_in(request, "personId")
    for one in request.app[MEMORY].configuration.personer.known_in(of):
        if one.id == wanted:
            return one
    raise NotFound(f"Personen {wanted} finnes ikke")
