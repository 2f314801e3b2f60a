"""Lets a call through to its handler when who calls meets what the route demands, and not otherwise."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.auth.demands import RESOURCES, Caller, Demand, demand_of, open_to_all
from gateway.auth.integrations import Integrations
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.passwords import Passwords
from gateway.auth.principal import PRINCIPAL
from gateway.auth.tokens import Tokens
from streams.domain.errors import NotAllowed, NotAuthenticated, NotFound

_DEMANDED = web.RequestKey("demanded", bool)
"""Whether the privilege that the route demands was asked for on some resource."""


def authenticate(memory: Memory, tokens: Tokens) -> Middleware:
    """The middleware that sets ``request[PRINCIPAL]``. The application must have ``memory`` at ``app[MEMORY]``.

    Raises NotAuthenticated, NotAllowed, and Unavailable while the memory is not ready or a token's key cannot be had.
    """
    integrations = Integrations(memory, tokens, Passwords())

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:  # no such path or method: nobody's route
            return await handler(request)
        demand = demand_of(request.match_info.handler)
        if demand is None:
            raise NotAllowed("Ingen har sagt hvem som kan bruke denne adressen, så ingen kan")
        if demand == open_to_all:
            return await handler(request)
        if not demand.of(Caller.INTEGRATION):
            raise NotAuthenticated("Bare integrasjoner kan logge inn her")
        request[PRINCIPAL] = await integrations.identify(request.headers)
        return await let_through(request, handler, demand)

    return middleware


async def let_through(request: web.Request, handler: Handler, demand: Demand) -> web.StreamResponse:
    """Call the handler for a caller who is known, if it holds what is demanded."""
    if any(way.privilege is None for way in demand.of(request[PRINCIPAL].caller)):
        return await handler(request)
    if (name := next((name for name in RESOURCES if name in request.match_info), None)) is not None:
        demand_on(request, _resource_id(request, name))
    response = await handler(request)
    if not request.get(_DEMANDED):
        raise RuntimeError(f"the handler of {request.match_info.route.resource} never called demand_on")
    return response


def demand_on(request: web.Request, ressurs_id: UUID) -> None:
    """Demand on ``ressurs_id`` what the route demands; for handlers that find the resource themselves.

    Raises NotAllowed, and says the same of a resource that does not exist.
    """
    demand, principal = demand_of(request.match_info.handler), request[PRINCIPAL]
    assert demand is not None
    request[_DEMANDED] = True
    memory = request.config_dict[MEMORY]
    privileges = [way.privilege for way in demand.of(principal.caller) if way.privilege is not None]
    if not any(memory.may(principal.holder, privilege, ressurs_id) for privilege in privileges):
        raise NotAllowed(f"Mangler privilegiet {' eller '.join(privileges)} på {ressurs_id}")


def _resource_id(request: web.Request, name: str) -> UUID:
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound(f"{name} i adressen er ikke en UUID") from None
