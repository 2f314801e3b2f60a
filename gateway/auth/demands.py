"""What a route demands of who calls, said in one line where it is defined. A route that says nothing lets nobody in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from aiohttp import web

KONTO = "kontoId"
"""The name that every path gives to the account which the call is about."""


class Caller(Enum):
    """The kinds of callers. Contract: auth.md 1."""

    ANYONE = auto()
    INTEGRATION = auto()


@dataclass(frozen=True, slots=True)
class Demand:
    """Who may call, and the privilege it must hold on the account in the path."""

    caller: Caller
    privilege: str | None = None


open_to_all = Demand(Caller.ANYONE)


def integration(privilege: str | None = None) -> Demand:
    """An integration that holds ``privilege`` on the ``{kontoId}`` of the path.

    Where the path names no account the handler finds it and asks ``demand_on``. None: any integration may call.
    """
    return Demand(Caller.INTEGRATION, privilege)


def demanding(demand: Demand, handler: Any) -> Any:
    """The handler, bearing its demand. Raises ValueError if it bears another already."""
    if (borne := demand_of(handler)) not in (None, demand):
        raise ValueError(f"{handler.__name__} demands {borne} on one route and {demand} on another")
    handler.demand = demand
    return handler


def demand_of(handler: Any) -> Demand | None:
    """What the handler demands; None when nobody said."""
    demand: Demand | None = getattr(handler, "demand", None)
    return demand


def silent_routes(app: web.Application) -> list[str]:
    """The routes of ``app`` that say nothing about who may call. There must be none."""
    return [f"{route.method} {route.resource}" for route in app.router.routes() if demand_of(route.handler) is None]
