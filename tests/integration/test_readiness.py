"""Whether /readyz lets calls come: not before the issuers have told their keys, nor never because one does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler

from gateway.app import make_app
from gateway.auth.grant import token_for
from gateway.auth.login import person_token
from gateway.auth.memory import MEMORY
from gateway.issuer.people import PEOPLE
from gateway.issuer.serving import issuers
from gateway.seed import TESTVIK, credentials, seed
from infra.settings import Settings
from tests.support.eventually import eventually, eventually_found
from tests.support.gateway import NOWHERE, served
from tests.support.ports import free_port
from tests.support.stack import OwnKafka, temporary_folder

KEYS = ("/.well-known/", "/jwks")


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """The folder of all gateways here, which has the passwords that are on the log."""
    with temporary_folder() as folder:
        yield folder


@dataclass
class Gate:
    """Keeps whoever asks an issuer for its keys, without an answer, until it opens. Tokens are given all the time."""

    of_idporten: bool
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_late = request.path.startswith("/idporten/") is self.of_idporten
        if is_late and any(part in request.path for part in KEYS):
            self.asked += 1
            await self.open.wait()
        return await handler(request)


@dataclass(frozen=True)
class Starting:
    """A gateway that has just begun."""

    settings: Settings
    session: ClientSession

    async def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        async with self.session.get(f"http://127.0.0.1:{self.settings.gateway_port}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def is_ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def status_for(self, *, person: bool) -> int:
        """What somebody who has logged in, or a machine, is answered where everybody may ask."""
        if person:
            token = await person_token(self.settings.idporten_issuer, PEOPLE[2].pid, 4, TESTVIK.orgnr)
            headers = {"Authorization": f"Bearer {token}"}
        else:
            known = credentials(self.settings.state)[0]
            headers = {
                "Authorization": f"Bearer {await token_for(self.settings.issuer, TESTVIK.orgnr)}",
                "IntegrasjonId": known["integrasjonId"],
                "IntegrasjonPassord": known["integrasjonPassord"],
            }
        return (await self.get(f"/fiks-protokoll/api/v1/konfigurasjon/{uuid4()}/protokoller", headers))[0]


@asynccontextmanager
async def starting(kafka: str, state: Path, gate: Gate) -> AsyncIterator[Starting]:
    """A gateway that knows its configuration and waits for one of its issuers."""
    port = free_port()
    settings = Settings(
        kafka=kafka,
        postgres=NOWHERE,
        state=state,
        issuer=f"http://127.0.0.1:{port}/",
        idporten_issuer=f"http://127.0.0.1:{port}/idporten",
        gateway_port=free_port(),
    )
    await seed(kafka, state)
    vouching = issuers(settings)
    vouching.middlewares.append(web.middleware(gate))
    async with served(vouching, port):
        app = make_app(settings)
        async with served(app, settings.gateway_port), ClientSession() as session:
            await eventually(lambda: app[MEMORY].ready and gate.asked > 0)
            yield Starting(settings, session)
            gate.open.set()


@pytest.mark.parametrize("person", [False, True], ids=["Maskinporten", "ID-porten"])
async def test_it_is_not_ready_before_an_issuer_that_answers_late(
    own_kafka: OwnKafka, state: Path, monkeypatch: pytest.MonkeyPatch, person: bool
) -> None:
    monkeypatch.setattr("gateway.auth.tokens.PATIENCE", 300.0)
    gate = Gate(of_idporten=person)
    async with starting(own_kafka.bootstrap, state, gate) as gateway:
        status, text = await gateway.get("/readyz")
        assert (status, "nøklene til utstederne" in text) == (503, True)
        assert (await gateway.get("/healthz"))[0] == 200

        gate.open.set()
        await eventually_found(gateway.is_ready)
        assert [await gateway.status_for(person=one) for one in (False, True)] == [200, 200]


@pytest.mark.parametrize("person", [False, True], ids=["Maskinporten", "ID-porten"])
async def test_an_issuer_that_never_answers_keeps_out_its_own_alone(
    own_kafka: OwnKafka, state: Path, monkeypatch: pytest.MonkeyPatch, person: bool
) -> None:
    monkeypatch.setattr("gateway.auth.tokens.PATIENCE", 1.0)
    async with starting(own_kafka.bootstrap, state, Gate(of_idporten=person)) as gateway:
        await eventually_found(gateway.is_ready)

        assert await gateway.status_for(person=person) == 503
        assert await gateway.status_for(person=not person) == 200
