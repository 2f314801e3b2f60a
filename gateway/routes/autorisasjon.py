"""Who may what: the questions. Contract: auth.md 6.3. Nothing of one organisation is told to another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Annotated, Any, NoReturn
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.aktorer import aktor, must_be_type, must_exist, named
from gateway.auth.demands import Caller, integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import DEMANDED, caught_up, demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.lookups import looked_up
from gateway.metadata import Kode
from gateway.opened import as_opened
from gateway.routes import Routes, as_json
from gateway.tjenester import PRIVILEGIER
from schemas.errors import Unreadable
from schemas.konfigurasjon import ROOT
from streams.domain.configuration import Configuration
from streams.domain.errors import NotAllowed, NotFound
from streams.domain.konfigurasjon import Ressurs
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/autorisasjon-query/api/v1/autorisasjon"
MOST = 1000
"""Rows in an answer, at most."""
DEPTH = re.compile(r"[0-9]{1,9}")
ROT = Ressurs(ROOT, ROOT, "ROOT", "ROOT", (ROOT,))
"""The resource above all others, which lies in no organisation. Who may not administrate it does not see it."""


class Oversikt(Struct, rename="camel", frozen=True):
    """``BulkTilgangOppsummeringRequest``."""

    ressurser: Annotated[list[UUID], Meta(max_length=MOST)]
    privilegium: Kode
    ressurs_type: Kode
    ekskluder_aktorer: list[str] = []


@routes.get(f"{BASE}/isAutorisert", demands=manager() | integration())
async def is_autorisert(request: web.Request) -> web.Response:
    """Whether an actor may: oneself anything, others on what one administrates."""
    try:
        who, ressurs_id = aktor(request, request.query["aktor"]), UUID(request.query["ressurs"])
        privilegium = request.query["privilegium"]
    except (KeyError, ValueError):
        raise Unreadable("Oppgi aktor, privilegium og ressurs i adressen") from None
    await caught_up(request)  # services ask here: what was answered anywhere counts
    request[DEMANDED] = ressurs_id
    if who != request[PRINCIPAL].holder and not _administrates(request, ressurs_id):
        raise NotAllowed(f"Du er ikke administrator for ressursen {ressurs_id}")
    ressurs = _of(request).ressurs(ressurs_id)
    await _told(request, [who], owner=ressurs.fiks_org_id if ressurs else ROOT)
    return as_json(_may(request, who, privilegium, ressurs_id))


@routes.get(f"{BASE}/autorisasjoner", demands=manager() | integration())
async def autorisasjoner(request: web.Request) -> web.Response:
    """The rights of an actor, the caller's own unless another is named, as far as the caller may see them."""
    query, principal = request.query, request[PRINCIPAL]
    holder, called = principal.holder, query.get("aktor", principal.pid or str(principal.integrasjon_id))
    who = aktor(request, called)
    above, deepest = _uuid(query.get("forelderRessurs", str(ROOT))), _number(query.get("maksDybde"))
    inherited = _flag(query.get("arvPrivilegier"))
    found = [
        _autorisasjon(request, called, privilegium, ressurs, niva)
        for ressurs in _below(request, above, deepest)
        if query.get("type") in (None, ressurs.type) and (who == holder or _administrates(request, ressurs.id))
        for privilegium, niva in _held(request, who, ressurs, inherited=inherited)
        if query.get("privilegium") in (None, privilegium)
    ]
    await _told(request, [who], funnet=bool(found))
    return as_json(found[:MOST])


@routes.get(f"{BASE}/ressurser", demands=manager() | integration())
async def ressurser(request: web.Request) -> web.Response:
    """The resources that the caller sees."""
    kind = request.query.get("type")
    return as_json([_ressurs(request, one) for one in _first(_visible(request), kind)])


