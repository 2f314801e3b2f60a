"""NAV's mock-oauth2-server in place of Maskinporten and ID-porten, by configuration alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from gateway.app import make_app
from gateway.auth.claims import MachineToken, PersonToken
from gateway.auth.grant import GRANT_TYPE, assertion, claims
from gateway.auth.memory import MEMORY
from gateway.auth.tokens import TOKENS, Tokens
from gateway.issuer.maskinporten import party
from gateway.seed import PROVDAL, TESTVIK
from infra.settings import Settings
from streams.domain.errors import NotAuthenticated
from tests.support.door import OTHER_VENDOR, PID, VENDOR
from tests.support.eventually import eventually
from tests.support.gateway import Caller, running_gateway, served
from tests.support.mock_oauth2 import mock_oauth2
from tests.support.ports import free_port
from tests.support.stack import OwnKafka, temporary_folder

SAID = {
    "maskinporten": {"scope": "ks:fiks", "consumer": party(VENDOR), "supplier": party(OTHER_VENDOR)},
    "idporten": {"scope": "openid ks:fiks", "pid": PID, "acr": "idporten-loa-high", "consumer": party(VENDOR)},
    "stranger": {"scope": "ks:fiks", "consumer": party(VENDOR)},
}


@pytest_asyncio.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    with temporary_folder() as folder:
        async with mock_oauth2(folder, SAID) as address:
            yield address


def trusting(address: str, session: ClientSession) -> Tokens:
    """The gateway's tokens as its settings make them."""
    settings = Settings(issuer=f"{address}/maskinporten", idporten_issuer=f"{address}/idporten")
    return Tokens(settings.issuer, settings.idporten_issuer, session)


async def granted(session: ClientSession, issuer: str) -> str:
    """A token asked for with a signed assertion, and the client_id that this server demands besides."""
    key = RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    form = {"grant_type": GRANT_TYPE, "client_id": "x"}
    form["assertion"] = assertion(claims(VENDOR, issuer, "ks:fiks"), key, kid="k")
    return str((await _post(session, f"{issuer}/token", form))["access_token"])


async def logged_in(session: ClientSession, issuer: str) -> str:
    """A token of a code that was asked for without a page."""
    asked = {"response_type": "code", "client_id": "x", "redirect_uri": "http://127.0.0.1/tilbake", "scope": "openid"}
    async with session.get(f"{issuer}/authorize", params=asked | {"state": "s"}, allow_redirects=False) as answer:
        code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": asked["redirect_uri"], "client_id": "x"}
    return str((await _post(session, f"{issuer}/token", form | {"client_secret": "y"}))["access_token"])


async def _post(session: ClientSession, url: str, form: dict[str, str]) -> Any:
    async with session.post(url, data=form) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_its_machines_are_machines_and_its_persons_persons(address: str) -> None:
    async with ClientSession() as session:
        tokens = trusting(address, session)
        machine = await tokens.verify(await granted(session, f"{address}/maskinporten"))
        assert isinstance(machine, MachineToken)
        assert (machine.consumer, machine.supplier) == (VENDOR, OTHER_VENDOR)
        person = await tokens.verify(await logged_in(session, f"{address}/idporten"))
        assert isinstance(person, PersonToken)
        assert (person.pid, person.niva, person.consumer) == (PID, 4, VENDOR)


async def test_an_issuer_of_the_same_server_that_is_not_configured_is_a_stranger(address: str) -> None:
    async with ClientSession() as session:
        token = await granted(session, f"{address}/stranger")
        with pytest.raises(NotAuthenticated, match="feil utsteder"):
            await trusting(address, session).verify(token)


@dataclass(frozen=True)
class Gateways:
    """Where two gateways of one system answer: one trusts our test issuers, the other this server, by its settings."""

    caller: Caller
    ours: str
    theirs: str

    async def status(self, gateway: str, path: str, token: str, **shown: str) -> int:
        headers = {"Authorization": f"Bearer {token}"} | shown
        async with self.caller.session.get(f"{gateway}{path}", headers=headers) as answer:
            return answer.status


@pytest_asyncio.fixture
async def gateways(own_kafka: OwnKafka, address: str) -> AsyncIterator[Gateways]:
    with temporary_folder() as folder:
        async with running_gateway(own_kafka.bootstrap, folder) as caller:
            trusts = {"issuer": f"{address}/maskinporten", "idporten_issuer": f"{address}/idporten"}
            settings = caller.settings.model_copy(update={"gateway_port": free_port(), **trusts})
            app = make_app(settings)
            async with served(app, settings.gateway_port):
                await eventually(lambda: app[MEMORY].ready and app[TOKENS].ready)
                yield Gateways(caller, caller.url, f"http://127.0.0.1:{settings.gateway_port}")


async def test_a_gateway_that_is_told_to_trust_it_lets_its_callers_in_and_no_others(
    gateways: Gateways, address: str
) -> None:
    shown = {name: value for name, value in gateways.caller.headers.items() if name != "Authorization"}
    of_ours = gateways.caller.headers["Authorization"].removeprefix("Bearer ")
    machine = "/konfigurasjon/api/v1/integrasjoner/autentisering"
    async with ClientSession() as session:
        theirs, strangers = [await granted(session, f"{address}/{name}") for name in ("maskinporten", "stranger")]
        login = await logged_in(session, f"{address}/idporten")
    status = gateways.status
    for gateway, answered in ((gateways.theirs, [200, 401, 401]), (gateways.ours, [401, 200, 401])):
        tokens = (theirs, of_ours, strangers)
        assert [await status(gateway, machine, token, **shown) for token in tokens] == answered
    organisasjoner = "/konfigurasjon/api/v1/organisasjoner"
    own, others = (f"{organisasjoner}/{one.id('organisasjon')}/tjenester" for one in (TESTVIK, PROVDAL))
    assert [await status(gateways.theirs, path, login) for path in (own, others)] == [200, 403]
    assert await status(gateways.ours, own, login) == 401
