"""The door of the gateway with nothing behind it: a memory that folds what a test says, and powers of attorney."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiohttp import ClientSession, FormData, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Middleware

from gateway.auth.callers import Callers
from gateway.auth.claims import ACR
from gateway.auth.integrations import Integrations
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.middleware import authenticate
from gateway.auth.passwords import Passwords, hashed
from gateway.auth.persons import PERSONS, Persons
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import party
from gateway.problems import problems
from schemas.catalogue import event_type, key_of
from schemas.codec import encode
from schemas.envelope import fact
from schemas.konfigurasjon import (
    ROOT,
    GlobalIntegrasjonEndret,
    IntegrasjonOpprettet,
    OrganisasjonOpprettet,
    PrivilegieTildelt,
    PrivilegieTrukketTilbake,
)
from streams.domain.konfigurasjon import Integrasjon
from tests.support.issuer import Issuers
from tests.support.records import Record

VENDOR, OTHER_VENDOR, COMPANY = "310991007", "310992003", "310993999"
PID = "12858010053"
OURS, OTHERS = UUID(int=0xA), UUID(int=0xB)
"""What calls are about, and what another organisation owns."""
INTEGRASJON = Integrasjon(UUID(int=0xA1), OURS, VENDOR, "Fagsystem", hashed("riktig"))
NOT_OFFERED = UUID(int=0xA2)
"""Another integration of ``OURS``."""
ACR_BELOW = {3: "idporten-loa-low", 4: ACR[3]}
NAMED = Persons(bytes(32))


class Known(Memory):
    """A gateway's memory, folding the events that the test hands to it: it follows no log.

    ``OURS`` and ``OTHERS`` are organisations. ``INTEGRASJON`` and ``NOT_OFFERED`` are of the former; the latter may use
    the first of them too.
    """

    def __init__(self) -> None:
        super().__init__("nowhere")
        self.is_ready = True
        self.asked = 0
        """How often it was asked for all that the log has."""
        one = INTEGRASJON
        about = {"autorisert_orgnr": one.autorisert_orgnr, "navn": one.navn, "passord_hash": one.passord_hash}
        self.meet(
            OrganisasjonOpprettet(fiks_org_id=OURS, orgnr=COMPANY, navn="Vår kommune"),
            OrganisasjonOpprettet(fiks_org_id=OTHERS, orgnr=OTHER_VENDOR, navn="Annen kommune"),
            IntegrasjonOpprettet(fiks_org_id=OURS, integrasjon_id=one.id, **about),
            IntegrasjonOpprettet(fiks_org_id=OURS, integrasjon_id=NOT_OFFERED, **about),
            GlobalIntegrasjonEndret(fiks_org_id=ROOT, integrasjon_id=one.id, er_global=True),
        )

    @property
    def ready(self) -> bool:
        return self.is_ready

    @property
    def is_current(self) -> bool:
        return True

    async def catch_up(self) -> None:
        """There is nothing to wait for."""
        self.asked += 1

    def meet(self, *events: Any) -> None:
        """Fold the events, read as from the log."""
        for event in events:
            kind, about = event_type(event), fact(event, time=datetime.now(UTC), id=str(uuid4()), source="test")
            record = Record(kind.topic, 0, self.moment, key_of(about.stream).encode(), encode(event), about.headers())
            self._follower._take_one(record)  # type: ignore[arg-type]
        self._fold()

    def give(self, aktor: str, privilegium: str, on: UUID) -> None:
        """Grant it on an organisation, or on ROOT."""
        self.meet(PrivilegieTildelt(fiks_org_id=on, aktor=aktor, ressurs_id=on, privilegium=privilegium))

    def take(self, aktor: str, privilegium: str, on: UUID) -> None:
        """Revoke that."""
        self.meet(PrivilegieTrukketTilbake(fiks_org_id=on, aktor=aktor, ressurs_id=on, privilegium=privilegium))

    @property
    def rights(self) -> set[tuple[str, str, UUID]]:
        """Who holds which privilege on which resource, by grants."""
        return {
            (aktor, privilegium, on)
            for one in self.configuration.virksomheter.values()
            for aktor, held in one.rettigheter.items()
            for on, privilegier in held.items()
            for privilegium in privilegier
        }


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
        app[MEMORY], app[PERSONS] = known, NAMED
        yield Door(known, powers, issuers, app, TestServer(app, host="127.0.0.1"), session)
