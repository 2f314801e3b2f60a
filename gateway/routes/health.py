"""How this process is: alive, ready for calls, and in numbers."""

from __future__ import annotations

from aiohttp import web

from gateway.auth.demands import open_to_all
from gateway.auth.memory import MEMORY
from gateway.auth.tokens import TOKENS
from gateway.context import BLOBS, ENDS, TRAFFIC
from gateway.routes import Routes
from infra.metrics import MEMORY_STALENESS, exposition
from streams.domain.errors import Unavailable

routes = Routes()


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
    await request.app[BLOBS].require()
    return web.Response(text="ok\n")


@routes.get("/metrics", demands=open_to_all)
async def metrics(request: web.Request) -> web.Response:
    """All metrics in Prometheus' text format, of all gateway processes that share a folder."""
    MEMORY_STALENESS.set(request.app[MEMORY].staleness)
    body, content_type = exposition()
    return web.Response(body=body, headers={"Content-Type": content_type})
