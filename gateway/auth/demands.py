"""What a route demands of who calls, said in one line where it is defined. A route that says nothing lets nobody in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from aiohttp import web

from streams.domain.errors import NotFound

ORGANISATION = "fiksOrgId"
RESOURCES = ("kontoId", "systemId", "ressursId", ORGANISATION)
"""The names that paths give to the resource which a call is about; where a path has several, the first of these."""


ADMINISTRATION = 4
"""The level of login of managers. The contract asks for none; what they change opens and shows the data of others."""


class Caller(Enum):
    """The kinds of callers. Contract: auth.md 1."""

    ANYONE = auto()
    CITIZEN = auto()
    FOR_ORGANISATION = auto()
    MANAGER = auto()
    INTEGRATION = auto()
    INTEGRATION_PERSON = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """One way in: the kind of caller, the privilege it must hold, its least level of login (3 or 4), and whether it
    must say by which law it calls. ``own`` is what a person who calls through an integration must hold as well.
    """

    caller: Caller
    privilege: str | None = None
    niva: int | None = None
    legal_basis: bool = False
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """The ways into a route; one is enough. ``citizen() | integration("X")`` joins them. ``integration("X") &
    manager("Y")`` is the way of a manager who calls through an integration: each must hold its own. ``integration("X")
    & citizen()`` is that of a citizen: what is their own, narrowed to the resource on which the integration holds X.
    """

    ways: tuple[Way, ...]

    def __or__(self, other: Demand) -> Demand:
        joined = Demand(self.ways + other.ways)
        if joined.of(Caller.CITIZEN) and joined.of(Caller.MANAGER):
            raise ValueError("nothing that a call shows tells a citizen from a manager: make two routes of it")
        if joined.of(Caller.ANYONE):
            raise ValueError("open_to_all cannot be joined with a demand: one of them would mean nothing")
        return joined

    def __and__(self, other: Demand) -> Demand:
        [machine], [person] = self.ways, other.ways
        if machine.caller is not Caller.INTEGRATION or person.caller not in (Caller.CITIZEN, Caller.MANAGER):
            raise ValueError("only an integration and a citizen or a manager are demanded together")
        alike = (machine.privilege is None) is (person.privilege is None)
        if person.caller is Caller.MANAGER and not alike:
            raise ValueError("an integration and a manager are demanded together with a privilege each, or both none")
        legal_basis = machine.legal_basis or person.legal_basis
        both = Way(Caller.INTEGRATION_PERSON, machine.privilege, person.niva, legal_basis, person.privilege)
        return Demand((both,))

    def of(self, caller: Caller) -> tuple[Way, ...]:
        """The ways in for callers of that kind."""
        return tuple(way for way in self.ways if way.caller is caller)


open_to_all = Demand((Way(Caller.ANYONE),))


def citizen(*, niva: int = 3, legal_basis: bool = False) -> Demand:
    """Somebody who has logged in, about what is their own: the handler looks at ``Principal.pid`` and ``niva``."""
    return Demand((Way(Caller.CITIZEN, None, niva, legal_basis),))


def for_organisation(*, niva: int = 3, legal_basis: bool = False) -> Demand:
    """Somebody who has logged in and may act for the organisation that the call names (``Principal.on_behalf_of``)."""
    return Demand((Way(Caller.FOR_ORGANISATION, None, niva, legal_basis),))


def manager(privilege: str | None = None, *, legal_basis: bool = False) -> Demand:
    """Somebody who has logged in, at the level of ``ADMINISTRATION``, and holds ``privilege`` on the resource, found as
    ``integration`` says.
    """
    return Demand((Way(Caller.MANAGER, privilege, ADMINISTRATION, legal_basis),))


def integration(privilege: str | None = None, *, legal_basis: bool = False) -> Demand:
    """An integration that holds ``privilege`` on the resource in the path (``RESOURCES``).

    Where the path names none the handler finds it and asks ``demand_on``. None: any integration may call.
    """
    return Demand((Way(Caller.INTEGRATION, privilege, None, legal_basis),))


def demanding(demand: Demand, handler: Any, no_id: type[Exception] = NotFound) -> Any:
    """The handler, bearing its demand, and what an id in its path that is none is. Raises ValueError if it bears
    another demand already.
    """
    if (borne := demand_of(handler)) not in (None, demand):
        raise ValueError(f"{handler.__name__} demands {borne} on one route and {demand} on another")
    handler.demand, handler.no_id = demand, no_id
    return handler


def demand_of(handler: Any) -> Demand | None:
    """What the handler demands; None when nobody said."""
    demand: Demand | None = getattr(handler, "demand", None)
    return demand


def no_id_of(handler: Any) -> type[Exception]:
    """What the handler has said that an id in its path is which is none."""
    fault: type[Exception] = handler.no_id
    return fault


def silent_routes(app: web.Application) -> list[str]:
    """The routes of ``app`` that say nothing about who may call. There must be none."""
    return [f"{route.method} {route.resource}" for route in app.router.routes() if demand_of(route.handler) is None]
