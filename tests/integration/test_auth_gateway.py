"""From the log to the door: seeded on a real Kafka, folded into memory, and let in or not by what a call shows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.auth import passwords
from gateway.auth.callers import Callers
from gateway.auth.demands import demanding, integration, open_to_all, silent_routes
from gateway.auth.grant import token_for
from gateway.auth.integrations import Integrations
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.middleware import authenticate, demand_on
from gateway.auth.passwords import Passwords
from gateway.auth.persons import Persons
from gateway.auth.principal import PRINCIPAL
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import Maskinporten
from gateway.problems import problems
from gateway.seed import PRIVILEGIUM, PROVDAL, TESTVIK, credentials, seed
from streams import topics
from streams.domain.errors import Rejected, Unavailable
from tests.support.door import Powers
from tests.support.eventually import eventually
from tests.support.issuer import NO_IDPORTEN, running_issuer
from tests.support.records import records_on
from tests.support.stack import OwnKafka, temporary_folder


@dataclass(frozen=True)
class Seeded:
    """A Kafka that was seeded from a state folder."""

    server: OwnKafka
    state: Path

    @property
    def bootstrap(self) -> str:
        return self.server.bootstrap


@pytest_asyncio.fixture(scope="module")
async def seeded() -> AsyncIterator[Seeded]:
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        topics.apply(server.bootstrap, 1)
        assert await seed(server.bootstrap, folder / "state") == 44
        yield Seeded(server, folder / "state")
        await server.stop()


@pytest.fixture
async def memory(seeded: Seeded) -> AsyncIterator[Memory]:
    memory = Memory(seeded.bootstrap)
    await memory.start()
    await eventually(lambda: memory.ready)
    yield memory
    await memory.stop()


@pytest.fixture
async def issuer() -> AsyncIterator[Maskinporten]:
    async with running_issuer() as issuer:
        yield issuer


async def who(request: web.Request) -> web.Response:
    principal = request.get(PRINCIPAL)
    return web.json_response({"actor": principal and principal.actor, "supplier": principal and principal.leverandor})


async def late(request: web.Request) -> web.Response:
    await demand_on(request, UUID(request.match_info["other"]))
    return await who(request)


async def forgetful(request: web.Request) -> web.Response:
    return await who(request)


async def anyone(request: web.Request) -> web.Response:
    return await who(request)


async def any_integration(request: web.Request) -> web.Response:
    return await who(request)


async def silent(request: web.Request) -> web.Response:
    return await who(request)


def make_app(memory: Memory, issuer: Maskinporten, session: ClientSession) -> web.Application:
    tokens = Tokens(issuer.name, NO_IDPORTEN, session)
    callers = Callers(tokens, Integrations(memory, Passwords()), Persons(bytes(32)), Powers())
    app = web.Application(middlewares=[problems, authenticate(callers)])
    app[MEMORY] = memory
    app.router.add_get("/kontoer/{kontoId}", demanding(integration(PRIVILEGIUM), who))
    app.router.add_get("/late/{other}", demanding(integration(PRIVILEGIUM), late))
    app.router.add_get("/forgetful", demanding(integration(PRIVILEGIUM), forgetful))
    app.router.add_get("/any", demanding(integration(), any_integration))
    app.router.add_get("/open", demanding(open_to_all, anyone))
    app.router.add_get("/silent", silent)
    return app


class Door:
    """Calls the application as Testvik's integration, but for what a test changes. ``...`` leaves a header out."""

    def __init__(self, server: TestServer, session: ClientSession, token: str, own: dict[str, str]) -> None:
        self._server, self._session = server, session
        self.konto = own["kontoId"]
        self.headers = {
            "Authorization": f"Bearer {token}",
            "IntegrasjonId": own["integrasjonId"],
            "IntegrasjonPassord": own["integrasjonPassord"],
        }

    async def knock(self, path: str | None = None, **changes: Any) -> tuple[int, dict[str, Any]]:
        headers = {name: value for name, value in (self.headers | changes).items() if value is not ...}
        url = self._server.make_url(path or f"/kontoer/{self.konto}")
        async with self._session.get(url, headers=headers) as answer:
            if answer.status == 401:
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fiks"'
            return answer.status, await answer.json()


