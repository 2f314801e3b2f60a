"""The ways in by HTTP. A route parses, asks, says, answers; what it demands of the caller stands in its first line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from gateway.auth.demands import Demand, demanding
from gateway.problems import handing_out_content
from streams.domain.errors import NotFound

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Handler)


def as_json(said: object, status: int = 200) -> web.Response:
    """What is said, as JSON."""
    return web.Response(body=msgspec.json.encode(said), status=status, content_type="application/json")


class Routes:
    """The routes of one module, each with its demand: ``@routes.get("/a", demands=open_to_all)``."""

    def __init__(self) -> None:
        self._table: list[tuple[str, str, Handler]] = []

    def get(
        self,
        path: str,
        *,
        demands: Demand,
        changes: bool = False,
        content: bool = False,
        no_id: type[Exception] = NotFound,
    ) -> Callable[[H], H]:
        """Serve GET of ``path``, and HEAD by the same handler: aiohttp then leaves out the body.

        Where the call ``changes`` something, HEAD is not served: whoever asks with it counts on its being safe.
        ``content``: any body may be taken for what was asked for, so a failure has none (see ``problems``).
        ``no_id``: what it is when the resource in the path has an id that is none.
        """

        def register(handler: H) -> H:
            if content:
                handing_out_content(handler)
            served = self._route("GET", path, demands, no_id)(handler)
            return served if changes else self._route("HEAD", path, demands, no_id)(served)

        return register

    def post(self, path: str, *, demands: Demand, no_id: type[Exception] = NotFound) -> Callable[[H], H]:
        """Serve POST to ``path``; ``no_id`` as for GET."""
        return self._route("POST", path, demands, no_id)

    def put(self, path: str, *, demands: Demand) -> Callable[[H], H]:
        """Serve PUT to ``path``."""
        return self._route("PUT", path, demands)

    def patch(self, path: str, *, demands: Demand) -> Callable[[H], H]:
        """Serve PATCH of ``path``."""
        return self._route("PATCH", path, demands)

    def delete(self, path: str, *, demands: Demand) -> Callable[[H], H]:
        """Serve DELETE of ``path``."""
        return self._route("DELETE", path, demands)

    def options(self, path: str, *, demands: Demand) -> Callable[[H], H]:
        """Serve OPTIONS of ``path``."""
        return self._route("OPTIONS", path, demands)

    def any(self, path: str, *, demands: Demand) -> Callable[[H], H]:
        """Serve every method of ``path`` that no other route serves."""
        return self._route("*", path, demands)

    def add_to(self, app: web.Application) -> None:
        """Serve all of them in ``app``."""
        for method, path, handler in self._table:
            app.router.add_route(method, path, handler, expect_handler=_invite_later)

    def _route(self, method: str, path: str, demand: Demand, no_id: type[Exception] = NotFound) -> Callable[[H], H]:
        def register(handler: H) -> H:
            self._table.append((method, path, demanding(demand, handler, no_id)))
            return handler

        return register


async def _invite_later(_request: web.Request) -> None:
    """aiohttp would send 100 Continue at once; the middleware ``invite`` does it when the caller is known."""
