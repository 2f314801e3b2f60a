"""The door of the gateway with nothing behind it: rights and powers of attorney that a test changes at will."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiohttp import ClientSession, FormData, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Middleware

from gateway.auth.callers import Callers
from gateway.auth.claims import ACR
from gateway.auth.integrations import Integrations
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import authenticate
from gateway.auth.passwords import Passwords, hashed
from gateway.auth.persons import PERSONS, Persons
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import party
from gateway.problems import problems
from streams.domain.configuration import Configuration
from streams.domain.konfigurasjon import Integrasjon
from tests.support.issuer import Issuers

VENDOR, OTHER_VENDOR, COMPANY = "310991007", "310992003", "310993999"
PID = "12858010053"
INTEGRASJON = Integrasjon(UUID(int=0xA1), UUID(int=0xA), VENDOR, "Fagsystem", hashed("riktig"))
ACR_BELOW = {3: "idporten-loa-low", 4: ACR[3]}
NAMED = Persons(bytes(32))


@dataclass
class Known:
    """What the gateway's memory would know."""

    ready: bool = True
    integrasjoner: dict[UUID, Integrasjon] = field(default_factory=lambda: {INTEGRASJON.id: INTEGRASJON})
    rights: set[tuple[str, str, UUID]] = field(default_factory=set)
    configuration: Configuration = field(default_factory=Configuration)
    moment: int = 0
    asked: int = 0
    """How often it was asked for all that the log has."""

    async def has_moved_on(self, since: int) -> bool:
        """Never: a test that changes something changes it here."""
        await self.catch_up()
        return self.moment > since

    async def catch_up(self) -> None:
        """There is nothing to wait for."""
        self.asked += 1

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        return self.integrasjoner.get(integrasjon_id)

    def may(self, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
        return (aktor, privilegium, ressurs_id) in self.rights


@dataclass
class Powers:
    """Who may act for whom, as Altinn would say."""

    held: set[tuple[str, str]] = field(default_factory=set)

    async def may_act_for(self, pid: str, orgnr: str, use_cache: bool = True) -> bool:
        return (pid, orgnr) in self.held


@dataclass
class Door:
    """Where to knock."""

    known: Known
    powers: Powers
    issuers: Issuers
    app: web.Application
    server: TestServer
    session: ClientSession

    async def knock(
        self, method: str, path: str, headers: dict[str, str], body: Any = None, form: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        url, data = self.server.make_url(path), FormData(form, default_to_multipart=True) if form else None
        async with self.session.request(method, url, headers=headers, json=body, data=data) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if text.startswith("{") else {}

    def machine(self, **changes: Any) -> str:
        """A token of Maskinporten, but for the ``changes``."""
        return self.issuers.maskinporten.sign(_claims(self.issuers.maskinporten.name) | changes)

    def person(self, **changes: Any) -> str:
        """A token of ID-porten after a login at level 4, but for the ``changes``."""
        about = {"pid": PID, "acr": ACR[4], "scope": "openid ks:fiks"}
        return self.issuers.idporten.sign(_claims(self.issuers.idporten.name) | about | changes)


def _claims(issuer: str) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": issuer, "consumer": party(VENDOR), "scope": "ks:fiks", "iat": now, "exp": now + 120}


def shown(token: str, *, integration: bool = False, **more: str) -> dict[str, str]:
    """The headers of a call."""
    own = {"IntegrasjonId": str(INTEGRASJON.id), "IntegrasjonPassord": "riktig"} if integration else {}
    return {"Authorization": f"Bearer {token}"} | own | more


@asynccontextmanager
async def door(issuers: Issuers, *behind: Middleware) -> AsyncIterator[Door]:
    """A door that stands open for those who may; ``app`` gets its routes from the test, before anyone knocks."""
    async with ClientSession() as session:
        known, powers = Known(), Powers()
        tokens = Tokens(issuers.maskinporten.name, issuers.idporten.name, session)
        callers = Callers(tokens, Integrations(known, Passwords()), NAMED, powers)  # type: ignore[arg-type]
        app = web.Application(middlewares=[problems, authenticate(callers), *behind])
        app[MEMORY], app[PERSONS] = known, NAMED  # type: ignore[misc]
        yield Door(known, powers, issuers, app, TestServer(app, host="127.0.0.1"), session)
