"""Persons who may hold rights. A number of a person never stands in an address here. Contract: auth.md 6.2, trap 15.

Name and contact details of a person are what one organisation says of it, and each has its own. The address names no
organisation, so a call is about those in which the caller administrates something (for root that is what spans them):
what it says is said in each, and it is shown what the first of them knows. To all others nobody has that number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from uuid import UUID

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
from schemas.konfigurasjon import PersonEndret
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
    administrated = _administrated(request)
    if not administrated:
        raise NotAllowed("Bare administratorer kan registrere personer")
    for of in administrated:
        await register(request, ny.fnr, of, ny.navn)
    return as_json({"fnr": ny.fnr, "navn": ny.navn})


@routes.post(f"{BASE}/list", demands=manager(legal_basis=True))
async def liste(request: web.Request) -> web.Response:
    """Those of the persons whom the caller's organisations know."""
    asked = read_json(await request.read(), Liste, request.charset)
    found = [known for fnr in asked.fnrs for known in list(_known(request, fnr))[:1]]
    for of in {one.fiks_org_id for one in found}:
        await _told(request, [one.aktor for one in found if one.fiks_org_id == of], owner=of)
    missing = {request.app[PERSONS].actor(fnr) for fnr in asked.fnrs} - {one.aktor for one in found}
    await _told(request, missing, funnet=False)
    return await as_opened(request, [_shown(one) for one in found])


@routes.patch(f"{BASE}/oppdater", demands=manager(legal_basis=True))
async def oppdater(request: web.Request) -> web.Response:
    """Other properties of a person; what is not said stays."""
    endret = read_json(await request.read(), EndretPerson, request.charset)
    known = list(_known(request, endret.fnr))
    if not known:
        await _told(request, [request.app[PERSONS].actor(endret.fnr)], funnet=False)
        raise NotFound("Personen finnes ikke")
    said = msgspec.structs.asdict(endret)
    del said["fnr"]
    for one in known:
        await _told(request, [one.aktor], owner=one.fiks_org_id)
        id_ = person_id(one.fiks_org_id, one.aktor)
        await say(request, PersonEndret(person_id=id_, aktor=one.aktor, fiks_org_id=one.fiks_org_id, **said))
    return await as_opened(request, _shown(next(_known(request, endret.fnr))))


def _administrated(request: web.Request) -> list[UUID]:
    """The organisations in which the caller administrates something by a right that it was given there."""
    memory, holder = request.app[MEMORY], request[PRINCIPAL].holder
    held = ((of, one.rettigheter.get(holder, {})) for of, one in memory.configuration.virksomheter.items())
    return sorted(of for of, on in held if any(memory.may(holder, ADMIN, ressurs_id) for ressurs_id in on))


def _known(request: web.Request, fnr: str) -> Iterator[Person]:
    """The person, as each of the caller's organisations knows it."""
    who, configuration = request.app[PERSONS].actor(fnr), request.app[MEMORY].configuration
    for of in _administrated(request):
        if (person := configuration.person(of, who)) is not None:
            yield person


async def _told(
    request: web.Request, aktorer: Iterable[str], *, funnet: bool = True, owner: UUID | None = None
) -> None:
    await looked_up(request, "konfigurasjon", "kontaktopplysninger", aktorer, funnet=funnet, owner=owner)


def _shown(person: Person) -> dict[str, Any]:
    said = {name: getattr(person, name) for name in ("fnr", "navn", "tittel", "telefon", "epost")}
    return {name: value for name, value in said.items() if value is not None}