@pytest.fixture
async def door(memory: Memory, issuer: Maskinporten, seeded: Seeded) -> AsyncIterator[Door]:
    async with ClientSession() as session, TestServer(make_app(memory, issuer, session), host="127.0.0.1") as server:
        token = await token_for(issuer.name, TESTVIK.orgnr)
        yield Door(server, session, token, credentials(seeded.state)[0])


NOTHING = {"Authorization": ..., "IntegrasjonId": ..., "IntegrasjonPassord": ...}


async def test_the_right_caller_is_let_in(door: Door) -> None:
    actor = f"integrasjon:{TESTVIK.id('integrasjon')}"
    for path in (None, f"/late/{door.konto}", "/any"):
        assert await door.knock(path) == (200, {"actor": actor, "supplier": None})
    assert await door.knock(Authorization=door.headers["Authorization"].replace("Bearer", "bearer")) == (
        200,
        {"actor": actor, "supplier": None},
    )


async def test_a_delegated_token_names_the_supplier(door: Door, issuer: Maskinporten) -> None:
    token = await token_for(issuer.name, "310993999", consumer_org=TESTVIK.orgnr)
    assert (await door.knock(Authorization=f"Bearer {token}"))[1]["supplier"] == "310993999"
    reverse = await token_for(issuer.name, TESTVIK.orgnr, consumer_org="310993999")
    assert (await door.knock(Authorization=f"Bearer {reverse}"))[0] == 401


@pytest.mark.parametrize(
    "changes",
    [
        NOTHING,
        {"Authorization": ...},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": "Basic eDp5"},
    ],
    ids=str,
)
async def test_without_a_token_the_answer_is_about_the_token(door: Door, changes: dict[str, Any]) -> None:
    status, body = await door.knock(**changes)
    assert (status, body["status"]) == (401, 401)
    assert body["message"].startswith("Klarte ikke å validere access_token")


async def test_a_token_with_another_scope_is_refused(door: Door, issuer: Maskinporten) -> None:
    token = await token_for(issuer.name, TESTVIK.orgnr, "ks:fiksoom")
    status, body = await door.knock(Authorization=f"Bearer {token}")
    assert (status, body["message"]) == (401, "Klarte ikke å validere access_token: mangler scope ks:fiks")


