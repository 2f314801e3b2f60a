"""The Fullmakt API: whom the caller may act for. Contract: auth.md 5. The misspelling is the contract's.

A person asks Altinn. An organisation may act for itself and for nobody else, be it that it calls by an integration or
that a person, who may, acts for it (``OnBehalfOf``): who may not is refused at the door.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.auth.demands import citizen, for_organisation, integration
from gateway.auth.principal import PRINCIPAL
from gateway.fullmakt import FULLMAKTER, Fullmakt, Type
from gateway.routes import Routes, as_json
from schemas.errors import Unreadable

routes = Routes()

BASE = "/fullmakt/api/v1"
ANYONE_KNOWN = citizen() | for_organisation() | integration()

Aktor = Annotated[str, Meta(pattern=r"\A(?:[0-9]{11}|[0-9]{9})\Z")]
ResourceIds = Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(min_length=1, max_length=1000)]


class ForResources(Struct, rename="camel", frozen=True):
    """On which resources, on behalf of whom."""

    aktor: Aktor
    resource_ids: ResourceIds
    use_cache: bool = True


class ForAllResources(Struct, rename="camel", frozen=True):
    """The same, asked for all of them together."""

    on_behalf_of: Aktor
    resource_ids: ResourceIds


@routes.get(f"{BASE}/alle", demands=ANYONE_KNOWN)
async def everyone(request: web.Request) -> web.Response:
    """The caller, and every organisation that the caller may act for."""
    use_cache = _flag(request, "cache")
    if (orgnr := request[PRINCIPAL].on_whose_behalf) is not None:
        return as_json((await _as_organisation(request, orgnr),))
    return as_json(await request.app[FULLMAKTER].all_for(_pid(request), use_cache))


@routes.get(f"{BASE}/meg", demands=ANYONE_KNOWN)
async def myself(request: web.Request) -> web.Response:
    """The caller, with the name that Altinn knows."""
    if (orgnr := request[PRINCIPAL].on_whose_behalf) is not None:
        return as_json(await _as_organisation(request, orgnr))
    return as_json(await request.app[FULLMAKTER].own(_pid(request)))


@routes.get(f"{BASE}/hasFullmakt", demands=ANYONE_KNOWN)
async def has_fullmakt(request: web.Request) -> web.Response:
    """Whether the caller may act for ``aktor``."""
    use_cache, aktor = _flag(request, "useCache"), _aktor(request)
    if (orgnr := request[PRINCIPAL].on_whose_behalf) is not None:
        return as_json(aktor == orgnr)
    pid = _pid(request)
    return as_json(aktor == pid or await request.app[FULLMAKTER].may_act_for(pid, aktor, use_cache))


@routes.post(f"{BASE}/hasFullmaktForResources", demands=ANYONE_KNOWN)
async def has_fullmakt_for_resources(request: web.Request) -> web.Response:
    """On which of the resources the caller has access on behalf of ``aktor``."""
    asked = await body.json(request, ForResources)
    return as_json({"hasFullmaktForResouce": await _held(request, asked.aktor, asked.resource_ids, asked.use_cache)})


@routes.post(f"{BASE}/hasFullmaktForAllResources", demands=ANYONE_KNOWN)
async def has_fullmakt_for_all_resources(request: web.Request) -> web.Response:
    """Whether the caller has access to all of the resources on behalf of ``onBehalfOf``."""
    asked = await body.json(request, ForAllResources)
    return as_json(all((await _held(request, asked.on_behalf_of, asked.resource_ids)).values()))


async def _held(
    request: web.Request, aktor: str, resource_ids: tuple[str, ...], use_cache: bool = True
) -> dict[str, bool]:
    if request[PRINCIPAL].on_whose_behalf not in (None, aktor):
        return dict.fromkeys(resource_ids, False)
    if request[PRINCIPAL].pid is None:
        return dict.fromkeys(resource_ids, True)
    return await request.app[FULLMAKTER].for_resources(_pid(request), aktor, resource_ids, use_cache)


async def _as_organisation(request: web.Request, orgnr: str) -> Fullmakt:
    """That organisation, with the name that Altinn has of it, if a person who may act for it asks."""
    pid = request[PRINCIPAL].pid
    known = await request.app[FULLMAKTER].all_for(pid) if pid is not None else ()
    return next((one for one in known if one.aktor == orgnr), Fullmakt(orgnr, "", Type.ORGANISASJON))


def _pid(request: web.Request) -> str:
    pid = request[PRINCIPAL].pid
    assert pid is not None  # who calls is a person where it is no organisation
    return pid


def _aktor(request: web.Request) -> str:
    try:
        return msgspec.convert(request.query.get("aktor"), Aktor)
    except msgspec.ValidationError:
        raise Unreadable("aktor må være et fødselsnummer (11 siffer) eller et organisasjonsnummer (9 siffer)") from None


def _flag(request: web.Request, name: str) -> bool:
    given = request.query.get(name, "true").lower()
    if given not in ("true", "false"):
        raise Unreadable(f"{name} må være true eller false")
    return given == "true"
