"""The test issuer grants and refuses as Maskinporten does. Contract: auth.md 2.1, 2.2 and 2.4."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt

from gateway import commands
from gateway.auth.claims import ACR
from gateway.auth.grant import GRANT_TYPE, assertion, certificate, claims, token_for, x5c
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import Maskinporten, party
from gateway.issuer.people import PEOPLE
from gateway.issuer.signing import own_key
from streams.domain.errors import Rejected
from tests.support.issuer import NO_IDPORTEN, rsa_key, running_issuer, running_issuers

ORGNR = "310991007"
KEY = rsa_key(7)
CERTIFICATE = x5c(certificate(KEY.private_key, ORGNR))


@pytest.fixture
async def issuer() -> AsyncIterator[Maskinporten]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def ask(
    issuer: Maskinporten, session: ClientSession, signed: str, grant_type: str = GRANT_TYPE
) -> tuple[int, dict[str, Any]]:
    """Asks on the wire as the Java client does: colons as they are, and a Charset header."""
    body = f"grant_type={grant_type}&assertion={signed}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Charset": "UTF-8"}
    async with session.post(f"{issuer.name}token", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def granted(issuer: Maskinporten, session: ClientSession, signed: str) -> dict[str, Any]:
    """The claims of the token that is granted."""
    status, answer = await ask(issuer, session, signed)
    assert status == 200, answer
    return jwt.decode(answer["access_token"], rsa_key()).claims


async def test_a_certificate_is_granted_a_token_for_its_organisation(
    issuer: Maskinporten, session: ClientSession
) -> None:
    about = claims(ORGNR, issuer.name, "ks:fiks")
    assert about["exp"] - about["iat"] == 120, "the published client asks for exactly this, and it must pass"
    status, answer = await ask(issuer, session, assertion(about, KEY, x5c=CERTIFICATE))
    assert status == 200
    assert {name: answer[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 599,
        "scope": "ks:fiks",
    }
    token = jwt.decode(answer["access_token"], rsa_key())
    assert token.header["kid"] == rsa_key().kid
    assert token.claims["exp"] - token.claims["iat"] == 599
    assert token.claims["iss"] == issuer.name
    assert token.claims["consumer"] == {"authority": "iso6523-actorid-upis", "ID": f"0192:{ORGNR}"}
    assert (token.claims["client_amr"], token.claims["scope"]) == ("virksomhetssertifikat", "ks:fiks")
    assert not {"aud", "pid", "supplier", "delegation_source"} & set(token.claims)


async def test_the_dotnet_client_percent_encodes(issuer: Maskinporten, session: ClientSession) -> None:
    signed = assertion(claims(ORGNR, issuer.name, "ks:fiks"), KEY, x5c=CERTIFICATE)
    form = urlencode({"grant_type": GRANT_TYPE, "assertion": signed})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "consumer_org": "310992003"}
    async with session.post(f"{issuer.name}token", data=form, headers=headers) as answer:
        assert answer.status == 200


async def test_what_is_asked_for_more_is_in_the_token(issuer: Maskinporten, session: ClientSession) -> None:
    about = claims(ORGNR, issuer.name, "ks:fiks", consumer_org="310992003", resource="https://api.x", pid="01810199999")
    token = await granted(issuer, session, assertion(about, KEY, x5c=CERTIFICATE))
    assert (token["consumer"]["ID"], token["supplier"]["ID"]) == ("0192:310992003", f"0192:{ORGNR}")
    assert token["delegation_source"] == "https://tt02.altinn.no/"
    assert (token["aud"], token["pid"]) == ("https://api.x", "01810199999")


async def test_who_calls_for_another_in_the_old_way_is_the_supplier_as_well(
    issuer: Maskinporten, session: ClientSession
) -> None:
    about = claims(ORGNR, issuer.name, "ks:fiks", iss_onbehalfof="310992003")
    token = await granted(issuer, session, assertion(about, KEY, x5c=CERTIFICATE))
    assert (token["consumer"]["ID"], token["supplier"]["ID"]) == ("0192:310992003", f"0192:{ORGNR}")
    assert "delegation_source" not in token


async def test_a_system_user_s_token_is_let_in_as_its_vendor_s(issuer: Maskinporten, session: ClientSession) -> None:
    asked = [{"type": "urn:altinn:systemuser", "systemuser_org": party("310992003")}]
    about = claims(ORGNR, issuer.name, "ks:fiks", authorization_details=asked)
    status, answer = await ask(issuer, session, assertion(about, KEY, x5c=CERTIFICATE))
    assert status == 200
    token = jwt.decode(answer["access_token"], rsa_key()).claims
    [details] = token["authorization_details"]
    assert (token["consumer"], details["systemuser_org"]) == (party(ORGNR), party("310992003"))
    assert details.keys() == {"type", "systemuser_id", "systemuser_org", "system_id"}
    proved = await Tokens(issuer.name, NO_IDPORTEN, session).verify(answer["access_token"])
    assert (proved.consumer, proved.supplier) == (ORGNR, None)


async def test_a_registered_key_is_as_good_as_a_certificate(issuer: Maskinporten, session: ClientSession) -> None:
    keys = {"keys": [KEY.as_dict(private=False)]}
    async with session.put(f"{issuer.name}clients/test-{ORGNR}/jwks", json=keys) as answer:
        assert answer.status == 204
    token = await granted(issuer, session, assertion(claims(ORGNR, issuer.name, "ks:fiks"), KEY, kid=KEY.kid))
    assert (token["client_amr"], token["consumer"]["ID"]) == ("private_key_jwt", f"0192:{ORGNR}")
    others = assertion(claims("310992003", issuer.name, "ks:fiks"), KEY, kid=KEY.kid)
    status, answer = await ask(issuer, session, others)
    assert (status, answer["error"]) == (400, "invalid_grant"), "another client's key"


@pytest.mark.parametrize("said", ["nojson", "[]", "{}", '{"keys": 1}', '{"keys": [1]}'])
async def test_keys_that_are_none_are_not_registered(issuer: Maskinporten, session: ClientSession, said: str) -> None:
    async with session.put(f"{issuer.name}clients/test-{ORGNR}/jwks", data=said) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")


async def test_its_tokens_are_let_in_and_it_is_discovered(issuer: Maskinporten, session: ClientSession) -> None:
    token = await Tokens(issuer.name, NO_IDPORTEN, session).verify(await token_for(issuer.name, ORGNR))
    assert token.consumer == ORGNR


async def test_who_asks_for_a_test_token_learns_why_there_is_none(issuer: Maskinporten) -> None:
    with pytest.raises(Rejected, match="MP-200"):
        await token_for(issuer.name, ORGNR, "altinn:admin")


@pytest.mark.parametrize(
    ("asked", "claims_of"),
    [
        (["machine", "--orgnr", ORGNR], {"consumer": party(ORGNR)}),
        (["person", "--pid", PEOPLE[0].pid, "--niva", "3"], {"pid": PEOPLE[0].pid, "acr": ACR[3]}),
    ],
    ids=["machine", "person"],
)
async def test_what_the_command_line_prints_is_a_token(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], claims_of: dict[str, Any]
) -> None:
    async with running_issuers() as issuers:
        monkeypatch.setenv("FIKS_TEST_MODE", "true")
        monkeypatch.setenv("FIKS_ISSUER", issuers.maskinporten.name)
        monkeypatch.setenv("FIKS_IDPORTEN_ISSUER", issuers.idporten.name)
        printed = await asyncio.to_thread(CliRunner().invoke, commands.test_token, asked)
    key = rsa_key() if "consumer" in claims_of else rsa_key(5)
    assert jwt.decode(printed.output.strip(), key).claims.items() >= claims_of.items()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "https://maskinporten.no/"}, "MP-110"),
        ({"aud": None}, "MP-110"),
        ({"exp": timedelta(seconds=100_000)}, "MP-011"),
        ({"exp": None}, "MP-011"),
        ({"iat": "now"}, "MP-011"),
        ({"iat": timedelta(seconds=-10_000), "exp": timedelta(seconds=-9_900)}, "MP-130"),
        ({"iat": timedelta(seconds=10_000), "exp": timedelta(seconds=10_100)}, "MP-130"),
        ({"iss": "somebody"}, "MP-100"),
        ({"iss": "test-31099100"}, "MP-100"),
        ({"iss": "test-310992003"}, "MP-122"),
        ({"scope": ""}, "MP-200"),
        ({"scope": "ks:fiks altinn:admin"}, "MP-200"),
        ({"consumer_org": "x"}, "MP-251"),
        ({"iss_onbehalfof": "x"}, "MP-251"),
        ({"iss_onbehalfof": "310992003", "consumer_org": "310992003"}, "MP-011"),
        ({"authorization_details": []}, "MP-301"),
        ({"authorization_details": [{"type": "urn:altinn:systemuser"}]}, "MP-301"),
        ({"iat": True, "exp": 100}, "MP-011"),
    ],
    ids=str,
)
async def test_refuses(issuer: Maskinporten, session: ClientSession, changes: dict[str, Any], code: str) -> None:
    """Times are said from now on: tests may be collected hours before."""
    now = datetime.now(UTC)
    about = claims(ORGNR, issuer.name, "ks:fiks") | {
        name: int((now + said).timestamp()) if isinstance(said, timedelta) else said for name, said in changes.items()
    }
    status, answer = await ask(issuer, session, assertion(about, KEY, x5c=CERTIFICATE))
    assert status in (400, 401)
    assert f"({code})" in answer["error_description"]
    assert answer["error"] in ("invalid_grant", "invalid_client", "invalid_scope", "invalid_authorization_details")


async def test_refuses_what_is_not_signed_by_its_certificate(issuer: Maskinporten, session: ClientSession) -> None:
    signed = assertion(claims(ORGNR, issuer.name, "ks:fiks"), rsa_key(8), x5c=CERTIFICATE)
    assert "(MP-124)" in (await ask(issuer, session, signed))[1]["error_description"]


@pytest.mark.parametrize("chain", [[], ["x"], "x", ["eA=="], {}, [1]], ids=str)
async def test_refuses_what_is_no_certificate(issuer: Maskinporten, session: ClientSession, chain: Any) -> None:
    about = claims(ORGNR, issuer.name, "ks:fiks")
    signed = assertion(about, KEY, x5c=CERTIFICATE)
    head = jwt.encode({"alg": "RS256"}, {"alg": "RS256", "x5c": chain}, KEY).split(".")[1]
    forged = ".".join([head, *signed.split(".")[1:]])
    status, answer = await ask(issuer, session, forged)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert "(MP-123)" in answer["error_description"] or not isinstance(chain, list)


@pytest.mark.parametrize("garbage", ["", "x", "a.b.c", "æ", "e30.e30.", "e30.W10."])
async def test_refuses_what_cannot_be_read(issuer: Maskinporten, session: ClientSession, garbage: str) -> None:
    status, answer = await ask(issuer, session, garbage)
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_refuses_another_grant_type(issuer: Maskinporten, session: ClientSession) -> None:
    signed = assertion(claims(ORGNR, issuer.name, "ks:fiks"), KEY, x5c=CERTIFICATE)
    assert (await ask(issuer, session, signed, "client_credentials"))[1]["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("jti", ["the-same", None])
async def test_an_assertion_is_used_once(issuer: Maskinporten, session: ClientSession, jti: str | None) -> None:
    about = claims(ORGNR, issuer.name, "ks:fiks")
    if jti is None:
        del about["jti"]
    signed = assertion(about, KEY, x5c=CERTIFICATE)
    assert (await ask(issuer, session, signed))[0] == 200
    assert "(MP-012)" in (await ask(issuer, session, signed))[1]["error_description"]


def unusual_certificate(
    key: Any, first: datetime, last: datetime, named: tuple[x509.NameAttribute[str], ...] = ()
) -> list[str]:
    name = x509.Name(named)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(first).not_valid_after(last).serial_number(1)
    return x5c(dated.sign(KEY.private_key, hashes.SHA256()))


async def test_refuses_certificates_that_are_over_or_not_rsa(issuer: Maskinporten, session: ClientSession) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    over = unusual_certificate(KEY.private_key, now - 2 * day, now - day)
    elliptic = unusual_certificate(ec.generate_private_key(ec.SECP256R1()), now - day, now + day)
    for chain in (over, elliptic):
        signed = assertion(claims(ORGNR, issuer.name, "ks:fiks"), KEY, x5c=chain)
        assert "(MP-120)" in (await ask(issuer, session, signed))[1]["error_description"]


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ((), 401),
        ((x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{ORGNR}"),), 200),
        ((x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "NTRNO-310992003"),), 401),
        (
            (
                x509.NameAttribute(NameOID.SERIAL_NUMBER, ORGNR),
                x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "NTRNO-310992003"),
            ),
            401,
        ),
    ],
    ids=str,
)
async def test_a_certificate_names_the_organisation_and_no_other(
    issuer: Maskinporten, session: ClientSession, named: tuple[x509.NameAttribute[str], ...], status: int
) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    chain = unusual_certificate(KEY.private_key, now - day, now + day, named)
    answered, answer = await ask(issuer, session, assertion(claims(ORGNR, issuer.name, "ks:fiks"), KEY, x5c=chain))
    assert answered == status
    assert status == 200 or "(MP-122)" in answer["error_description"]


def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = own_key(tmp_path / "state")
    assert own_key(tmp_path / "state").kid == first.kid
    file = tmp_path / "state" / "issuer-key.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["d"]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
