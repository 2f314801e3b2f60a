"""NAV's mock-oauth2-server in place of Maskinporten and ID-porten, by configuration alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from gateway.auth.claims import MachineToken, PersonToken
from gateway.auth.grant import GRANT_TYPE, assertion, claims
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import party
from infra.settings import Settings
from streams.domain.errors import NotAuthenticated
from tests.support.door import OTHER_VENDOR, PID, VENDOR
from tests.support.mock_oauth2 import mock_oauth2
from tests.support.stack import temporary_folder

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