@routes.post(f"{BASE}/ressurser/oversikt", demands=manager())
async def oversikt(request: web.Request) -> web.Response:
    """How many hold a privilege on each resource, granted on it or on its type."""
    asked = await body.json(request, Oversikt)
    must_exist(asked.privilegium)
    if asked.ressurs_type != ROT.type:
        must_be_type(asked.ressurs_type)
    left_out = {aktor(request, one) for one in asked.ekskluder_aktorer}
    await _told(request, left_out)  # what the count is without them tells what they hold
    counted = []
    for ressurs_id in asked.ressurser:
        if not _administrates(request, ressurs_id) or (ressurs := _known(request, ressurs_id)) is None:
            _hide(request, ressurs_id)
        granted = (*_granted(request, ressurs), *_granted_on_type(request, ressurs))
        held = {
            who for who, what in granted if what == asked.privilegium and _grants_hold(request, who, ressurs)
        } - left_out
        persons = sum(who.startswith("person:") for who in held)
        counted.append(
            {
                "ressurs": ressurs_id,
                "privilegium": asked.privilegium,
                "antallPersoner": persons,
                "antallIntegrasjoner": len(held) - persons,
                "antallEksterneBrukere": 0,
                "antallEksterneGrupper": 0,
                "antallTotalt": len(held),
            }
        )
    return as_json({"ressurser": counted, "type": asked.ressurs_type})


@routes.get(f"{BASE}/ressurser/{{ressurs}}", demands=manager() | integration())
async def ressurs(request: web.Request) -> web.Response:
    """One resource, with the way down to it."""
    return as_json(_ressurs(request, _asked(request)))


@routes.get(f"{BASE}/{{ressurs}}/barn", demands=manager() | integration())
async def barn(request: web.Request) -> web.Response:
    """What lies directly below a resource."""
    kind = request.query.get("type")
    return as_json([_ressurs(request, one) for one in _first(_children(request, _asked(request)), kind)])


@routes.get(f"{BASE}/{{ressurs}}/isLeaf", demands=manager() | integration())
async def is_leaf(request: web.Request) -> web.Response:
    """Whether nothing lies below a resource."""
    return as_json(next(_children(request, _asked(request)), None) is None)


@routes.get(f"{BASE}/ressurser/{{ressursId}}/tilganger", demands=manager(ADMIN))
async def tilganger(request: web.Request) -> web.Response:
    """The rights granted on a resource itself: neither inherited ones nor those on its type."""
    found = _known(request, UUID(request.match_info["ressursId"]))
    owner = found.fiks_org_id if found else ROOT
    who = aktor(request, request.query["aktor"]) if "aktor" in request.query else None
    granted = [(one, what) for one, what in (_granted(request, found) if found else ()) if who in (None, one)]
    shown = {one for one, _ in granted}
    await _told(request, shown or {who or ""}, funnet=bool(shown), owner=owner)
    return await as_opened(
        request, [{"aktor": named(request, one, owner), "privilegium": what} for one, what in granted]
    )


@routes.get(f"{BASE}/typeTilganger", demands=manager(ADMIN))
async def type_tilganger(request: web.Request) -> web.Response:
    """The rights granted on types of resources. They span organisations, so only root sees them."""
    await demand_on(request, ROOT)
    by_type: dict[str, list[dict[str, str]]] = {}
    granted = _of(request).virksomheter[ROOT].typerettigheter
    await _told(request, granted, owner=ROOT)
    for who, held in granted.items():
        for kind, privilegier in held.items():
            rows = ({"aktor": named(request, who, ROOT), "privilegium": one} for one in sorted(privilegier))
            by_type.setdefault(kind, []).extend(rows)
    return await as_opened(
        request, [{"ressursType": kind, "tilganger": rows} for kind, rows in sorted(by_type.items())]
    )


