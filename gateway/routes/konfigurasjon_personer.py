"""Persons who may hold rights. A number of a person never stands in an address here. Contract: auth.md 6.2, trap 15.

A person is told only to those who administrate an organisation in which that person holds a right, to root, and to
the person; to all others it is as if nobody had that number. Name and contact details are the same in all of them.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway.aktorer import person_id, register
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.persons import PERSONS
from gateway.auth.principal import PRINCIPAL
from gateway.kommando import say
from gateway.lookups import looked_up
from gateway.metadata import Fnr, Text1000, read_json
from gateway.opened import as_opened
from gateway.routes import Routes, as_json
from schemas.konfigurasjon import ROOT, PersonEndret
from streams.domain.configuration import Person
from streams.domain.errors import NotAllowed, NotFound
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/konfigurasjon/api/v1/personer"
AT_ONCE = 100


class NyPerson(Struct, frozen=True):
    """``PersonCreateRequest``."""

    fnr: Fnr
    navn: Text1000


class Liste(Struct, frozen=True):
    """``PersonerGetRequest``."""

    fnrs: Annotated[list[Fnr], Meta(max_length=AT_ONCE)]


class EndretPerson(Struct, frozen=True):
    """``PersonMedFnrUpdateRequest``."""

    fnr: Fnr
    navn: Text1000 | None = None
    tittel: Text1000 | None = None
    telefon: Text1000 | None = None
    epost: Text1000 | None = None


@routes.post(BASE, demands=manager())
async def opprett(request: web.Request) -> web.Response:
    """A person is known from here on. One who was known already stays as it is, and is told by what was said alone."""
    ny = read_json(await request.read(), NyPerson, request.charset)
    _must_administrate_something(request)
    await register(request, ny.fnr, ny.navn)
    return as_json({"fnr": ny.fnr, "navn": ny.navn})


@routes.post(f"{BASE}/list", demands=manager(legal_basis=True))
async def liste(request: web.Request) -> web.Response:
    """Those of the persons that the caller may see."""
    asked = read_json(await request.read(), Liste, request.charset)
    found = [one for fnr in asked.fnrs if (one := _seen(request, fnr))]
    seen, named = {one.aktor for one in found}, {request.app[PERSONS].actor(fnr) for fnr in asked.fnrs}
    await looked_up(request, "konfigurasjon", "kontaktopplysninger", seen)
    await looked_up(request, "konfigurasjon", "kontaktopplysninger", named - seen, funnet=False)
    return await as_opened(request, [_shown(one) for one in found])


@routes.patch(f"{BASE}/oppdater", demands=manager(legal_basis=True))
async def oppdater(request: web.Request) -> web.Response:
    """Other properties of a person; what is not said stays."""
    endret = read_json(await request.read(), EndretPerson, request.charset)
    known = _seen(request, endret.fnr)
    named = request.app[PERSONS].actor(endret.fnr)
    await looked_up(request, "konfigurasjon", "kontaktopplysninger", [named], funnet=known is not None)
    if known is None:
        raise NotFound("Personen finnes ikke")
    said = msgspec.structs.asdict(endret)
    del said["fnr"]
    await say(request, PersonEndret(person_id=person_id(known.aktor), aktor=known.aktor, **said))
    return await as_opened(request, _shown(request.app[MEMORY].configuration.personer[known.aktor]))


def _must_administrate_something(request: web.Request) -> None:
    memory, holder = request.app[MEMORY], request[PRINCIPAL].holder
    held = (one.rettigheter.get(holder, {}) for one in memory.configuration.virksomheter.values())
    if not any(memory.may(holder, ADMIN, ressurs_id) for on in held for ressurs_id in on):
        raise NotAllowed("Bare administratorer kan registrere personer")


def _seen(request: web.Request, fnr: str) -> Person | None:
    """The person, if the caller may see it."""
    memory, holder, who = request.app[MEMORY], request[PRINCIPAL].holder, request.app[PERSONS].actor(fnr)
    if who == holder or memory.may(holder, ADMIN, ROOT):
        return memory.configuration.personer.get(who)
    where = (one.rettigheter[who] for one in memory.configuration.virksomheter.values() if who in one.rettigheter)
    common = any(memory.may(holder, ADMIN, ressurs_id) for on in where for ressurs_id in on)
    return memory.configuration.personer.get(who) if common else None


def _shown(person: Person) -> dict[str, Any]:
    said = {name: getattr(person, name) for name in ("fnr", "navn", "tittel", "telefon", "epost")}
    return {name: value for name, value in said.items() if value is not None}
