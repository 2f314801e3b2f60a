"""Our client's source of tokens, against the stand-in for Maskinporten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc import jwt

from fiks_io import HttpError, Maskinporten, Unavailable
from fiks_io.maskinporten import GRANT_TYPE
from gateway.auth.grant import certificate
from gateway.issuer.maskinporten import Maskinporten as Issuer
from tests.support.issuer import rsa_key, running_issuer

ORGNR = "310991007"


def key(number: int = 2) -> RSAPrivateKey:
    private = rsa_key(number).private_key
    assert isinstance(private, RSAPrivateKey)
    return private


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as issuer:
        yield issuer


async def test_a_certificate_gives_a_token_for_its_organisation(issuer: Issuer) -> None:
    token = await Maskinporten(issuer.name, f"test-{ORGNR}", key(), certificate=certificate(key(), ORGNR))()
    claims = jwt.decode(token, rsa_key()).claims
    assert (claims["iss"], claims["scope"], claims["consumer"]["ID"]) == (issuer.name, "ks:fiks", f"0192:{ORGNR}")


async def test_a_registered_key_gives_a_token(issuer: Issuer) -> None:
    issuer.register(f"test-{ORGNR}", {"keys": [rsa_key(2).as_dict(private=False)]})
    token = await Maskinporten(issuer.name, f"test-{ORGNR}", key(), kid=rsa_key(2).kid)()
    assert jwt.decode(token, rsa_key()).claims["client_amr"] == "private_key_jwt"


async def test_a_refusal_is_told(issuer: Issuer) -> None:
    source = Maskinporten(issuer.name, f"test-{ORGNR}", key(3), certificate=certificate(key(), ORGNR))
    with pytest.raises(HttpError, match="MP-124"):
        await source()


async def test_nobody_who_answers() -> None:
    with pytest.raises(Unavailable):
        await Maskinporten("http://127.0.0.1:1/", "x", key(), kid="1")()


@pytest.mark.parametrize("how", [{}, {"kid": "1", "certificate": certificate(key(), ORGNR)}], ids=["none", "both"])
def test_known_by_one_thing(how: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="one of them"):
        Maskinporten("http://127.0.0.1:1/", "x", key(), **how)  # type: ignore[arg-type]


class Counting:
    """A token server whose tokens are numbered and last so long."""

    def __init__(self) -> None:
        self.expires_in: object = 120
        self.given = 0

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == GRANT_TYPE
        self.given += 1
        return web.json_response({"access_token": f"token {self.given}", "expires_in": self.expires_in})


@pytest.fixture
async def counting() -> AsyncIterator[tuple[Counting, Maskinporten]]:
    app, server = web.Application(), Counting()
    app.router.add_post("/token", server.token)
    async with TestServer(app) as running:
        yield server, Maskinporten(str(running.make_url("/")), "x", key(), kid="1")


async def test_a_token_is_used_again_also_by_those_who_wait_for_it(counting: tuple[Counting, Maskinporten]) -> None:
    _, source = counting
    assert set(await asyncio.gather(*(source() for _ in range(5)))) == {"token 1"}
    assert await source() == "token 1"


async def test_a_token_is_not_used_in_its_last_ten_seconds(counting: tuple[Counting, Maskinporten]) -> None:
    server, source = counting
    server.expires_in = 10
    assert [await source(), await source()] == ["token 1", "token 2"]


@pytest.mark.parametrize("expires_in", [None, "soon", []], ids=str)
async def test_an_answer_that_is_none(counting: tuple[Counting, Maskinporten], expires_in: object) -> None:
    server, source = counting
    server.expires_in = expires_in
    with pytest.raises(HttpError, match="no token"):
        await source()


async def test_no_secret_is_shown(counting: tuple[Counting, Maskinporten]) -> None:
    _, source = counting
    assert (await source()) not in repr(source)