@routes.get(f"{BASE}/synlige", demands=manager() | integration())
async def synlige(request: web.Request) -> web.Response:
    """The resources below ``parent`` on which the caller holds one of the privileges."""
    query = request.query
    wanted, holder = query.getall("privilegier", [ADMIN]), request[PRINCIPAL].holder
    found = [
        {"id": one.id, "type": one.type, "navn": one.navn}
        for one in _below(request, _uuid(query.get("parent", str(ROOT))), None)
        if query.get("ressursType") in (None, one.type) and any(_may(request, holder, what, one.id) for what in wanted)
    ]
    return as_json({"ressurser": found[:MOST]})


async def _told(
    request: web.Request, aktorer: Iterable[str], *, funnet: bool = True, owner: UUID | None = None
) -> None:
    """Rights are data about those who hold them."""
    await looked_up(request, "autorisasjon", "rettigheter", aktorer, funnet=funnet, owner=owner)


def _may(request: web.Request, who: str, privilegium: str, ressurs_id: UUID) -> bool:
    """Whether the actor may. ADMIN contains every privilege there is; what is called otherwise nobody holds."""
    return privilegium in PRIVILEGIER and request.app[MEMORY].may(who, privilegium, ressurs_id)


def _of(request: web.Request) -> Configuration:
    return request.app[MEMORY].configuration


def _known(request: web.Request, ressurs_id: UUID) -> Ressurs | None:
    return ROT if ressurs_id == ROOT else _of(request).ressurs(ressurs_id)


def _administrates(request: web.Request, ressurs_id: UUID) -> bool:
    principal = request[PRINCIPAL]
    return principal.caller is Caller.MANAGER and request.app[MEMORY].may(principal.holder, ADMIN, ressurs_id)


def _visible(request: web.Request) -> Iterator[Ressurs]:
    """What the caller holds a right on, or on something above it, or on its type; ROOT, then by organisation."""
    if _of(request).may(request[PRINCIPAL].holder, ADMIN, ROOT):
        yield ROT
    for fiks_org_id, virksomhet in _of(request).virksomheter.items():
        yield from filter(_sight(request, fiks_org_id), virksomhet.ressurser.values())


def _sight(request: web.Request, fiks_org_id: UUID) -> Callable[[Ressurs], bool]:
    """Which of the organisation's resources the caller sees."""
    configuration, holder = _of(request), request[PRINCIPAL].holder
    if not configuration.sees(holder, fiks_org_id):
        return lambda _: False
    rules = configuration.administrates_by_root(holder, fiks_org_id)
    held = configuration.virksomhet(fiks_org_id).rettigheter.get(holder, {})
    return lambda one: rules or not held.keys().isdisjoint(one.sti) or any(configuration.by_type(holder, one))


def _first(ressurser: Iterable[Ressurs], kind: str | None) -> Iterable[Ressurs]:
    """As many as are shown, of one type where that is asked for."""
    return islice((one for one in ressurser if kind in (None, one.type)), MOST)


def _below(request: web.Request, above: UUID, deepest: int | None) -> Iterator[Ressurs]:
    """What the caller sees at or below a resource, at most so many steps down."""
    for one in _visible(request):
        way = _way_up(one)
        if above in way and (deepest is None or way.index(above) <= deepest):
            yield one


def _asked(request: web.Request) -> Ressurs:
    """The resource in the path. Raises NotFound also where the caller does not see it."""
    ressurs_id = _uuid(request.match_info["ressurs"])
    found = _known(request, ressurs_id)
    if found is ROT and _of(request).may(request[PRINCIPAL].holder, ADMIN, ROOT):
        return ROT
    if found is None or not _sight(request, found.fiks_org_id)(found):
        _hide(request, ressurs_id)
    return found


def _hide(request: web.Request, ressurs_id: UUID) -> NoReturn:
    """There is no such resource for the caller. Raises NotFound: a refusal, which is on the record as such."""
    request[DEMANDED] = ressurs_id
    missing = f"Ressursen {ressurs_id} finnes ikke"
    raise NotFound(missing) from NotAllowed(missing)


