"""Lets a call through to its handler when who calls meets what the route demands, and not otherwise."""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.auth.demands import KONTO, Caller, Demand, demand_of
from gateway.auth.integrations import Integrations
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.passwords import Passwords
from gateway.auth.principal import PRINCIPAL, Principal
from gateway.auth.tokens import Tokens
from streams.domain.errors import NotAllowed, NotFound

_DEMANDED = web.RequestKey("demanded", bool)
"""Whether the privilege that the route demands was asked for on some account."""


def authenticate(memory: Memory, tokens: Tokens) -> Middleware:
    """The middleware that sets ``request[PRINCIPAL]``. The application must have ``memory`` at ``app[MEMORY]``.

    Raises NotAuthenticated, NotAllowed, and Unavailable while the memory is not ready or a token's key cannot be had.
    """
    integrations = Integrations(memory, tokens, Passwords())

    async def identify(request: web.Request, demand: Demand) -> Principal | None:
        match demand.caller:
            case Caller.ANYONE:
                return None
            case Caller.INTEGRATION:
                return await integrations.identify(request.headers)
            case _:
                assert_never(demand.caller)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:  # no such path or method: nobody's route
            return await handler(request)
        demand = demand_of(request.match_info.handler)
        if demand is None:
            raise NotAllowed("Ingen har sagt hvem som kan bruke denne adressen, så ingen kan")
        if (principal := await identify(request, demand)) is not None:
            request[PRINCIPAL] = principal
        if demand.privilege is None:
            return await handler(request)
        return await _privileged(request, handler)

    return middleware


async def _privileged(request: web.Request, handler: Handler) -> web.StreamResponse:
    if KONTO in request.match_info:
        demand_on(request, _konto_id(request))
    response = await handler(request)
    if not request.get(_DEMANDED):
        raise RuntimeError(f"the handler of {request.match_info.route.resource} never called demand_on")
    return response


def demand_on(request: web.Request, konto_id: UUID) -> None:
    """Demand on ``konto_id`` what the route demands; for handlers that find the account themselves.

    Raises NotAllowed, and says the same of an account that does not exist.
    """
    demand, principal = demand_of(request.match_info.handler), request[PRINCIPAL]
    assert demand is not None and demand.privilege is not None
    request[_DEMANDED] = True
    if not request.config_dict[MEMORY].may(principal.actor, demand.privilege, konto_id):
        raise NotAllowed(f"Integrasjonen har ikke privilegiet {demand.privilege} på kontoen {konto_id}")


def _konto_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info[KONTO])
    except ValueError:
        raise NotFound("Kontoens id er ikke en UUID") from None
