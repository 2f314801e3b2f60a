"""The Fullmakt API as the contract has it: real door, real issuers, and an Altinn that really answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from gateway.auth.claims import ACR
from gateway.fullmakt import FULLMAKTER, Fullmakter
from gateway.routes.fullmakt import routes
from gateway.seed import PROVDAL, TESTVIK
from gateway.stand_ins.population import ASE, DOLLY, KARE, MINA, RESSURS, SKOLE
from tests.support.door import VENDOR, Door, door, shown
from tests.support.issuer import running_issuers
from tests.support.ports import free_port
from tests.support.registers import asking, running_stand_ins, settings_of

BASE = "/fullmakt/api/v1"
ALL, RESOURCES = f"{BASE}/hasFullmaktForAllResources", f"{BASE}/hasFullmaktForResources"


class Api(NamedTuple):
    """The API, asked by whoever the test says."""

    door: Door

    def person(self, pid: str, **claims: Any) -> dict[str, str]:
        return shown(self.door.person(pid=pid, **claims))

    def machine(self) -> dict[str, str]:
        return shown(self.door.machine(), integration=True)

    async def get(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        async with self.door.session.get(self.door.server.make_url(BASE + path), headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        said = body if isinstance(body, str) else json.dumps(body)
        own = headers | {"Content-Type": "application/json"}
        async with self.door.session.post(self.door.server.make_url(path), data=said, headers=own) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_issuers() as issuers, running_stand_ins(issuers, tmp_path) as registers, door(issuers) as made:
        made.app[FULLMAKTER] = Fullmakter(registers.altinn, 300)
        routes.add_to(made.app)
        async with made.server:
            yield Api(made)


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Api]:
    """The same while Altinn is away."""
    async with running_issuers() as issuers, door(issuers) as made, ClientSession() as session:
        registers = asking(settings_of(issuers, tmp_path, free_port()), session)
        made.app[FULLMAKTER] = Fullmakter(registers.altinn, 300)
        routes.add_to(made.app)
        async with made.server:
            yield Api(made)


async def test_everyone_that_one_may_act_for(api: Api) -> None:
    me = {"aktor": ASE.pid, "navn": "ÅSE TESTESEN", "type": "PERSON"}
    testvik = {"aktor": TESTVIK.orgnr, "navn": "TESTVIK KOMMUNE", "type": "ORGANISASJON"}
    assert await api.get("/alle", api.person(ASE.pid)) == (200, [me, testvik])
    assert await api.get("/alle?cache=false", api.person(ASE.pid)) == (200, [me, testvik])
    assert await api.get("/meg", api.person(ASE.pid)) == (200, me)


async def test_somebody_whom_altinn_does_not_know_has_no_name(api: Api) -> None:
    stranger = "01810110089"
    assert await api.get("/meg", api.person(stranger)) == (200, {"aktor": stranger, "navn": "", "type": "PERSON"})


@pytest.mark.parametrize(
    ("pid", "aktor", "may"),
    [
        (ASE.pid, ASE.pid, True),
        (ASE.pid, TESTVIK.orgnr, True),
        (ASE.pid, PROVDAL.orgnr, False),
        (ASE.pid, SKOLE.orgnr, False),
        (ASE.pid, KARE.pid, False),
        (KARE.pid, PROVDAL.orgnr, True),
        (KARE.pid, TESTVIK.orgnr, False),
        (MINA.pid, TESTVIK.orgnr, False),
        (MINA.pid, PROVDAL.orgnr, False),
        (MINA.pid, SKOLE.orgnr, True),
        (DOLLY.pid, TESTVIK.orgnr, False),
    ],
)
async def test_whether_one_may_act(api: Api, pid: str, aktor: str, may: bool) -> None:
    assert await api.get(f"/hasFullmakt?aktor={aktor}", api.person(pid)) == (200, may)
    assert await api.get(f"/hasFullmakt?aktor={aktor}&useCache=false", api.person(pid, acr=ACR[3])) == (200, may)


async def test_on_which_resources(api: Api) -> None:
    asked = {"aktor": TESTVIK.orgnr, "resourceIds": [RESSURS, "annet"]}
    held = {"hasFullmaktForResouce": {RESSURS: True, "annet": False}}
    assert await api.post(RESOURCES, api.person(ASE.pid), asked) == (200, held)
    assert await api.post(RESOURCES, api.person(ASE.pid), asked | {"useCache": False}) == (200, held)
    none = {"hasFullmaktForResouce": {RESSURS: False, "annet": False}}
    assert await api.post(RESOURCES, api.person(KARE.pid), asked) == (200, none)


@pytest.mark.parametrize(("resources", "all_of_them"), [([RESSURS], True), ([RESSURS, "annet"], False)])
async def test_on_all_resources(api: Api, resources: list[str], all_of_them: bool) -> None:
    asked = {"onBehalfOf": TESTVIK.orgnr, "resourceIds": resources}
    assert await api.post(ALL, api.person(ASE.pid), asked) == (200, all_of_them)
    assert await api.post(ALL, api.person(KARE.pid), asked) == (200, False)


async def test_an_organisation_may_act_for_itself_alone(api: Api) -> None:
    own = {"aktor": VENDOR, "navn": "", "type": "ORGANISASJON"}
    machine = api.machine()
    assert await api.get("/alle", machine) == (200, [own])
    assert await api.get("/meg", machine) == (200, own)
    assert await api.get(f"/hasFullmakt?aktor={VENDOR}", machine) == (200, True)
    for other in (PROVDAL.orgnr, ASE.pid):
        assert await api.get(f"/hasFullmakt?aktor={other}", machine) == (200, False)
        asked = {"onBehalfOf": other, "resourceIds": [RESSURS]}
        assert await api.post(ALL, machine, asked) == (200, False)
    assert await api.post(RESOURCES, machine, {"aktor": VENDOR, "resourceIds": [RESSURS]}) == (
        200,
        {"hasFullmaktForResouce": {RESSURS: True}},
    )


async def test_who_acts_for_an_organisation_is_told_what_that_may_which_is_itself(api: Api) -> None:
    """``OnBehalfOf`` asks whether the caller may: contract, auth.md 5."""
    api.door.powers.held.add((ASE.pid, TESTVIK.orgnr))
    acting = api.person(ASE.pid) | {"OnBehalfOf": TESTVIK.orgnr}
    testvik = {"aktor": TESTVIK.orgnr, "navn": "TESTVIK KOMMUNE", "type": "ORGANISASJON"}
    assert await api.get("/meg", acting) == (200, testvik)
    assert await api.get("/alle", acting) == (200, [testvik])
    for aktor, may in ((TESTVIK.orgnr, True), (ASE.pid, False), (PROVDAL.orgnr, False)):
        assert await api.get(f"/hasFullmakt?aktor={aktor}", acting) == (200, may)
        held = {"hasFullmaktForResouce": {RESSURS: may, "annet": False}}
        assert await api.post(RESOURCES, acting, {"aktor": aktor, "resourceIds": [RESSURS, "annet"]}) == (200, held)
        assert await api.post(ALL, acting, {"onBehalfOf": aktor, "resourceIds": [RESSURS]}) == (200, may)


@pytest.mark.parametrize("path", ["/alle", "/meg", f"/hasFullmakt?aktor={PROVDAL.orgnr}"])
async def test_who_may_not_act_for_the_organisation_is_told_so(api: Api, path: str) -> None:
    status, body = await api.get(path, api.person(ASE.pid) | {"OnBehalfOf": PROVDAL.orgnr})
    assert (status, PROVDAL.orgnr in body["message"]) == (403, True)


@pytest.mark.parametrize("query", ["", "?aktor=", "?aktor=31099100", "?aktor=3109910070", "?aktor=x10991007"])
async def test_an_aktor_is_a_number_of_nine_or_eleven_digits(api: Api, query: str) -> None:
    status, body = await api.get(f"/hasFullmakt{query}", api.person(ASE.pid))
    assert (status, body["status"]) == (400, 400)


async def test_a_flag_is_true_or_false(api: Api) -> None:
    assert (await api.get(f"/hasFullmakt?aktor={TESTVIK.orgnr}&useCache=ja", api.person(ASE.pid)))[0] == 400
    assert (await api.get("/alle?cache=1", api.person(ASE.pid)))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        {"aktor": TESTVIK.orgnr},
        {"aktor": TESTVIK.orgnr, "resourceIds": []},
        {"aktor": "1", "resourceIds": ["a"]},
        {"onBehalfOf": TESTVIK.orgnr, "resourceIds": ["a"]},
    ],
)
async def test_a_question_without_what_it_needs_is_refused(api: Api, body: Any) -> None:
    assert (await api.post(RESOURCES, api.person(ASE.pid), body))[0] == 400


@pytest.mark.parametrize("path", ["/alle", "/meg", f"/hasFullmakt?aktor={TESTVIK.orgnr}"])
async def test_nobody_is_told_without_a_login(api: Api, path: str) -> None:
    assert (await api.get(path, {}))[0] == 401
    assert (await api.get(path, shown(api.door.machine())))[0] == 401
    assert (await api.get(path, api.person(ASE.pid, acr="idporten-loa-low")))[0] == 403


async def test_while_altinn_is_away_nothing_is_said_of_others(alone: Api) -> None:
    for path in ("/alle", "/meg", f"/hasFullmakt?aktor={TESTVIK.orgnr}"):
        status, body = await alone.get(path, alone.person(ASE.pid))
        assert (status, body["status"]) == (503, 503)
    asked = {"aktor": TESTVIK.orgnr, "resourceIds": [RESSURS]}
    assert (await alone.post(RESOURCES, alone.person(ASE.pid), asked))[0] == 503
    assert await alone.get(f"/hasFullmakt?aktor={ASE.pid}", alone.person(ASE.pid)) == (200, True)
