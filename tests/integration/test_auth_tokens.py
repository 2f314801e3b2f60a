"""Tokens against an issuer that really answers, and that goes away: signatures, keys, and what is asked how often."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws, jwt
from joserfc.util import urlsafe_b64encode

from gateway.auth import issuer_keys
from gateway.auth.claims import NotNow
from gateway.auth.issuer_keys import IssuerKeys, signing_keys
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import Maskinporten
from streams.domain.errors import NotAuthenticated, Unavailable
from tests.support.eventually import eventually
from tests.support.gateway import served
from tests.support.issuer import NO_IDPORTEN, rsa_key, running_issuer
from tests.support.ports import free_port


class Clock:
    """Stands still until it is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def issuer() -> AsyncIterator[Maskinporten]:
    async with running_issuer() as issuer:
        yield issuer


def claims(issuer: Maskinporten, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    consumer = {"authority": "iso6523-actorid-upis", "ID": "0192:310991007"}
    made = {"iss": issuer.name, "consumer": consumer, "scope": "ks:fiks", "iat": now, "exp": now + 120}
    return made | changes


def by_hand(header: dict[str, Any], about: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token that no library would make."""
    said = b".".join(urlsafe_b64encode(json.dumps(part).encode()) for part in (header, about))
    return b".".join((said, urlsafe_b64encode(sign(said)))).decode()


def hmac_with_public_key(said: bytes) -> bytes:
    pem = rsa_key().public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hmac.digest(pem, said, "sha256")


def rs256(said: bytes) -> bytes:
    return rsa_key().private_key.sign(said, padding.PKCS1v15(), hashes.SHA256())


async def test_a_token_of_the_issuer_holds(issuer: Maskinporten, session: ClientSession) -> None:
    assert (await Tokens(issuer.name, NO_IDPORTEN, session).verify(issuer.sign(claims(issuer)))).consumer == "310991007"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_the_allowed_algorithms(issuer: Maskinporten, session: ClientSession, algorithm: str) -> None:
    header = {"alg": algorithm, "kid": rsa_key().kid, "x-new": "passed over"}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    issuer.jwks = lambda: {"keys": [rsa_key().as_dict(private=False)]}  # type: ignore[method-assign]  # for any of them
    token = jws.serialize_compact(header, json.dumps(claims(issuer)), rsa_key(), registry=registry)
    assert (await Tokens(issuer.name, NO_IDPORTEN, session).verify(token)).consumer == "310991007"


def forged(issuer: Maskinporten) -> dict[str, str]:
    """Tokens that nobody may be let in with, by what is wrong with them."""
    kid, about = rsa_key().kid, claims(issuer)
    good = issuer.sign(about)
    head, body, signature = good.split(".")
    other_body = by_hand({}, claims(issuer, scope="ks:fiks ks:mer")).split(".")[1]
    with_or_without_slash = issuer.name[:-1] if issuer.name.endswith("/") else f"{issuer.name}/"
    return {
        "an issuer but for the slash": issuer.sign(claims(issuer, iss=with_or_without_slash)),
        "none": by_hand({"alg": "none", "kid": kid}, about),
        "None": by_hand({"alg": "None", "kid": kid}, about),
        "no algorithm": by_hand({"kid": kid}, about, rs256),
        "HMAC with the public key": by_hand({"alg": "HS256", "kid": kid}, about, hmac_with_public_key),
        "PS256": jwt.encode({"alg": "PS256", "kid": kid}, about, rsa_key(), algorithms=["PS256"]),
        "another key with its kid": jwt.encode({"alg": "RS256", "kid": kid}, about, rsa_key(2)),
        "no kid": jwt.encode({"alg": "RS256"}, about, rsa_key()),
        "a key that it brings along": jwt.encode(
            {"alg": "RS256", "kid": "mine", "jwk": rsa_key(2).as_dict(private=False)}, about, rsa_key(2)
        ),
        "critical header": by_hand({"alg": "RS256", "kid": kid, "crit": ["x"], "x": 1}, about, rs256),
        "other claims, same signature": f"{head}.{other_body}.{signature}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "claims that are no JSON": jws.serialize_compact({"alg": "RS256", "kid": kid}, b"{", rsa_key()),
        "claims without end": f"{head}.{_octets(b'[' * 5000)}.{signature}",
        "a header without end": f"{_octets(b'[' * 5000)}.{body}.{signature}",
        "no token": "x",
        "not ASCII": "æ.ø.å",
        "surrogates": "\udce6.\udcf8.x",
    }


def _octets(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


async def test_the_keys_are_there_before_a_token_is_and_who_is_away_is_not_waited_for_for_ever(
    issuer: Maskinporten, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.tokens.PATIENCE", 5.0)  # in which the other answers, however busy the machine
    monkeypatch.setattr("gateway.auth.issuer_keys.FIRST_ASK_AGAIN", 0.01)
    tokens = Tokens(issuer.name, NO_IDPORTEN, session)
    assert not tokens.ready
    await tokens.start()
    assert not tokens.ready
    await eventually(lambda: tokens.ready)
    await session.close()
    assert (await tokens.verify(issuer.sign(claims(issuer)))).consumer == "310991007"
    with pytest.raises(Unavailable):
        await tokens.verify(issuer.sign(claims(issuer, iss=NO_IDPORTEN)))


async def test_an_issuer_that_comes_later_is_asked_again(
    session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.issuer_keys.FIRST_ASK_AGAIN", 0.01)
    port = free_port()
    tokens = Tokens(f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/idporten", session)
    await tokens.start()
    await asyncio.sleep(0.05)
    assert not tokens.ready
    async with running_issuer(port=port):
        await eventually(lambda: tokens.ready)


async def test_forged_tokens_do_not_hold(issuer: Maskinporten, session: ClientSession) -> None:
    tokens = Tokens(issuer.name, NO_IDPORTEN, session)
    await tokens.verify(issuer.sign(claims(issuer)))
    for fault, token in forged(issuer).items():
        with pytest.raises(NotAuthenticated, match="Klarte ikke å validere access_token"):
            pytest.fail(f"{fault} was let in as {await tokens.verify(token)}")


async def test_what_is_signed_by_hand_would_hold_with_an_ordinary_header(
    issuer: Maskinporten, session: ClientSession
) -> None:
    token = by_hand({"alg": "RS256", "kid": rsa_key().kid}, claims(issuer), rs256)
    assert (await Tokens(issuer.name, NO_IDPORTEN, session).verify(token)).consumer == "310991007"


async def test_a_verified_token_is_looked_up_and_ends_all_the_same(
    issuer: Maskinporten, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(time.time())
    tokens, token = Tokens(issuer.name, NO_IDPORTEN, session, clock), issuer.sign(claims(issuer))
    first = await tokens.verify(token)
    monkeypatch.setattr(jws, "validate_compact", lambda *_, **__: pytest.fail("verified a second time"))
    assert await tokens.verify(token) is first
    clock.now += 129
    assert await tokens.verify(token) is first
    clock.now += 2
    with pytest.raises(NotNow, match="utløpt") as refused:
        await tokens.verify(token)
    assert refused.value.token == first, "whose it is, is for the record"


async def test_an_issuer_that_is_away_makes_a_token_neither_good_nor_bad(session: ClientSession) -> None:
    port = free_port()
    async with running_issuer(port=port) as issuer:
        token = issuer.sign(claims(issuer))
    with pytest.raises(Unavailable):
        await Tokens(issuer.name, NO_IDPORTEN, session).verify(token)


async def test_known_keys_count_while_the_issuer_is_away(session: ClientSession) -> None:
    port = free_port()
    async with running_issuer(port=port) as issuer:
        tokens = Tokens(issuer.name, NO_IDPORTEN, session)
        await tokens.verify(issuer.sign(claims(issuer)))
    another = issuer.sign(claims(issuer, jti="another"))
    assert (await tokens.verify(another)).consumer == "310991007"


class Asked:
    """Counts how often an issuer was asked for its keys."""

    def __init__(self, issuer: Maskinporten, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.keys = [rsa_key().as_dict(private=False)]
        monkeypatch.setattr(issuer, "jwks", self)

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        return {"keys": self.keys}


async def test_keys_are_asked_for_again_when_unknown_but_not_often(
    issuer: Maskinporten, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = Clock(1000.0), Asked(issuer, monkeypatch)
    keys = IssuerKeys(issuer.name, session, clock)
    assert await keys.key(str(rsa_key().kid)) is not None
    for made_up in range(100):
        assert await keys.key(f"made up {made_up}") is None
    assert asked.times == 1
    asked.keys.append(rsa_key(2).as_dict(private=False))
    clock.now += issuer_keys.ASK_AGAIN
    assert await keys.key(str(rsa_key(2).kid)) is not None
    assert asked.times == 2


async def test_many_that_need_the_keys_at_once_ask_once(
    issuer: Maskinporten, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(issuer, monkeypatch)
    keys = IssuerKeys(issuer.name, session)
    found = await asyncio.gather(*(keys.key(str(rsa_key().kid)) for _ in range(50)))
    assert all(found)
    assert asked.times == 1


async def test_old_keys_are_asked_for_again_and_those_withdrawn_count_no_more(
    issuer: Maskinporten, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, asked = Clock(1000.0), Asked(issuer, monkeypatch)
    keys = IssuerKeys(issuer.name, session, clock)
    await keys.key(str(rsa_key().kid))
    asked.keys = [rsa_key(2).as_dict(private=False)]
    clock.now += issuer_keys.MAX_AGE - 1
    assert await keys.key(str(rsa_key().kid)) is not None
    clock.now += 1
    assert await keys.key(str(rsa_key().kid)) is None
    assert asked.times == 2


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(
    issuer: Maskinporten, session: ClientSession
) -> None:
    address = issuer.name
    issuer.name = "https://maskinporten.no/"
    with pytest.raises(Unavailable):
        await IssuerKeys(address, session).key(str(rsa_key().kid))


@pytest.mark.parametrize("other", [{"status": 403}, {"status": 404}, {"text": "<html>"}])
async def test_an_issuer_that_has_the_one_document_may_answer_anything_for_the_other(
    session: ClientSession, other: dict[str, Any]
) -> None:
    port = free_port()
    name = f"http://127.0.0.1:{port}"
    documents = {
        f"/{issuer_keys.OPENID}": {"issuer": name, "jwks_uri": f"{name}/jwks"},
        "/jwks": {"keys": [rsa_key().as_dict(private=False)]},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(documents[request.path]) if request.path in documents else web.Response(**other)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with served(app, port):
        assert await IssuerKeys(name, session).key(str(rsa_key().kid))


def test_keys_that_are_not_for_rsa_signatures_are_passed_over() -> None:
    good = rsa_key().as_dict(private=False)
    others = [
        {"kty": "oct", "kid": "a", "k": "c2VjcmV0"},
        good | {"kid": "b", "use": "enc"},
        {"kty": "RSA", "kid": "c", "n": "!", "e": "AQAB"},
        {name: value for name, value in good.items() if name != "kid"},
        "no key",
        None,
    ]
    assert list(signing_keys({"keys": [*others, good]})) == [good["kid"]]
