"""Lets a call through to its handler when who calls meets what the route demands, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.auth.callers import Callers
from gateway.auth.demands import ORGANISATION, RESOURCES, Caller, Demand, Way, demand_of, no_id_of, open_to_all
from gateway.auth.memory import MEMORY
from gateway.auth.principal import LEGAL_BASIS, PRINCIPAL, Principal
from infra.masking import masked_text
from schemas.errors import Unreadable
from streams.domain.errors import NotAllowed, NotFound, Rejected

LOVHJEMMEL = "Lovhjemmel"
LONGEST_BASIS = 500
AS = {Caller.FOR_ORGANISATION: "på vegne av en organisasjon", Caller.INTEGRATION_PERSON: "gjennom en integrasjon"}
"""The kinds as which a person may try to call where they cannot."""

_WAYS = web.RequestKey("ways", tuple)
"""The ways in that are still open to the caller."""
_CAUGHT_UP = web.RequestKey("caught_up", bool)
DEMANDED = web.RequestKey("demanded", UUID)
"""``request[DEMANDED]``: the resource on which the privilege that the route demands was asked for."""


def authenticate(callers: Callers) -> Middleware:
    """The middleware that sets ``request[PRINCIPAL]`` and ``request[LEGAL_BASIS]``. The application must have MEMORY.

    Raises NotAuthenticated, NotAllowed, Rejected, Unreadable, and Unavailable while something needed cannot be known.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:  # no such path or method: nobody's route
            return await handler(request)
        demand = demand_of(request.match_info.handler)
        if demand is None:
            raise NotAllowed("Ingen har sagt hvem som kan bruke denne adressen, så ingen kan")
        if demand == open_to_all:
            return await handler(request)
        request.config_dict[MEMORY].require()
        principal = request[PRINCIPAL] = await callers.identify(request, demand)
        if principal.caller is Caller.MANAGER:  # what they look up and change was perhaps made at another gateway
            await caught_up(request)
        if (name := _named(request)) is not None:
            with suppress(NotFound, Unreadable, Rejected):  # that it is none is said once it is known who may ask
                request[DEMANDED] = _resource_id(request, name)
        open_ways = _high_enough(principal, demand)
        await callers.require_authority(principal)
        ways = request[_WAYS] = _with_legal_basis(request, open_ways)
        if any(way.privilege is None for way in ways):
            return await handler(request)
        return await _privileged(request, handler)

    return middleware


def _high_enough(principal: Principal, demand: Demand) -> tuple[Way, ...]:
    if not (ways := demand.of(principal.caller)):
        raise NotAllowed(f"Dette kallet kan ikke gjøres {AS[principal.caller]}")
    level = principal.niva or 0
    enough = tuple(way for way in ways if way.niva is None or way.niva <= level)
    if not enough:
        raise NotAllowed(f"Dette krever innlogging på nivå {min(way.niva or 0 for way in ways)}")
    return enough


def _with_legal_basis(request: web.Request, ways: tuple[Way, ...]) -> tuple[Way, ...]:
    basis = request.headers.get(LOVHJEMMEL, "").strip()
    if basis:
        if not basis.isprintable() or len(basis.encode()) > LONGEST_BASIS:
            raise Unreadable(f"Headeren {LOVHJEMMEL} må være lesbar tekst i UTF-8 på høyst {LONGEST_BASIS} oktetter")
        if masked_text(basis) != basis:
            raise Unreadable(f"Headeren {LOVHJEMMEL} skal nevne loven, og ingen personer: den blir stående i loggen")
        request[LEGAL_BASIS] = basis
        return ways
    without = tuple(way for way in ways if not way.legal_basis)
    if not without:
        missing = f"Oppgi hjemmelen i loven for oppslaget i headeren {LOVHJEMMEL}"
        raise Rejected(missing) from NotAllowed(missing)  # a refusal, which is on the record as such
    return without


async def _privileged(request: web.Request, handler: Handler) -> web.StreamResponse:
    if (name := _named(request)) is not None:
        await _demand_on_named(request, name)
    response = await handler(request)
    if DEMANDED not in request:
        raise RuntimeError(f"the handler of {request.match_info.route.resource} never called demand_on")
    return response


async def _demand_on_named(request: web.Request, name: str) -> None:
    """Demand it on the resource in the address. Raises NotAllowed, and NotFound for who holds the privilege on the
    organisation in the address, and so on all that it has: it has none of that id, whether another has or nobody.
    """
    ressurs_id = _resource_id(request, name)
    try:
        await demand_on_found(request, lambda: ressurs_id, f" på {ressurs_id}")
    except NotAllowed as fault:
        if ORGANISATION in request.match_info and _may(request, _resource_id(request, ORGANISATION)):
            raise NotFound(f"Organisasjonen har ingen ressurs {ressurs_id}") from fault
        raise


async def demand_on(request: web.Request, ressurs_id: UUID) -> None:
    """Demand on ``ressurs_id`` what the route demands; for handlers that find the resource themselves.

    Raises NotAllowed, and says the same of whichever resource it is: which was found would tell what there is.
    """
    await demand_on_found(request, lambda: ressurs_id)


async def demand_on_found(request: web.Request, found: Callable[[], UUID], on: str = "") -> None:
    """The same on the resource that ``found`` tells by the memory, which may know of another once it has read more.
    ``on`` says which it is, where the caller named it.
    """
    moment = request.config_dict[MEMORY].moment
    if not (_may_on(request, found()) or (await _has_moved_on(request, moment) and _may_on(request, found()))):
        raise NotAllowed(f"Mangler privilegiet {' eller '.join(map(_in_words, _privileged_ways(request)))}{on}")


async def caught_up(request: web.Request) -> None:
    """Wait until the memory has all that the log had when the call came. It is waited for once in a call: a broker that
    is silent says no more the second time.
    """
    if _CAUGHT_UP not in request:
        request[_CAUGHT_UP] = True
        await request.config_dict[MEMORY].catch_up()


async def _has_moved_on(request: web.Request, since: int) -> bool:
    """Whether the memory knows more than at that moment, now that it has all that the log had when the call came."""
    await caught_up(request)
    return request.config_dict[MEMORY].moment > since


def _may_on(request: web.Request, ressurs_id: UUID) -> bool:
    request[DEMANDED] = ressurs_id
    return _may(request, ressurs_id)


def _may(request: web.Request, ressurs_id: UUID) -> bool:
    return any(_leads_in(request, way, ressurs_id) for way in _privileged_ways(request))


def _leads_in(request: web.Request, way: Way, ressurs_id: UUID) -> bool:
    memory, principal = request.config_dict[MEMORY], request[PRINCIPAL]
    demanded = ((principal.holder, way.privilege), (principal.actor, way.own))
    return all(memory.may(who, privilege, ressurs_id) for who, privilege in demanded if privilege is not None)


def _privileged_ways(request: web.Request) -> list[Way]:
    return [way for way in request[_WAYS] if way.privilege is not None]


def _in_words(way: Way) -> str:
    if way.own is None:
        return str(way.privilege)
    return f"{way.privilege} for integrasjonen og {way.own} for den som er logget inn"


def _named(request: web.Request) -> str | None:
    """What names the resource in the path, if anything does."""
    return next((name for name in RESOURCES if name in request.match_info), None)


def _resource_id(request: web.Request, name: str) -> UUID:
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise no_id_of(request.match_info.handler)(f"{name} i adressen er ikke en UUID") from None
