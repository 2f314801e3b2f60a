"""Who administrates and who uses an account of Dokumentlager. Contract: dokumentlager.md 3.2.

An administrator holds ADMIN on the account itself, a user the right to upload. So a user who may not upload is none.
Who they are is data about persons: it is told as a look-up before it is shown.
"""

from __future__ import annotations

from uuid import UUID

from aiohttp import web
from msgspec import Struct

from gateway import body
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.dokumentlager import BASE, LAST_OPP, konto_in, open_konto_in, uuid_in
from gateway.kommando import decide
from gateway.lookups import looked_up
from gateway.opened import as_opened
from gateway.routes import Routes
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
    known = [{"navn": one.navn, "personId": one.id} for one in await _holders(request, ADMIN)]
    return await as_opened(request, {"administratorer": known})


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
    tilganger = {"kanLasteOpp": True}
    found = await _holders(request, LAST_OPP)
    known = [{"personId": one.id, "navn": one.navn, "tilganger": tilganger} for one in found]
    return await as_opened(request, {"brukere": known})


@routes.post(f"{KONTO}/brukere/{{personId}}", demands=manager(ADMIN))
async def ny_bruker(request: web.Request) -> web.Response:
    """Somebody may upload, or may not."""
    tilganger = (await body.json(request, Endring)).tilganger
    return await _change(request, GrantPrivilegium if tilganger.kan_laste_opp else RevokePrivilegium, LAST_OPP)


@routes.delete(f"{KONTO}/brukere/{{personId}}", demands=manager(ADMIN))
async def fjern_bruker(request: web.Request) -> web.Response:
    """Somebody uses it no more."""
    return await _change(request, RevokePrivilegium, LAST_OPP)


async def _change(request: web.Request, command: type, privilegium: str) -> web.Response:
    konto, person = open_konto_in(request), _person(request)
    says = {"aktor": person.aktor, "ressurs_id": konto.id, "privilegium": privilegium}
    await decide(request, command, of=konto.fiks_org_id, **says)
    return web.Response()


async def _holders(request: web.Request, privilegium: str) -> list[Person]:
    """The persons who hold the privilege on the account in the address, to be shown to the caller."""
    konto: Ressurs = konto_in(request)
    configuration = request.app[MEMORY].configuration
    granted = configuration.virksomhet(konto.fiks_org_id).rettigheter.items()
    holding = [aktor for aktor, held in granted if privilegium in held.get(konto.id, ())]
    found = [one for aktor in holding if (one := configuration.person(konto.fiks_org_id, aktor)) is not None]
    shown = [one.aktor for one in found]
    await looked_up(request, "dokumentlager", "rettigheter", shown, owner=konto.fiks_org_id)
    return found


def _person(request: web.Request) -> Person:
    """The person in the address, whom the organisation must know. Raises NotFound."""
    wanted: UUID = uuid_in(request, "personId")
    for one in request.app[MEMORY].configuration.personer.known_in(konto_in(request).fiks_org_id):
        if one.id == wanted:
            return one
    raise NotFound(f"Personen {wanted} finnes ikke")
