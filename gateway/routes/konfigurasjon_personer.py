"""Persons who may hold rights. A number of a person never stands in an address here. Contract: auth.md 6.2, trap 15.

What an organisation says about a person is that organisation's own: it is read and changed by those who administrate
the organisation, or something in it on which that person holds a right, and read by the person. These addresses name
no organisation, so they are about each that the caller administrates (``ROOT`` is one of them, for root operators):
what is said is said in each, and a person whom several of them know is told as each of them knows it.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.persons import PERSONS
from gateway.auth.principal import PRINCIPAL
from gateway.lookups import looked_up
from gateway.metadata import EpostOrNone, Fodselsnummer, Name, Text1000, read_json
from gateway.opened import as_opened
from gateway.personer import say_of_person
from gateway.routes import Routes, as_json
from schemas.konfigurasjon_commands import ChangePerson, CreatePerson
from streams.domain.errors import NotAllowed, NotFound
from streams.domain.personer import Person
from streams.domain.rettigheter import administrates_person, administrates_something

routes = Routes()

BASE = "/konfigurasjon/api/v1/personer"
AT_ONCE = 100
LOOKUP = ("konfigurasjon", "kontaktopplysninger")
CHANGED = ("navn", "tittel", "telefon", "epost")
"""What is said of a person besides the number, which stays."""


class NyPerson(Struct, frozen=True):
    """``PersonCreateRequest``."""

    fnr: Fodselsnummer
    navn: Name


class Liste(Struct, frozen=True):
    """``PersonerGetRequest``."""

    fnrs: Annotated[list[Fodselsnummer], Meta(max_length=AT_ONCE)]


class EndretPerson(Struct, frozen=True):
    """``PersonMedFnrUpdateRequest``. An empty text takes away what was said."""

    fnr: Fodselsnummer
    navn: Name | None = None
    tittel: Text1000 | None = None
    telefon: Text1000 | None = None
    epost: EpostOrNone | None = None


@routes.post(BASE, demands=manager())
async def opprett(request: web.Request) -> web.Response:
    """A person is known from here on. What was said before stays as it is, and the answer tells what was said now."""
    ny = read_json(await request.read(), NyPerson, request.charset)
    who = request.app[PERSONS].actor(ny.fnr)
    administered = _administered(request)
    if not administered:
        raise NotAllowed("Bare administratorer kan registrere personer")
    for of in administered:
        await say_of_person(request, CreatePerson, of, who, fnr=ny.fnr, navn=ny.navn)
    return as_json({"fnr": ny.fnr, "navn": ny.navn})


@routes.post(f"{BASE}/list", demands=manager(legal_basis=True))
async def liste(request: web.Request) -> web.Response:
    """Those of the persons that the caller may see."""
    asked = read_json(await request.read(), Liste, request.charset)
    found = [(one, fnr) for fnr in dict.fromkeys(asked.fnrs) for one in _seen(request, fnr)]
    for of in {one.fiks_org_id for one, _ in found}:
        await looked_up(request, *LOOKUP, [one.aktor for one, _ in found if one.fiks_org_id == of], owner=of)
    missing = {request.app[PERSONS].actor(fnr) for fnr in asked.fnrs} - {one.aktor for one, _ in found}
    await looked_up(request, *LOOKUP, missing, funnet=False)
    return await as_opened(request, [_shown(one, fnr) for one, fnr in found])


@routes.patch(f"{BASE}/oppdater", demands=manager(legal_basis=True))
async def oppdater(request: web.Request) -> web.Response:
    """Other properties of a person; what is not said stays."""
    endret = read_json(await request.read(), EndretPerson, request.charset)
    known = [one for one in _seen(request, endret.fnr) if _administrates(request, one)]
    if not known:
        await looked_up(request, *LOOKUP, [request.app[PERSONS].actor(endret.fnr)], funnet=False)
        raise NotFound("Personen finnes ikke")
    said = {name: text for name in CHANGED if (text := getattr(endret, name)) is not None}
    for one in known:
        await looked_up(request, *LOOKUP, [one.aktor], owner=one.fiks_org_id)
        if said:
            await say_of_person(request, ChangePerson, one.fiks_org_id, one.aktor, **said)
    now = request.app[MEMORY].configuration.person(known[0].fiks_org_id, known[0].aktor)
    return await as_opened(request, _shown(now or known[0], endret.fnr))


def _administered(request: web.Request) -> list[UUID]:
    """The organisations in which the caller may give rights, by a right in that organisation's own stream."""
    virksomheter, holder = request.app[MEMORY].configuration.virksomheter, request[PRINCIPAL].holder
    return sorted(id_ for id_, one in virksomheter.items() if administrates_something(one, holder))


def _administrates(request: web.Request, person: Person) -> bool:
    virksomhet = request.app[MEMORY].configuration.virksomhet(person.fiks_org_id)
    return administrates_person(virksomhet, person.fiks_org_id, request[PRINCIPAL].holder, person.aktor)


def _seen(request: web.Request, fnr: str) -> list[Person]:
    """The person, as each organisation knows it whose word the caller may read."""
    who = request.app[PERSONS].actor(fnr)
    known = request.app[MEMORY].configuration.personer.knowing(who)
    return [one for one in known if who == request[PRINCIPAL].person or _administrates(request, one)]


def _shown(person: Person, fnr: str) -> dict[str, str]:
    """What is said of the person whose number the caller gave."""
    said = ((name, getattr(person, name)) for name in CHANGED)
    return {"fnr": fnr} | {name: text for name, text in said if text is not None}
