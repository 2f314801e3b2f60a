"""How this process is: alive, ready for calls, and in numbers."""

from __future__ import annotations

from asyncio import timeout

from aiohttp import web

from gateway.auth.demands import open_to_all
from gateway.auth.memory import MEMORY
from gateway.auth.tokens import TOKENS
from gateway.context import BLOBS, ENDS, TRAFFIC
from gateway.routes import Routes
from infra.metrics import MEMORY_STALENESS, exposition
from streams.domain.errors import Unavailable

routes = Routes()

STORE_PATIENCE = 5.0
"""Seconds for the blob store to tell which it is. What asks whether we are ready waits no longer."""


@routes.get("/healthz", demands=open_to_all)
async def alive(_request: web.Request) -> web.Response:
    """The process answers. It says nothing of what it depends on: restarting it would not help those."""
    return web.Response(text="ok\n")


@routes.get("/readyz", demands=open_to_all)
async def ready(request: web.Request) -> web.Response:
    """Calls may be sent here: the configuration is known, and the issuers' keys, unless those had their time to answer;
    the log and the blob store answer, and we are not about to stop.
    """
    if request.app[TRAFFIC].draining.is_set():
        raise Unavailable("Tjenesten er i ferd med å stoppe")
    request.app[MEMORY].require()
    if not request.app[TOKENS].ready:
        raise Unavailable("Tjenesten starter og har ikke fått nøklene til utstederne av access_token ennå")
    await request.app[ENDS].now()
    try:
        async with timeout(STORE_PATIENCE):
            await request.app[BLOBS].require()
    except TimeoutError as fault:
        raise Unavailable("Lageret svarer ikke. Prøv igjen") from fault
    return web.Response(text="ok\n")


@routes.get("/metrics", demands=open_to_all)
async def metrics(request: web.Request) -> web.Response:
    """All metrics in Prometheus' text format, of all gateway processes that share a folder."""
    MEMORY_STALENESS.set(request.app[MEMORY].staleness)
    body, content_type = exposition()
    return web.Response(body=body, headers={"Content-Type": content_type})
