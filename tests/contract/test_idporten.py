"""The test issuer logs in, renews and logs out as ID-porten does. Contract: auth.md 3."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
from aiohttp import ClientSession, CookieJar, encode_basic_auth
from joserfc import jwt

from gateway.auth import login
from gateway.auth.claims import PersonToken
from gateway.auth.login import LOGIN, person_token, tokens
from gateway.auth.tokens import Tokens
from gateway.digital_id import Kind, kind_of
from gateway.issuer.idporten import AUTHORIZED_FOR, CODE_LIFETIME, PUSHED_FOR, REFRESH_IDLE, IdPorten, s256
from gateway.issuer.people import PEOPLE, is_synthetic
from streams.domain.errors import NotAuthenticated, Rejected
from tests.support.issuer import rsa_key, running_issuers

ORGNR, CLIENT, PID = "310991007", "test-310991007", PEOPLE[0].pid
BACK, AFTER = "https://minside.test/tilbake?a=1", "https://minside.test/ute"
SECRET, VERIFIER = "hemmelig:+ %", "v" * 43
REAL = "01010700066"


def basic(client: str, secret: str) -> str:
    """The Authorization header of a client (RFC 6749, 2.3.1)."""
    return encode_basic_auth(quote_plus(client), quote_plus(secret))


OWN = basic(CLIENT, SECRET)
ASKED = {
    "response_type": "code",
    "client_id": CLIENT,
    "redirect_uri": BACK,
    "scope": "openid ks:fiks",
    "state": "s&t",
    "nonce": "n",
    "code_challenge": s256(VERIFIER),
    "code_challenge_method": "S256",
}


class Clock:
    """When the test began, and what it adds to that: how long it takes counts for nothing."""

    def __init__(self) -> None:
        self.began, self.later = time.time(), 0.0

    def __call__(self) -> float:
        return self.began + self.later


class Browser:
    """A browser, and the client that sends it to log in."""

    def __init__(self, issuer: IdPorten, clock: Clock, session: ClientSession) -> None:
        self.issuer, self.clock, self.session = issuer, clock, session

    async def register(self, secret: str | None = SECRET, client: str = CLIENT) -> None:
        about = {"redirect_uris": [BACK], "post_logout_redirect_uris": [AFTER], "client_secret": secret}
        async with self.session.put(f"{self.issuer.name}/clients/{client}", json=about) as answer:
            assert answer.status == 204

    async def authorize(self, **changes: str | None) -> tuple[int, dict[str, str], str]:
        """Status, what the client is told in the redirect, and the page."""
        params = {name: value for name, value in (ASKED | changes).items() if value is not None}
        async with self.session.get(f"{self.issuer.name}/authorize", params=params, allow_redirects=False) as answer:
            return answer.status, told(answer.headers.get("Location")), await answer.text()

    async def push(self, auth: str | None = OWN, **changes: str) -> tuple[int, dict[str, Any]]:
        """Push what is asked for (RFC 9126)."""
        headers = {"Authorization": auth} if auth else {}
        form = ASKED | changes
        async with self.session.post(f"{self.issuer.name}/par", data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def pick(self, page: str, pid: str = PID, niva: str = "4") -> tuple[int, dict[str, str], str]:
        found = LOGIN.search(page)
        assert found, page
        form = {"login": found[1], "pid": pid, "niva": niva}
        async with self.session.post(f"{self.issuer.name}/login", data=form, allow_redirects=False) as answer:
            return answer.status, told(answer.headers.get("Location")), await answer.text()

    async def code(self, **changes: str | None) -> str:
        return (await self.pick((await self.authorize(**changes))[2]))[1]["code"]

    async def token(self, auth: str | None = OWN, **form: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": auth} if auth else {}
        async with self.session.post(f"{self.issuer.name}/token", data=form, headers=headers) as answer:
            assert answer.status != 200 or answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json()

    async def redeem(self, code: str, auth: str | None = OWN, **changes: str) -> Any:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
        return await self.token(auth, **(form | changes))

    async def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        return await self.token(grant_type="refresh_token", refresh_token=token)

    async def logout(self, **params: str) -> tuple[int, str | None]:
        async with self.session.get(f"{self.issuer.name}/logout", params=params, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location")


def told(location: str | None) -> dict[str, str]:
    said = parse_qs(urlsplit(location or "").query, keep_blank_values=True)
    return {name: values[0] for name, values in said.items()}


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, rsa_key(5)).claims


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    clock = Clock()
    async with running_issuers(clock) as issuers, ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        made = Browser(issuers.idporten, clock, session)
        await made.register()
        yield made


async def test_a_login_gives_a_code_and_that_gives_tokens(browser: Browser) -> None:
    status, _, page = await browser.authorize()
    assert status == 200 and "<script" not in page and all(f'value="{person.pid}"' in page for person in PEOPLE)
    status, said, _ = await browser.pick(page)
    assert (status, said["state"], said["iss"], said["a"]) == (303, "s&t", browser.issuer.name, "1")
    status, answer = await browser.redeem(said["code"])
    assert (status, answer["token_type"], answer["scope"]) == (200, "Bearer", "openid ks:fiks"), answer
    access, id_token = claims(answer["access_token"]), claims(answer["id_token"])
    assert {name: access[name] for name in ("iss", "pid", "acr", "scope", "client_id", "token_type")} == {
        "iss": browser.issuer.name,
        "pid": PID,
        "acr": "idporten-loa-high",
        "scope": "openid ks:fiks",
        "client_id": CLIENT,
        "token_type": "Bearer",
    }
    assert access["consumer"] == {"authority": "iso6523-actorid-upis", "ID": f"0192:{ORGNR}"}
    assert (id_token["aud"], id_token["nonce"], "scope" in id_token) == (CLIENT, "n", False)
    assert access["sub"] == id_token["sub"] and PID not in access["sub"]


async def test_the_gateway_takes_the_access_token_and_not_the_id_token(browser: Browser) -> None:
    answer = (await browser.redeem(await browser.code()))[1]
    gateway = Tokens("https://maskinporten.no/", browser.issuer.name, browser.session)
    token = await gateway.verify(answer["access_token"])
    assert isinstance(token, PersonToken)
    assert (token.pid, token.niva, token.consumer) == (PID, 4, ORGNR)
    with pytest.raises(NotAuthenticated, match="id_token"):
        await gateway.verify(answer["id_token"])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "x"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"nonce": None}, "invalid_request"),
        ({"acr_values": "urn:x"}, "invalid_request"),
        ({"scope": "ks:fiks"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"prompt": "none"}, "login_required"),
    ],
    ids=str,
)
async def test_a_client_that_asks_wrongly_is_told_so(browser: Browser, changes: dict[str, Any], error: str) -> None:
    status, said, _ = await browser.authorize(**changes)
    assert (status, said["error"], said.get("state")) == (303, error, changes.get("state", "s&t"))


@pytest.mark.parametrize("changes", [{"client_id": "test-310992003"}, {"redirect_uri": "https://ond.test/"}], ids=str)
async def test_nobody_is_sent_where_no_client_has_registered(browser: Browser, changes: dict[str, Any]) -> None:
    status, said, page = await browser.authorize(**changes)
    assert (status, said) == (400, {}) and "Kan ikke logge inn" in page


@pytest.mark.parametrize("pid", [REAL, "12858010054", "", "x", "310991007", '"><b>'])
async def test_only_synthetic_numbers_log_in(browser: Browser, pid: str) -> None:
    page = (await browser.authorize())[2]
    status, said, again = await browser.pick(page, pid)
    assert (status, said) == (400, {}) and "bare syntetiske" in unescape(again)
    assert (await browser.pick(again))[0] == 303, "one may pick again"


@pytest.mark.parametrize(("acr", "picked", "status"), [
    ("idporten-loa-high", "3", 400), ("idporten-loa-high", "4", 303), ("Level4", "3", 400),
    ("idporten-loa-substantial", "3", 303), (None, "3", 303), (None, "5", 400), (None, "", 400),
])  # fmt: skip
async def test_the_level_is_at_least_what_was_asked(browser: Browser, acr: str, picked: str, status: int) -> None:
    page = (await browser.authorize(acr_values=acr))[2]
    assert (await browser.pick(page, niva=picked))[0] == status


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": AFTER},
    ],
    ids=str,
)
async def test_only_who_asked_redeems_a_code(browser: Browser, changes: dict[str, str]) -> None:
    status, answer = await browser.redeem(await browser.code(), **changes)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert (await browser.redeem("another"))[0] == 400


async def test_another_client_does_not_redeem_a_code_or_a_client_without_its_secret(browser: Browser) -> None:
    await browser.register(None, "test-310992003")
    code = await browser.code()
    assert (await browser.redeem(code, None, client_id="test-310992003"))[1]["error"] == "invalid_grant"
    for auth, more in (
        (basic(CLIENT, "feil"), {}),
        (None, {"client_id": CLIENT}),
        (None, {"client_id": CLIENT, "client_secret": ""}),
        (None, {}),
        (basic("test-999", SECRET), {}),
    ):
        status, answer = await browser.redeem(code, auth, **more)
        assert (status, answer["error"]) == (401, "invalid_client")
    assert (await browser.redeem(code, None, client_id=CLIENT, client_secret=SECRET))[0] == 200


async def test_a_code_is_good_once_and_not_long(browser: Browser) -> None:
    code = await browser.code()
    answer = (await browser.redeem(code))[1]
    assert (await browser.redeem(code))[0] == 400
    assert (await browser.refresh(answer["refresh_token"]))[0] == 400, "a code that comes twice was stolen"
    code = await browser.code(prompt="login")
    browser.clock.later += CODE_LIFETIME
    assert (await browser.redeem(code))[0] == 400


async def test_a_refresh_token_is_good_once_and_a_stolen_one_ends_them_all(browser: Browser) -> None:
    first = (await browser.redeem(await browser.code()))[1]
    status, second = await browser.refresh(first["refresh_token"])
    assert status == 200 and claims(second["access_token"])["pid"] == PID
    assert second["refresh_token"] != first["refresh_token"]
    assert (await browser.refresh(first["refresh_token"]))[0] == 400
    assert (await browser.refresh(second["refresh_token"]))[0] == 400


async def test_refreshing_ends_when_it_was_not_done_and_after_two_hours(browser: Browser) -> None:
    token = (await browser.redeem(await browser.code()))[1]["refresh_token"]
    began = browser.clock.later
    while browser.clock.later - began + REFRESH_IDLE - 1 < AUTHORIZED_FOR:
        browser.clock.later += REFRESH_IDLE - 1
        status, answer = await browser.refresh(token)
        assert status == 200
        token = answer["refresh_token"]
    browser.clock.later = began + AUTHORIZED_FOR
    assert (await browser.refresh(token))[0] == 400
    idle = (await browser.redeem(await browser.code(prompt="login")))[1]["refresh_token"]
    browser.clock.later += REFRESH_IDLE
    assert (await browser.refresh(idle))[0] == 400


async def test_a_public_client_does_not_refresh(browser: Browser) -> None:
    await browser.register(None)
    answer = (await browser.redeem(await browser.code(), None, client_id=CLIENT))[1]
    assert "access_token" in answer and "refresh_token" not in answer


ONLY_CLIENT: dict[str, None] = dict.fromkeys(ASKED.keys() - {"client_id"})


async def test_what_was_pushed_is_asked_for_by_its_request_uri_once_and_not_for_long(browser: Browser) -> None:
    status, pushed = await browser.push()
    assert status == 201
    _, _, page = await browser.authorize(**ONLY_CLIENT, request_uri=pushed["request_uri"])
    code = (await browser.pick(page))[1]["code"]
    assert (await browser.redeem(code))[0] == 200
    assert (await browser.authorize(**ONLY_CLIENT, request_uri=pushed["request_uri"]))[:2] == (400, {})
    late = (await browser.push())[1]["request_uri"]
    browser.clock.later += PUSHED_FOR
    assert (await browser.authorize(**ONLY_CLIENT, request_uri=late))[:2] == (400, {})


async def test_only_the_client_itself_pushes_and_uses_what_was_pushed(browser: Browser) -> None:
    assert (await browser.push(basic(CLIENT, "galt")))[1]["error"] == "invalid_client"
    assert (await browser.push(redirect_uri="https://annen.test/"))[1]["error"] == "invalid_request"
    assert (await browser.push(code_challenge_method="plain"))[1]["error"] == "invalid_request"
    uri = (await browser.push())[1]["request_uri"]
    await browser.register(client=f"{CLIENT}-annen")
    asked = ONLY_CLIENT | {"request_uri": uri, "client_id": f"{CLIENT}-annen"}
    assert (await browser.authorize(**asked))[:2] == (400, {})


async def test_who_has_logged_in_is_not_asked_again_but_for_a_higher_level(browser: Browser) -> None:
    await browser.pick((await browser.authorize())[2], niva="3")
    status, said, _ = await browser.authorize(prompt="none")
    assert status == 303
    assert claims((await browser.redeem(said["code"]))[1]["access_token"])["acr"] == "idporten-loa-substantial"
    assert (await browser.authorize(acr_values="idporten-loa-high"))[0] == 200
    assert (await browser.authorize(prompt="login"))[0] == 200


async def test_after_logging_out_one_logs_in_anew_and_nothing_is_refreshed(browser: Browser) -> None:
    answer = (await browser.redeem(await browser.code()))[1]
    browser.session.cookie_jar.clear()  # the hint alone must do
    status, where = await browser.logout(
        id_token_hint=answer["id_token"], post_logout_redirect_uri=AFTER, state="ferdig"
    )
    assert (status, where) == (303, f"{AFTER}?state=ferdig")
    assert (await browser.refresh(answer["refresh_token"]))[0] == 400


async def test_logging_out_in_the_browser_ends_its_session(browser: Browser) -> None:
    await browser.code()
    assert await browser.logout(client_id=CLIENT, post_logout_redirect_uri=AFTER) == (303, AFTER)
    assert (await browser.authorize())[0] == 200


async def test_logging_out_leads_only_where_the_client_has_said(browser: Browser) -> None:
    assert await browser.logout(client_id=CLIENT, post_logout_redirect_uri="https://ond.test/") == (400, None)
    assert await browser.logout(post_logout_redirect_uri=AFTER) == (400, None)
    assert await browser.logout(id_token_hint="x.y.z") == (200, None)


@pytest.mark.parametrize("client", ["minside", "test-31099100", "test-310991007-", "test-310991007-A"])
async def test_a_client_says_by_its_name_whose_it_is(browser: Browser, client: str) -> None:
    async with browser.session.put(f"{browser.issuer.name}/clients/{client}", json={"redirect_uris": [BACK]}) as answer:
        assert (answer.status, (await answer.json())["error"]) == (401, "invalid_client")


async def test_it_is_discovered(browser: Browser) -> None:
    async with browser.session.get(f"{browser.issuer.name}/.well-known/openid-configuration") as answer:
        about = await answer.json()
    assert about["issuer"] == browser.issuer.name
    assert (about["code_challenge_methods_supported"], about["response_types_supported"]) == (["S256"], ["code"])


@pytest.mark.parametrize("niva", [3, 4])
async def test_a_token_for_curl_is_had_without_a_browser(browser: Browser, niva: int) -> None:
    token = await person_token(browser.issuer.name, PID, niva, ORGNR)
    found = await Tokens("https://maskinporten.no/", browser.issuer.name, browser.session).verify(token)
    assert isinstance(found, PersonToken)
    assert (found.pid, found.niva, found.consumer) == (PID, niva, ORGNR)
    with pytest.raises(Rejected, match="syntetiske"):
        await tokens(browser.session, browser.issuer.name, REAL, niva, ORGNR)


def test_those_who_can_log_in_do_not_exist() -> None:
    assert all(is_synthetic(person.pid) for person in PEOPLE)
    assert {int(person.pid[2:4]) // 10 for person in PEOPLE} >= {4, 7, 8, 9}, "all three populations"
    assert kind_of(REAL) is Kind.PERSON and not is_synthetic(REAL)
    assert login.REDIRECT_URI.startswith("http://127.0.0.1/")
