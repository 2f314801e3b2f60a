"""Persons who may hold rights. Contract: auth.md 6.2. Two addresses hold a number, as the contract has them; those with
a body are for whoever can use them (trap 15).

What an organisation says about a person is that organisation's own: it is read and changed by those who administrate
the organisation, or something in it on which that person holds a right, and read by the person. The contract's calls
name no organisation (``ROOT`` counts as one, for root operators). What is said is said where the person is known, and
of one who is not, in all that the caller administrates; ``fiksOrgId`` in the query, which is ours, names one of them.
A person whom several of them know is told as each of them knows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.persons import PERSONS
from gateway.auth.principal import PRINCIPAL
from gateway.digital_id import Kind, kind_of
from gateway.lookups import looked_up
from gateway.metadata import NUMBERS, EpostOrNone, Fodselsnummer, Name, Text1000
from gateway.opened import as_opened
from gateway.personer import say_of_person
from gateway.routes import Routes
from schemas.errors import Unreadable
from schemas.konfigurasjon import ROOT
from schemas.konfigurasjon_commands import ChangePerson, CreatePerson
from streams.domain.errors import NotAllowed, NotFound, Rejected
from streams.domain.personer import Person
from streams.domain.rettigheter import ADMIN, administrates_person, administrates_something

routes = Routes()

BASE = "/konfigurasjon/api/v1/personer"
ORGANISATION = "fiksOrgId"
"""The name in the query of the organisation that says it."""
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


class Endring(Struct, frozen=True):
    """``PersonUpdateRequest``. An empty text takes away what was said."""

    navn: Name | None = None
    tittel: Text1000 | None = None
    telefon: Text1000 | None = None
    epost: EpostOrNone | None = None


class EndretPerson(Endring, frozen=True, kw_only=True):
    """``PersonMedFnrUpdateRequest``."""

    fnr: Fodselsnummer


@routes.post(BASE, demands=manager())
async def opprett(request: web.Request) -> web.Response:
    """A person is known by this name from here on. Where another name was kept, it is this that is kept now.

    An administrator of a part of an organisation is not told whether that knows the person already: the answer is the
    same, the same is put on the log, and what the organisation says stays. That it was asked is on the record.
    """
    ny = await body.json(request, NyPerson)
    who, administered = request.app[PERSONS].actor(ny.fnr), _administered(request)
    if not administered:
        raise NotAllowed("Bare administratorer kan registrere personer")
    known = {one.fiks_org_id: one for of in administered if (one := _person(request, of, who))}
    own = [of for of, one in known.items() if _administrates(request, one)]
    for of in administered:
        if of not in own and not request.app[MEMORY].may(request[PRINCIPAL].holder, ADMIN, of):
            await looked_up(request, *LOOKUP, [who], owner=of, funnet=of in known)
    said_in = own or administered
    for of in said_in:
        if of in own:
            await say_of_person(request, ChangePerson, of, who, navn=ny.navn)
        else:  # of whom it knows, the number alone: that fills nothing in
            navn = None if of in known else ny.navn
            await say_of_person(request, CreatePerson, of, who, fnr=ny.fnr, navn=navn)
    kept = _person(request, said_in[0], who)
    navn = kept.navn if kept and _administrates(request, kept) else ny.navn
    return await as_opened(request, {"fnr": ny.fnr, "navn": navn})


@routes.get(BASE, demands=manager(legal_basis=True))
async def hent(request: web.Request) -> web.Response:
    """The same as ``liste``, with the numbers in the query."""
    fnrs = request.query.getall("fnr", [])
    if len(fnrs) > AT_ONCE:
        raise Rejected(f"Det kan spørres om høyst {AT_ONCE} personer om gangen")
    return await _told(request, [_number(one) for one in fnrs])


@routes.post(f"{BASE}/list", demands=manager(legal_basis=True))
async def liste(request: web.Request) -> web.Response:
    """Those of the persons that the caller may see."""
    return await _told(request, (await body.json(request, Liste)).fnrs)


@routes.patch(f"{BASE}/oppdater", demands=manager(legal_basis=True))
async def oppdater(request: web.Request) -> web.Response:
    """Other properties of a person; what is not said stays."""
    endret = await body.json(request, EndretPerson)
    return await _changed(request, endret.fnr, endret, _own(request, endret.fnr))


@routes.patch(f"{BASE}/{{fnr}}", demands=manager(legal_basis=True))
async def endre(request: web.Request) -> web.Response:
    """The same, with the number in the address."""
    fnr = _number(request.match_info["fnr"])
    endret = await body.json(request, Endring)
    return await _changed(request, fnr, endret, _own(request, fnr))


@routes.patch("/konfigurasjon/api/v1/root/personer/{fnr}", demands=manager(ADMIN, legal_basis=True))
async def endre_som_root(request: web.Request) -> web.Response:
    """Other properties of a root operator, as ROOT knows it. What organisations say is not root's to change."""
    await demand_on(request, ROOT)
    fnr = _number(request.match_info["fnr"])
    endret = await body.json(request, Endring)
    known = _person(request, ROOT, request.app[PERSONS].actor(fnr))
    return await _changed(request, fnr, endret, [known] if known else [])


