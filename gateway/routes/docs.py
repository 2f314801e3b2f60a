"""The published descriptions of the APIs that are served here, and a page to read them on, without the internet."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from aiohttp import web

from gateway.auth.demands import open_to_all
from gateway.routes import Routes
from schemas import asyncapi
from streams.domain.errors import NotFound

routes = Routes()

GATEWAY = Path(__file__).parent.parent
OPENAPI = GATEWAY / "openapi"
PAGE = GATEWAY / "pages" / "docs.html"


@cache
def descriptions() -> dict[str, str]:
    """The OpenAPI documents by file name."""
    return {file.name: file.read_text() for file in sorted(OPENAPI.glob("*.json"))}


@routes.get("/openapi", demands=open_to_all)
async def index(_request: web.Request) -> web.Response:
    """Which descriptions there are."""
    titles = [
        {"url": f"/openapi/{name}", "title": json.loads(text)["info"]["title"]} for name, text in descriptions().items()
    ]
    return web.json_response(titles)


@routes.get("/openapi/{name}", demands=open_to_all)
async def description(request: web.Request) -> web.Response:
    """One description."""
    name = request.match_info["name"]
    if name not in descriptions():
        raise NotFound(f"Beskrivelsen {name} finnes ikke; se /openapi")
    return web.Response(text=descriptions()[name], content_type="application/json")


@routes.get("/asyncapi.json", demands=open_to_all)
async def events(_request: web.Request) -> web.Response:
    """The events on the log, for whoever subscribes to them (AsyncAPI 3.0)."""
    return web.json_response(asyncapi.document())


@routes.get("/", demands=open_to_all)
@routes.get("/docs", demands=open_to_all)
@routes.get("/docs/", demands=open_to_all)
async def page(_request: web.Request) -> web.FileResponse:
    """The page, which fetches the descriptions. It is at each of these addresses itself: nothing here redirects."""
    return web.FileResponse(PAGE)