async def test_which_of_the_three_was_wrong_is_neither_said_nor_to_be_measured(
    door: Door, issuer: Maskinporten, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong password, wrong organisation (with the right password) and an unknown id: one text, one slow proof each."""
    await door.knock()  # from here on the right password is remembered
    slow: list[str] = []
    matches = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda known, passord: slow.append(known) or matches(known, passord))
    other_token = f"Bearer {await token_for(issuer.name, PROVDAL.orgnr)}"
    unknown = "00000000-0000-0000-0000-000000000001"
    for changes in (
        {"IntegrasjonPassord": "feil"},
        {"IntegrasjonPassord": ...},
        {"Authorization": other_token},
        {"Authorization": other_token, "IntegrasjonPassord": "feil"},
        {"IntegrasjonId": unknown},
        {"IntegrasjonId": "ingen uuid"},
        {"IntegrasjonId": ...},
    ):
        slow.clear()
        status, body = await door.knock(**changes)
        claimed = changes.get("IntegrasjonId", door.headers["IntegrasjonId"])
        named = "" if claimed is ... else claimed
        assert (status, body["message"]) == (401, f"Autentisering feilet for integrasjon med id {named}"), changes
        assert len(slow) == 1, changes


async def test_without_the_privilege_the_door_stays_shut(door: Door) -> None:
    others, nobodys = str(PROVDAL.id("konto")), "00000000-0000-0000-0000-000000000001"
    for konto in (others, nobodys):
        # Where the handler finds the resource, its id would tell what there is.
        for path, on in ((f"/kontoer/{konto}", f" på {konto}"), (f"/late/{konto}", "")):
            status, body = await door.knock(path)
            assert (status, body["message"]) == (403, f"Mangler privilegiet SVARUT.SEND{on}")


async def test_an_account_that_is_no_uuid_is_not_found(door: Door) -> None:
    assert (await door.knock("/kontoer/x"))[0] == 404


async def test_who_is_nobody_may_use_what_is_open_and_learns_what_does_not_exist(door: Door) -> None:
    assert await door.knock("/open", **NOTHING) == (200, {"actor": None, "supplier": None})
    assert (await door.knock("/nothing/here", **NOTHING))[0] == 404


async def test_a_route_that_says_nothing_lets_nobody_in(door: Door, memory: Memory, issuer: Maskinporten) -> None:
    assert (await door.knock("/silent"))[0] == 403
    assert all("/silent" in route for route in silent_routes(make_app(memory, issuer, None)))


async def test_a_handler_that_forgets_to_ask_for_the_privilege_is_a_bug(door: Door) -> None:
    status, body = await door.knock("/forgetful")
    assert (status, "actor" in body) == (500, False)


def test_a_handler_has_one_demand() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    demanding(open_to_all, demanding(open_to_all, handler))
    with pytest.raises(ValueError, match="on one route"):
        demanding(integration(), handler)


async def test_while_the_memory_is_not_ready_nobody_is_a_stranger(issuer: Maskinporten, seeded: Seeded) -> None:
    unread = Memory(seeded.bootstrap)
    async with ClientSession() as session, TestServer(make_app(unread, issuer, session), host="127.0.0.1") as server:
        door = Door(server, session, await token_for(issuer.name, TESTVIK.orgnr), credentials(seeded.state)[0])
        assert (await door.knock())[0] == 503
        assert (await door.knock("/open"))[0] == 200


async def test_when_the_issuer_is_away_the_answer_is_not_401(memory: Memory, seeded: Seeded) -> None:
    async with running_issuer() as issuer:
        token = await token_for(issuer.name, TESTVIK.orgnr)
    async with ClientSession() as session, TestServer(make_app(memory, issuer, session), host="127.0.0.1") as server:
        status, body = await Door(server, session, token, credentials(seeded.state)[0]).knock()
        assert status == 503
        assert "Utstederen" in body["message"]


def test_what_is_seeded_says_who_said_it(seeded: Seeded) -> None:
    said = [dict(one.headers) for one in records_on(seeded.bootstrap, "fiks.konfigurasjon")]
    assert {(one["ce_source"], one.get("ce_actor")) for one in said} == {(b"urn:fiks:seed", b"urn:fiks:seed")}


async def test_seeding_again_appends_nothing(seeded: Seeded, memory: Memory) -> None:
    assert await seed(seeded.bootstrap, seeded.state) == 0
    assert memory.mottakersystem(PROVDAL.orgnr, None, 3).id == PROVDAL.id("mottakersystem")
    assert memory.mottakersystem(TESTVIK.orgnr, None, 3) is None
    assert memory.ressurs(TESTVIK.id("konto")).type == "SVARUT_KONTO"


async def test_seeding_with_other_passwords_than_the_log_has_says_so(seeded: Seeded, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"seed\.json"):
        await seed(seeded.bootstrap, tmp_path)


async def test_seeding_where_there_is_no_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr("gateway.seed.PATIENCE", 0.5)
    with pytest.raises(Unavailable, match="broker"):
        await seed(f"127.0.0.1:{unused_tcp_port}", tmp_path)


def test_passwords_are_for_the_owner_alone(seeded: Seeded) -> None:
    assert (seeded.state / "seed.json").stat().st_mode & 0o777 == 0o600