async def _told(request: web.Request, fnrs: Iterable[str]) -> web.Response:
    """The persons of these numbers, as each organisation whose word the caller may read knows them."""
    asked = dict.fromkeys(fnrs)
    found = [(one, fnr) for fnr in asked for one in _seen(request, fnr)]
    for of in {one.fiks_org_id for one, _ in found}:
        await looked_up(request, *LOOKUP, [one.aktor for one, _ in found if one.fiks_org_id == of], owner=of)
    missing = {request.app[PERSONS].actor(fnr) for fnr in asked} - {one.aktor for one, _ in found}
    await looked_up(request, *LOOKUP, missing, funnet=False)
    return await as_opened(request, [_shown(one, fnr) for one, fnr in found])


async def _changed(request: web.Request, fnr: str, endret: Endring, known: list[Person]) -> web.Response:
    """Say it in each organisation that knows the person so. Raises NotFound where none does."""
    if not known:
        await looked_up(request, *LOOKUP, [request.app[PERSONS].actor(fnr)], funnet=False)
        raise NotFound("Personen finnes ikke")
    said = {name: text for name in CHANGED if (text := getattr(endret, name)) is not None}
    for one in known:
        await looked_up(request, *LOOKUP, [one.aktor], owner=one.fiks_org_id)
        if said:
            await say_of_person(request, ChangePerson, one.fiks_org_id, one.aktor, **said)
    now = _person(request, known[0].fiks_org_id, known[0].aktor)
    return await as_opened(request, _shown(now or known[0], fnr))


def _administered(request: web.Request) -> list[UUID]:
    """The organisations in which the caller may give rights, by a right in that organisation's own stream; the named
    one alone where the caller names one.
    """
    virksomheter, holder = request.app[MEMORY].configuration.virksomheter, request[PRINCIPAL].holder
    named = _named(request)
    administered = sorted(id_ for id_, one in virksomheter.items() if administrates_something(one, holder))
    return [id_ for id_ in administered if named in (None, id_)]


def _named(request: web.Request) -> UUID | None:
    """The organisation that the caller names. Raises Unreadable for what is no id."""
    try:
        return UUID(named) if (named := request.query.get(ORGANISATION)) is not None else None
    except ValueError:
        raise Unreadable(f"{ORGANISATION} i adressen er ikke en UUID") from None


def _number(said: str) -> str:
    """A number in the address. Raises Unreadable, which never repeats it."""
    if kind_of(said) is not Kind.PERSON:
        raise Unreadable(f"Nummeret i adressen er ikke et gyldig {NUMBERS[Kind.PERSON]}")
    return said


def _person(request: web.Request, of: UUID, who: str) -> Person | None:
    return request.app[MEMORY].configuration.person(of, who)


def _administrates(request: web.Request, person: Person) -> bool:
    virksomhet = request.app[MEMORY].configuration.virksomhet(person.fiks_org_id)
    return administrates_person(virksomhet, person.fiks_org_id, request[PRINCIPAL].holder, person.aktor)


def _own(request: web.Request, fnr: str) -> list[Person]:
    """The person, as each organisation knows it whose word the caller may change, and names, if it names one."""
    named = _named(request)
    return [one for one in _seen(request, fnr) if named in (None, one.fiks_org_id) and _administrates(request, one)]


def _seen(request: web.Request, fnr: str) -> list[Person]:
    """The person, as each organisation knows it whose word the caller may read."""
    who = request.app[PERSONS].actor(fnr)
    known = request.app[MEMORY].configuration.personer.knowing(who)
    return [one for one in known if who == request[PRINCIPAL].person or _administrates(request, one)]


def _shown(person: Person, fnr: str) -> dict[str, str]:
    """What is said of the person whose number the caller gave."""
    said = ((name, getattr(person, name)) for name in CHANGED)
    return {"fnr": fnr} | {name: text for name, text in said if text is not None}
