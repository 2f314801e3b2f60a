"""Lets a call through to its handler when who calls meets what the route demands, and not otherwise."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.auth.demands import Demand, demand_of
from gateway.auth.memory import Memory
from gateway.auth.principal import PRINCIPAL
from gateway.auth.tokens import Tokens
from streams.domain.errors import NotAllowed

MEMORY = web.AppKey("memory", Memory)


def authenticate(memory: Memory, tokens: Tokens) -> Middleware:
    """The middleware that sets ``request[PRINCIPAL]``.

    Raises NotAuthenticated, NotAllowed, and Unavailable while the memory is not ready or a token's key cannot be had.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        raise NotImplementedError

    return middleware


def demand_on(request: web.Request, konto_id: UUID) -> None:
    """Demand what the route demands on ``konto_id``, which the handler found. Raises NotAllowed."""
    raise NotImplementedError