def _children(request: web.Request, ressurs: Ressurs) -> Iterator[Ressurs]:
    """What the caller sees directly below: of ROOT the organisations themselves, else resources of the same one."""
    known = _of(request).virksomheter
    if ressurs is ROT:
        tops = (one.ressurser[id_] for id_, one in known.items() if id_ in one.ressurser)
        return (one for one in tops if _sight(request, one.fiks_org_id)(one))
    of = ressurs.fiks_org_id
    return (one for one in filter(_sight(request, of), known[of].ressurser.values()) if one.sti[1:2] == (ressurs.id,))


def _way_up(ressurs: Ressurs) -> tuple[UUID, ...]:
    """The resource itself, what lies above it, and ROOT."""
    return ressurs.sti if ressurs is ROT else (*ressurs.sti, ROOT)


def _granted(request: web.Request, ressurs: Ressurs) -> Iterator[tuple[str, str]]:
    for who, held in _of(request).virksomhet(ressurs.fiks_org_id).rettigheter.items():
        yield from ((who, one) for one in sorted(held.get(ressurs.id, ())))


def _grants_hold(request: web.Request, who: str, ressurs: Ressurs) -> bool:
    return _of(request).grants_hold(who, ressurs.fiks_org_id)


def _granted_on_type(request: web.Request, ressurs: Ressurs) -> Iterator[tuple[str, str]]:
    for who in _of(request).virksomhet(ROOT).typerettigheter:
        for up, held in _of(request).by_type(who, ressurs):
            yield from ((who, one) for one in held if up == 0)


def _held(request: web.Request, who: str, ressurs: Ressurs, *, inherited: bool) -> Iterable[tuple[str, int]]:
    """The privileges of an actor on a resource, each with the level at which it was granted (ROOT is 0). One that is
    granted on a type is granted at each resource of that type.
    """
    if not _grants_hold(request, who, ressurs):
        return ()
    virksomhet, root = _of(request).virksomhet(ressurs.fiks_org_id), _of(request).virksomhet(ROOT)
    granted = [(up, virksomhet.rettigheter.get(who, {}).get(on, frozenset())) for up, on in enumerate(ressurs.sti)]
    if ressurs.id != ROOT and who not in virksomhet.inaktive:
        granted.append((_niva(ressurs), root.rettigheter.get(who, {}).get(ROOT, frozenset())))
    granted += _of(request).by_type(who, ressurs)
    rows = ((one, _niva(ressurs) - up) for up, held in granted if inherited or up == 0 for one in sorted(held))
    return dict.fromkeys(rows)


def _niva(ressurs: Ressurs) -> int:
    """How far below ROOT a resource lies."""
    return len(_way_up(ressurs)) - 1


def _autorisasjon(request: web.Request, called: str, privilegium: str, ressurs: Ressurs, niva: int) -> dict[str, Any]:
    return {
        "aktor": called,
        "privilegium": privilegium,
        "privilegiumNiva": niva,
        "ressurs": ressurs.id,
        "ressursNiva": _niva(ressurs),
        "ressursNavn": ressurs.navn,
        "type": ressurs.type,
        "path": _path(request, ressurs),
    }


def _ressurs(request: web.Request, ressurs: Ressurs) -> dict[str, Any]:
    return {"id": ressurs.id, "type": ressurs.type, "navn": ressurs.navn, "path": _path(request, ressurs)}


def _path(request: web.Request, ressurs: Ressurs) -> list[dict[str, Any]]:
    known = _of(request).virksomhet(ressurs.fiks_org_id).ressurser
    above = (known[one] for one in reversed(ressurs.sti) if one in known)
    return [{"id": one.id, "type": one.type, "navn": one.navn} for one in above]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Unreadable("Id-en til ressursen er ikke en UUID") from None


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not DEPTH.fullmatch(text):
        raise Unreadable("maksDybde må være et helt tall fra 0")
    return int(text)


def _flag(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise Unreadable("arvPrivilegier må være true eller false")
    return text == "true"
