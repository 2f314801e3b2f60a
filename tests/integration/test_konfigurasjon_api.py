"""The configuration and authorisation APIs on a real log, decided by a real worker; two organisations throughout."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.audit import AUDITOR, Auditor, audited
from gateway.auth.demands import Caller, Demand, silent_routes
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.middleware import authenticate
from gateway.auth.passwords import matches
from gateway.auth.persons import PERSONS, Persons
from gateway.auth.principal import Principal
from gateway.context import LOG
from gateway.problems import problems
from gateway.routes import (
    autorisasjon,
    autorisasjon_update,
    konfigurasjon,
    konfigurasjon_integrasjoner,
    konfigurasjon_personer,
)
from gateway.routes.docs import descriptions
from schemas.audit import TilgangNektet
from schemas.konfigurasjon import (
    ROOT,
    OrganisasjonOpprettet,
    PersonopplysningerOppgitt,
    PersonOpprettet,
    PrivilegieTildelt,
)
from schemas.konfigurasjon_commands import ClaimOrganisasjonsnummer
from schemas.personal import ERASED
from streams import topics
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain import konfigurasjon_commands
from streams.domain.errors import NotAllowed
from streams.domain.personer import person_id
from streams.keys import Following
from tests.support.backbone import Backbone, about, backbone
from tests.support.eventually import eventually
from tests.support.gateway import ends_of, events_after
from tests.support.records import records_on

ROOT_FNR, ADMIN_A, ADMIN_B, CLERK = "09477211183", "01010700066", "15819000066", "25865400058"
UNKNOWN = UUID(int=0xFFFF)
KONF, QUERY, UPDATE = "/konfigurasjon/api/v1", "/autorisasjon-query/api/v1/autorisasjon", "/autorisasjon-update/api/v1"


TOPICS = ("fiks.konfigurasjon", "fiks.audit")
MODULES = (konfigurasjon, konfigurasjon_integrasjoner, konfigurasjon_personer, autorisasjon, autorisasjon_update)


class Believed:
    """Callers who are believed: the header Who is an fnr, Machine an integration. The door has tests of its own."""

    def __init__(self, names: Persons) -> None:
        self._names = names

    async def identify(self, request: web.Request, demand: Demand) -> Principal:
        if (pid := request.headers.get("Who")) is not None:
            principal = Principal(Caller.MANAGER, pid=pid, person=self._names.actor(pid), niva=4)
        else:
            principal = Principal(Caller.INTEGRATION, integrasjon_id=UUID(request.headers["Machine"]))
        if not demand.of(principal.caller):
            raise NotAllowed("not this kind of caller")
        return principal

    async def require_authority(self, principal: Principal) -> None:
        """None of these acts for an organisation."""


DESCRIBED = [json.loads(descriptions()[f"{name}-api-v1.json"]) for name in ("konfigurasjon", "autorisasjon")]
COMPONENTS = {"schemas": DESCRIBED[0]["components"]["schemas"] | DESCRIBED[1]["components"]["schemas"]}


def described(method: str, path: str) -> dict[str, Any]:
    """The answers that the contract has for a call, by status; the address without placeholders goes first."""
    paths = [one for of in DESCRIBED for one in of["paths"].items()]
    for template, methods in sorted(paths, key=lambda one: one[0].count("{")):
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) and method.lower() in methods:
            return methods[method.lower()]["responses"]
    raise AssertionError(f"{method} {path} is not described")


@dataclass
class Gateway:
    """A gateway, and a client of it."""

    server: TestServer
    session: ClientSession
    memory: Memory
    names: Persons
    auditor: Auditor

    async def ask(
        self, who: str, method: str, path: str, body: Any = None, *, law: str = "Kommuneloven § 24-1", **query: str
    ) -> tuple[int, Any]:
        """The status and the answer, as text where it is no JSON."""
        headers = {"Who" if len(who) == 11 else "Machine": who, "Lovhjemmel": law}
        url = self.server.make_url(path)
        async with self.session.request(method, url, json=body, params=query, headers=headers) as answer:
            said = await answer.read()
            return answer.status, await answer.json() if said and "json" in answer.content_type else said.decode()

    async def done(self, who: str, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The answer of what must succeed."""
        status, said = await self.ask(who, method, path, body, **query)
        answers = described(method, path)
        assert str(status) in answers, said
        if content := answers[str(status)].get("content", {}).get("application/json"):
            jsonschema.validate(said, content["schema"] | {"components": COMPONENTS})
        return said


@asynccontextmanager
async def running(of: Backbone, names: Persons) -> AsyncIterator[Gateway]:
    app = web.Application(middlewares=[problems, audited, authenticate(Believed(names))])
    memory = app[MEMORY] = Memory(of.settings.kafka)
    app[LOG], app[PERSONS], app[AUDITOR] = of.log, names, Auditor(of.log, memory)
    for module in (
        konfigurasjon,
        konfigurasjon_integrasjoner,
        konfigurasjon_personer,
        autorisasjon,
        autorisasjon_update,
    ):
        module.routes.add_to(app)
    assert silent_routes(app) == []
    await memory.start()
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        await eventually(lambda: memory.ready)
        yield Gateway(server, session, memory, names, app[AUDITOR])
    await memory.stop()


@dataclass
class Town:
    """Two organisations with an administrator each, a root operator, and two gateways."""

    a: UUID
    b: UUID
    one: Gateway
    two: Gateway
    backbone: Backbone

    async def integrasjon(self, orgnr: str = "310991007", *, of: UUID | None = None, by: str = ADMIN_A) -> str:
        """A new integration, of A unless another is named, whose administrator makes it."""
        ny = {"autorisertOrgnr": orgnr, "navn": "Fagsystem", "fiksOrganisasjonUuid": str(of or self.a)}
        made = await self.one.done(by, "POST", f"{KONF}/integrasjoner", ny)
        return made["uuid"]

    async def svarut(self, who: str, of: UUID) -> str:
        """The resource of the service SVARUT in an organisation that ``who`` administrates."""
        made = await self.one.done(who, "POST", f"{KONF}/organisasjoner/{of}/tjenester/SVARUT/initialiser")
        return made["ressursId"]


@pytest.fixture
async def town(kafka: str, database: str, tmp_path: Any) -> AsyncIterator[Town]:
    topics.apply(kafka, 1)
    async with backbone(kafka, database, tmp_path) as of:
        a, b, names = uuid4(), uuid4(), Persons(uuid4().bytes * 2)  # the same people are others in every test
        for fiks_org_id, fnr in ((a, ADMIN_A), (b, ADMIN_B), (ROOT, ROOT_FNR)):
            organisasjon = OrganisasjonOpprettet(fiks_org_id=fiks_org_id, orgnr="310991007", navn=f"Kommune {fnr}")
            right = PrivilegieTildelt(
                fiks_org_id=fiks_org_id, aktor=names.actor(fnr), ressurs_id=fiks_org_id, privilegium="ADMIN"
            )
            known = {"fiks_org_id": fiks_org_id, "aktor": names.actor(fnr), "opplysninger_id": uuid4()}
            id_ = person_id(fiks_org_id, names.actor(fnr))
            said = PersonopplysningerOppgitt(person_id=id_, fnr=fnr, navn="En administrator", **known)
            told = (said, PersonOpprettet(**known), right)
            for event in (organisasjon, *told) if fiks_org_id != ROOT else told:
                await of.log.append(event, about(event))
        deciding = Deciding(konfigurasjon_commands.konfigurasjon, of.log, DeadLetters(of.log))
        async with of.worker([deciding, Following(of.log)]), running(of, names) as one, running(of, names) as two:
            yield Town(a, b, one, two, of)


async def test_a_town_is_set_up_from_nothing(town: Town) -> None:
    """Root makes an organisation and its administrator, who makes all that sending needs."""
    ask = town.one.done
    new = await ask(
        ROOT_FNR, "POST", f"{KONF}/root/organisasjoner", {"navn": "Nyvik", "type": "KOMMUNE", "intern": False}
    )
    org = new["uuid"]
    right = {"aktor": CLERK, "privilegium": "ADMIN"}
    assert await ask(ROOT_FNR, "POST", f"{UPDATE}/ressurs/{org}/tilganger", right) == right | {"ressurs": org}
    service = (await ask(CLERK, "POST", f"{KONF}/organisasjoner/{org}/tjenester/SVARUT/initialiser"))["ressursId"]
    set_up = await ask(CLERK, "POST", f"{KONF}/organisasjoner/{org}/tjenester/SVARUT/konfigurer")
    assert (set_up["initialisert"], set_up["konfigurert"], set_up["ressursType"]) == (True, True, "SVARUT")
    account = await ask(
        CLERK, "POST", f"{UPDATE}/ressurs", {"forelderRessurs": service, "type": "SVARUT_KONTO", "navn": "Konto"}
    )
    assert account["forelder"] == service
    ny = {"autorisertOrgnr": "310991007", "navn": "Fagsystem", "fiksOrganisasjonUuid": org}
    machine = (await ask(CLERK, "POST", f"{KONF}/integrasjoner", ny))["uuid"]
    send = {"aktor": machine, "privilegium": "SVARUT.SEND"}
    await ask(CLERK, "POST", f"{UPDATE}/ressurs/{service}/tilganger", send)
    question = {"aktor": machine, "privilegium": "SVARUT.SEND", "ressurs": account["id"]}
    assert await ask(machine, "GET", f"{QUERY}/isAutorisert", **question) is True
    shown = await ask(CLERK, "GET", f"{QUERY}/ressurser/{account['id']}")
    assert [one["id"] for one in shown["path"]] == [org, service, account["id"]]
    assert await ask(CLERK, "GET", f"{QUERY}/ressurser/{org}/tilganger") == [right]
    assert await ask(CLERK, "GET", f"{QUERY}/{account['id']}/isLeaf") is True
    assert [one["id"] for one in await ask(CLERK, "GET", f"{QUERY}/{service}/barn")] == [account["id"]]


async def test_a_new_password_is_shown_once_and_the_old_one_is_dead_at_once(town: Town) -> None:
    machine = await town.integrasjon()
    first = (await town.one.done(ADMIN_A, "POST", f"{KONF}/integrasjoner/{machine}/lagPassord"))["passord"]
    known = town.one.memory.integrasjon(UUID(machine))
    assert matches(known.passord_hash, first)
    assert first.isascii()
    assert len(first) >= 43  # 256 bits
    second = (await town.one.done(ADMIN_A, "POST", f"{KONF}/integrasjoner/{machine}/lagPassord"))["passord"]
    for gateway in (town.one, town.two):
        await eventually(lambda of=gateway: matches(of.memory.integrasjon(UUID(machine)).passord_hash, second))
        assert not matches(gateway.memory.integrasjon(UUID(machine)).passord_hash, first)
    everything = [record.value for record in records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")]
    assert not [one for one in everything if first.encode() in one or second.encode() in one]


async def test_a_revoked_right_is_refused_on_every_gateway(town: Town) -> None:
    machine = await town.integrasjon()
    path = f"{UPDATE}/ressurs/{town.a}/tilganger"
    right = {"aktor": machine, "privilegium": "FIKS.KONFIGURER"}
    await town.one.done(ADMIN_A, "POST", path, right)
    who = f"integrasjon:{machine}"
    for gateway in (town.one, town.two):
        await eventually(lambda of=gateway: of.memory.may(who, "FIKS.KONFIGURER", town.a))
    await town.one.done(ADMIN_A, "DELETE", path, **right)
    assert not town.one.memory.may(who, "FIKS.KONFIGURER", town.a)
    await eventually(lambda: not town.two.memory.may(who, "FIKS.KONFIGURER", town.a))


async def test_nothing_of_one_organisation_is_told_to_the_other(town: Town) -> None:
    machine = await town.integrasjon()
    hers, nobodys = f"{KONF}/integrasjoner/{machine}", f"{KONF}/integrasjoner/{uuid4()}"
    for method, end in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/lagPassord")):
        body = {} if method == "PATCH" else None
        real = await town.one.ask(ADMIN_B, method, hers + end, body)
        made_up = await town.one.ask(ADMIN_B, method, nobodys + end, body)
        assert real[0] == made_up[0] == 404
        assert real[1]["message"].replace(machine, "") == made_up[1]["message"].replace(nobodys[-36:], "")
    for path in (f"{KONF}/organisasjoner/{town.a}/integrasjoner", f"{QUERY}/ressurser/{town.a}/tilganger"):
        assert (await town.one.ask(ADMIN_B, "GET", path))[0] == 403
    assert (await town.one.ask(ADMIN_B, "GET", f"{QUERY}/ressurser/{town.a}"))[0] == 404
    for path in (f"{KONF}/organisasjoner", f"{KONF}/organisasjoner/synlige", f"{KONF}/organisasjoner/info"):
        assert [one["uuid"] for one in await town.one.done(ADMIN_B, "GET", path)] == [str(town.b)]
    assert await town.one.done(ADMIN_B, "GET", f"{KONF}/organisasjoner", orgId=str(town.a)) == []
    ressurser = await town.one.done(ADMIN_B, "GET", f"{QUERY}/ressurser")
    assert {one["id"] for one in ressurser} == {str(town.b)}
    for path in ("/root/organisasjoner", "/root/integrasjoner", "/root/privilegier"):
        assert (await town.one.ask(ADMIN_B, "GET", KONF + path))[0] == 403
    question = {"aktor": ADMIN_A, "privilegium": "ADMIN", "ressurs": str(town.a)}
    assert (await town.one.ask(ADMIN_B, "GET", f"{QUERY}/isAutorisert", **question))[0] == 403
    use = {"aktor": machine, "privilegium": "FIKS.KONFIGURER"}
    assert (await town.one.ask(ADMIN_B, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", use))[0] == 403


async def test_a_look_up_without_a_law_is_refused_and_on_the_record(town: Town) -> None:
    marks = await ends_of(town.backbone.settings.kafka, "fiks.audit")
    status, said = await town.one.ask(ADMIN_A, "POST", f"{KONF}/personer/list", {"fnrs": [CLERK]}, law="")
    assert (status, "Lovhjemmel" in said["message"]) == (400, True)
    [(event, at)] = await events_after(town.backbone.settings.kafka, marks, "fiks.audit")
    assert isinstance(event, TilgangNektet)
    assert (at.actor, event.rute) == (town.one.names.actor(ADMIN_A), f"POST {KONF}/personer/list")
    assert CLERK not in str((event, at))


async def test_what_is_hidden_from_the_caller_is_refused_on_the_record(town: Town) -> None:
    """Though it is answered as what is not there, or cannot be said so."""
    machine = await town.integrasjon()
    counted = {"ressurser": [str(town.a)], "privilegium": "ADMIN", "ressursType": "ORGANISASJON"}
    attached = f"{KONF}/integrasjoner/{machine}/tilknyttede-ressurser/{town.b}"
    attaching = f"{KONF}/integrasjoner/{{integrasjonId}}/tilknyttede-ressurser/{{ressursId}}"
    switching = f"{UPDATE}/fiksorgs/{town.b}/aktorer/{machine}"
    made, own = f"{KONF}/integrasjoner", await town.integrasjon(of=town.b, by=ADMIN_B)
    ny = {"autorisertOrgnr": "310991007", "navn": "Ny", "fiksOrganisasjonUuid": str(town.b), "global": True}
    for method, path, body, answered, route, owner in (
        ("POST", f"{QUERY}/ressurser/oversikt", counted, 404, f"{QUERY}/ressurser/oversikt", town.a),
        ("PUT", attached, None, 404, attaching, town.b),
        ("DELETE", attached, None, 404, attaching, town.b),
        ("PATCH", switching, {"aktiv": False}, 400, f"{UPDATE}/fiksorgs/{{fiksOrgId}}/aktorer/{{aktor}}", town.b),
        ("POST", made, ny, 400, made, town.b),
        ("PATCH", f"{made}/{own}", {"kode": "MIN.KODE"}, 400, f"{made}/{{integrasjonId}}", town.b),
    ):
        marks = await ends_of(town.backbone.settings.kafka, "fiks.audit")
        assert (await town.one.ask(ADMIN_B, method, path, body))[0] == answered
        await asyncio.gather(*town.one.auditor._behind)
        [(event, at)] = await events_after(town.backbone.settings.kafka, marks, "fiks.audit")
        assert isinstance(event, TilgangNektet)
        assert (at.actor, event.rute) == (town.one.names.actor(ADMIN_B), f"{method} {route}")
        assert event.fiks_org_id == owner


async def test_a_refusal_does_not_tell_which_services_another_organisation_has(town: Town) -> None:
    await town.svarut(ADMIN_A, town.a)
    refused = []
    for owner, name in ((town.a, "SVARUT"), (town.a, "DOKUMENTLAGER"), (uuid4(), "SVARUT")):
        path = f"{KONF}/organisasjoner/{owner}/tjenester/{name}/konfigurer"
        status, said = await town.one.ask(ADMIN_B, "POST", path)
        refused.append((status, said["message"].replace(str(owner), "…")))
    assert len(set(refused)) == 1, refused
    assert refused[0][0] == 403


async def test_what_an_organisation_says_of_a_person_is_its_own(town: Town) -> None:
    ask, names, right = town.one.done, {"fnrs": [CLERK]}, {"aktor": CLERK, "privilegium": "SVARUT.SEND"}
    kari = {"fnr": CLERK, "navn": "Kari Saksbehandler"}
    await ask(ADMIN_A, "POST", f"{KONF}/personer", kari)
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [kari]
    for nobody in ({"fnrs": [CLERK]}, {"fnrs": ["17708512036"]}):  # known to the other, or to nobody: the same
        for who in (ADMIN_B, ROOT_FNR):
            assert await ask(who, "POST", f"{KONF}/personer/list", nobody) == []
            said = {"fnr": nobody["fnrs"][0], "navn": "x"}
            status, answer = await town.one.ask(who, "PATCH", f"{KONF}/personer/oppdater", said)
            assert (status, answer["message"]) == (404, "Personen finnes ikke")
    services = [(who, await town.svarut(who, of)) for who, of in ((ADMIN_A, town.a), (ADMIN_B, town.b))]
    for admin, service in services:  # both give the same person a right
        await ask(admin, "POST", f"{UPDATE}/ressurs/{service}/tilganger", right)
    assert await ask(ADMIN_B, "POST", f"{KONF}/personer/list", names) == [{"fnr": CLERK, "navn": ""}]

    await ask(ADMIN_B, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "K. Hos B"})
    changed = await ask(ADMIN_B, "PATCH", f"{KONF}/personer/oppdater", {"fnr": CLERK, "epost": "k@example.no"})
    assert changed == {"fnr": CLERK, "navn": "K. Hos B", "epost": "k@example.no"}
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [kari]
    own = await ask(CLERK, "POST", f"{KONF}/personer/list", names)
    assert sorted(own, key=str) == sorted([kari, changed], key=str)
    assert (await town.one.ask(CLERK, "PATCH", f"{KONF}/personer/oppdater", {"fnr": CLERK, "navn": "x"}))[0] == 404
    for admin, service in services:
        held = await ask(admin, "GET", f"{QUERY}/ressurser/{service}/tilganger", aktor=CLERK)
        assert held == [right]


async def test_one_organisation_forgets_a_person_and_the_other_does_not(town: Town) -> None:
    ask, names = town.one.done, {"fnrs": [CLERK]}
    in_a, in_b = await town.svarut(ADMIN_A, town.a), await town.svarut(ADMIN_B, town.b)
    for who, on in ((ADMIN_A, in_a), (ADMIN_B, in_b)):
        await ask(who, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "Kari"})
        await ask(who, "POST", f"{UPDATE}/ressurs/{on}/tilganger", {"aktor": CLERK, "privilegium": "SVARUT.SEND"})
    keys = town.backbone.log.keys
    await keys.destroy(f"konfigurasjon:{person_id(town.a, town.one.names.actor(CLERK))}")
    await keys.table.catch_up()
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [{"fnr": CLERK, "navn": ERASED}]
    assert await ask(ADMIN_B, "POST", f"{KONF}/personer/list", names) == [{"fnr": CLERK, "navn": "Kari"}]
    for who, on, shown in ((ADMIN_A, in_a, ERASED), (ADMIN_B, in_b, CLERK)):
        [right] = await ask(who, "GET", f"{QUERY}/ressurser/{on}/tilganger", aktor=CLERK)
        assert right == {"aktor": shown, "privilegium": "SVARUT.SEND"}
        assert town.one.memory.may(town.one.names.actor(CLERK), "SVARUT.SEND", UUID(on))
    await ask(ADMIN_A, "PATCH", f"{KONF}/personer/oppdater", {"fnr": CLERK, "navn": "Kari Igjen"})
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [{"fnr": CLERK, "navn": "Kari Igjen"}]


async def test_nothing_is_appended_where_nothing_is_changed(town: Town) -> None:
    before = len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon"))
    said = await town.one.done(ADMIN_A, "PATCH", f"{KONF}/personer/oppdater", {"fnr": ADMIN_A})
    assert said == {"fnr": ADMIN_A, "navn": "En administrator"}
    assert len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")) == before


async def test_who_administrates_several_organisations_says_it_in_each(town: Town) -> None:
    ask, kari, names = town.one.done, {"fnr": CLERK, "navn": "Kari"}, {"fnrs": [CLERK]}
    right = {"aktor": ADMIN_A, "privilegium": "ADMIN"}
    await ask(ADMIN_B, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", right)
    await ask(ADMIN_A, "POST", f"{KONF}/personer", kari)
    assert await ask(ADMIN_B, "POST", f"{KONF}/personer/list", names) == [kari]
    other = await ask(ADMIN_B, "PATCH", f"{KONF}/personer/oppdater", {"fnr": CLERK, "tittel": "Rådgiver"})
    told = await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names)
    assert sorted(told, key=str) == sorted([kari, other], key=str)


async def test_what_is_said_of_a_person_is_said_where_the_person_is_known_or_where_the_caller_says(town: Town) -> None:
    ask, names = town.one.done, {"fnrs": [CLERK]}
    await ask(ADMIN_B, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", {"aktor": ADMIN_A, "privilegium": "ADMIN"})
    send = {"aktor": CLERK, "privilegium": "SVARUT.SEND"}
    await ask(ADMIN_B, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", send)
    in_b = await ask(ADMIN_A, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "Kari"})
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [in_b]  # A was told nothing of her
    in_a = {"fnr": CLERK, "navn": "Kari i A"}
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer", in_a, fiksOrgId=str(town.a)) == in_a
    for path, body in (("oppdater", {"fnr": CLERK}), (CLERK, {})):
        said = body | {"tittel": f"Rådgiver {path}"}
        in_b = await ask(ADMIN_A, "PATCH", f"{KONF}/personer/{path}", said, fiksOrgId=str(town.b))
        told = await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names)
        assert sorted(told, key=str) == sorted([in_a, in_b], key=str)
    for of in (town.a, UNKNOWN):  # of others, as of nobody
        query = {"fiksOrgId": str(of)}
        assert (await town.one.ask(ADMIN_B, "POST", f"{KONF}/personer", in_a, **query))[0] == 403
        said = {"fnr": CLERK, "navn": "x"}
        assert (await town.one.ask(ADMIN_B, "PATCH", f"{KONF}/personer/oppdater", said, **query))[0] == 404
    assert (await town.one.ask(ADMIN_A, "POST", f"{KONF}/personer", in_a, fiksOrgId="A"))[0] == 400


async def test_the_name_that_is_answered_is_the_one_that_is_kept(town: Town) -> None:
    ask, helper, names = town.one.done, "17708512036", {"fnrs": [CLERK]}
    for name in ("Kari", "Kari Nordmann"):
        kari = {"fnr": CLERK, "navn": name}
        assert await ask(ADMIN_A, "POST", f"{KONF}/personer", kari) == kari
        assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [kari]
    service = await town.svarut(ADMIN_A, town.a)
    await ask(ADMIN_A, "POST", f"{UPDATE}/ressurs/{service}/tilganger", {"aktor": helper, "privilegium": "ADMIN"})
    for who in (CLERK, "24929530019"):  # whether the organisation knows the person is not told
        en_annen = {"fnr": who, "navn": "En annen"}
        assert await ask(helper, "POST", f"{KONF}/personer", en_annen) == en_annen
        assert await ask(helper, "POST", f"{KONF}/personer/list", {"fnrs": [who]}) == []
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", names) == [kari]


async def test_what_is_done_does_not_tell_whether_a_person_is_known(town: Town) -> None:
    """Nor, so, how long it takes: the same is appended, and the same decided, whether the organisation knows or not."""
    ask, helper, kafka = town.one.done, "17708512036", town.backbone.settings.kafka
    await ask(ADMIN_A, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "Kari"})
    service = await town.svarut(ADMIN_A, town.a)
    await ask(ADMIN_A, "POST", f"{UPDATE}/ressurs/{service}/tilganger", {"aktor": helper, "privilegium": "ADMIN"})
    appended = []
    for who in (CLERK, "24929530019"):
        marks = [await ends_of(kafka, topic) for topic in TOPICS]
        assert (await town.one.ask(helper, "POST", f"{KONF}/personer", {"fnr": who, "navn": "En annen"}))[0] == 200
        came = [await events_after(kafka, mark, topic) for mark, topic in zip(marks, TOPICS, strict=True)]
        appended.append([sorted(type(event).__name__ for event, _ in of) for of in came])
    assert appended == [[["CreatePerson", "PersonOpprettet", "PersonopplysningerOppgitt"], ["OppslagGjort"]]] * 2
    assert await ask(ADMIN_A, "POST", f"{KONF}/personer/list", {"fnrs": [CLERK]}) == [{"fnr": CLERK, "navn": "Kari"}]


async def test_what_is_said_of_root_operators_is_changed_by_them(town: Town) -> None:
    root = f"{KONF}/root/personer"
    changed = await town.one.done(ROOT_FNR, "PATCH", f"{root}/{ROOT_FNR}", {"tittel": "Operatør"})
    assert changed == {"fnr": ROOT_FNR, "navn": "En administrator", "tittel": "Operatør"}
    for who, of, status in ((ROOT_FNR, ADMIN_A, 404), (ROOT_FNR, "1", 400), (ADMIN_A, ADMIN_A, 403)):
        assert (await town.one.ask(who, "PATCH", f"{root}/{of}", {"navn": "x"}))[0] == status


async def test_the_administrator_of_a_service_sees_those_who_hold_something_there(town: Town) -> None:
    ask, helper = town.one.done, "17708512036"
    service = await town.svarut(ADMIN_A, town.a)
    await ask(ADMIN_A, "POST", f"{UPDATE}/ressurs/{service}/tilganger", {"aktor": helper, "privilegium": "ADMIN"})
    await ask(helper, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "Kari"})
    assert await ask(helper, "POST", f"{KONF}/personer/list", {"fnrs": [CLERK, ADMIN_A]}) == []
    await ask(helper, "POST", f"{UPDATE}/ressurs/{service}/tilganger", {"aktor": CLERK, "privilegium": "SVARUT.SEND"})
    told = await ask(helper, "POST", f"{KONF}/personer/list", {"fnrs": [CLERK, ADMIN_A]})
    assert told == [{"fnr": CLERK, "navn": "Kari"}]
    changed = await ask(helper, "PATCH", f"{KONF}/personer/oppdater", {"fnr": CLERK, "telefon": "12345678"})
    assert changed == {"fnr": CLERK, "navn": "Kari", "telefon": "12345678"}


async def test_a_person_is_not_changed_by_somebody_who_lost_the_right_earlier_in_the_log(town: Town) -> None:
    """The gateway still believes in the right: it has not met the revocation when it asks."""
    ask, one = town.one.done, town.one
    await ask(ADMIN_A, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "Kari"})
    right = {"aktor": ADMIN_B, "privilegium": "ADMIN"}
    path = f"{UPDATE}/ressurs/{town.a}/tilganger"
    await ask(ADMIN_A, "POST", path, right)
    believed = one.memory.configuration.virksomheter[town.a]
    await ask(ADMIN_A, "DELETE", path, **right)
    one.memory.configuration.virksomheter[town.a] = believed
    said = {"fnr": CLERK, "navn": "Overskrevet"}
    assert (await one.ask(ADMIN_B, "PATCH", f"{KONF}/personer/oppdater", said))[0] == 403
    assert (await town.two.done(ADMIN_A, "POST", f"{KONF}/personer/list", {"fnrs": [CLERK]}))[0]["navn"] == "Kari"


async def test_the_number_and_the_name_of_a_person_are_not_readable_on_the_log(town: Town) -> None:
    await town.one.done(ADMIN_A, "POST", f"{KONF}/personer", {"fnr": CLERK, "navn": "Kari Lesbar"})
    records = records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")
    everything = [bytes(one.value or b"") + str(one.headers).encode() for one in records]
    assert not [one for one in everything if b"Kari Lesbar" in one or CLERK.encode() in one]


async def test_the_last_administrator_stays(town: Town) -> None:
    path, right = f"{UPDATE}/ressurs/{town.a}/tilganger", {"aktor": ADMIN_A, "privilegium": "ADMIN"}
    status, said = await town.one.ask(ADMIN_A, "DELETE", path, **right)
    assert (status, "siste administratoren" in said["message"]) == (400, True)
    off = f"{UPDATE}/fiksorgs/{town.a}/aktorer/{ADMIN_A}"
    status, said = await town.one.ask(ADMIN_A, "PATCH", off, {"aktiv": False})
    assert (status, "siste administratoren" in said["message"]) == (400, True)
    assert ADMIN_A not in json.dumps(said)
    await town.one.done(ADMIN_A, "POST", path, right | {"aktor": CLERK})
    await town.one.done(ADMIN_A, "DELETE", path, **right)
    assert (await town.one.ask(CLERK, "DELETE", path, **right | {"aktor": CLERK}))[0] == 400
    await town.one.done(ROOT_FNR, "DELETE", path, **right | {"aktor": CLERK})
    assert not town.one.memory.may(town.one.names.actor(CLERK), "ADMIN", town.a)


async def test_root_is_told_what_it_holds(town: Town) -> None:
    ask = town.one.done
    [held] = await ask(ROOT_FNR, "GET", f"{QUERY}/autorisasjoner", type="ROOT")
    assert held == {
        "aktor": ROOT_FNR,
        "privilegium": "ADMIN",
        "privilegiumNiva": 0,
        "ressurs": str(ROOT),
        "ressursNiva": 0,
        "ressursNavn": "ROOT",
        "type": "ROOT",
        "path": [],
    }
    inherited = await ask(ROOT_FNR, "GET", f"{QUERY}/autorisasjoner", arvPrivilegier="true", maksDybde="1")
    by_ressurs = {one["ressurs"]: (one["privilegiumNiva"], one["ressursNiva"]) for one in inherited}
    assert by_ressurs[str(ROOT)] == (0, 0)
    assert by_ressurs[str(town.a)] == by_ressurs[str(town.b)] == (0, 1)
    for who in (ADMIN_A, ADMIN_B):
        assert await ask(who, "GET", f"{QUERY}/autorisasjoner", type="ROOT", aktor=ROOT_FNR) == []
        [own] = await ask(who, "GET", f"{QUERY}/autorisasjoner", arvPrivilegier="true")
        assert (own["privilegiumNiva"], own["ressursNiva"]) == (1, 1)
    assert await ask(ROOT_FNR, "GET", f"{QUERY}/autorisasjoner", forelderRessurs=str(town.a)) == []


async def test_root_is_a_resource_for_root_operators_alone(town: Town) -> None:
    ask, operator = town.one.done, {"aktor": CLERK, "privilegium": "ADMIN"}
    await ask(ROOT_FNR, "POST", f"{UPDATE}/ressurs/{ROOT}/tilganger", operator)
    own = {"aktor": ROOT_FNR, "privilegium": "ADMIN"}
    held = await ask(ROOT_FNR, "GET", f"{QUERY}/ressurser/{ROOT}/tilganger")
    assert {one["aktor"] for one in held} >= {ROOT_FNR, CLERK}
    assert await ask(ROOT_FNR, "GET", f"{QUERY}/ressurser/{ROOT}/tilganger", aktor=ROOT_FNR) == [own]
    shown = {"id": str(ROOT), "type": "ROOT", "navn": "ROOT"}
    assert await ask(ROOT_FNR, "GET", f"{QUERY}/ressurser/{ROOT}") == shown | {"path": []}
    assert shown | {"path": []} in await ask(ROOT_FNR, "GET", f"{QUERY}/ressurser")
    assert shown in (await ask(ROOT_FNR, "GET", f"{QUERY}/synlige", privilegier="ADMIN"))["ressurser"]
    below = {one["id"] for one in await ask(ROOT_FNR, "GET", f"{QUERY}/{ROOT}/barn")}
    assert {str(town.a), str(town.b)} <= below
    assert str(ROOT) not in below
    assert await ask(ROOT_FNR, "GET", f"{QUERY}/{ROOT}/barn", type="SVARUT") == []
    assert await ask(ROOT_FNR, "GET", f"{QUERY}/{ROOT}/isLeaf") is False
    asked = {"ressurser": [str(ROOT)], "privilegium": "ADMIN", "ressursType": "ROOT"}
    [counted] = (await ask(ROOT_FNR, "POST", f"{QUERY}/ressurser/oversikt", asked))["ressurser"]
    assert counted["antallPersoner"] == counted["antallTotalt"] == len(held)

    for path in ("ressurser/{}", "{}/barn", "{}/isLeaf", "ressurser/{}/tilganger"):
        root, nobodys = [await town.one.ask(ADMIN_A, "GET", f"{QUERY}/{path.format(id_)}") for id_ in (ROOT, UNKNOWN)]
        assert root[0] == nobodys[0]
        assert root[1]["message"].replace(str(ROOT), "") == nobodys[1]["message"].replace(str(UNKNOWN), "")
    assert (await town.one.ask(ADMIN_A, "POST", f"{QUERY}/ressurser/oversikt", asked))[0] == 404
    assert str(ROOT) not in {one["id"] for one in await ask(ADMIN_A, "GET", f"{QUERY}/ressurser")}


NO_ORGANISATION: list[tuple[str, str, Any]] = [
    ("GET", "tjenester", None),
    ("GET", "tjenester/SVARUT", None),
    ("POST", "tjenester/SVARUT/initialiser", None),
    ("POST", "tjenester/SVARUT/konfigurer", None),
    ("GET", "faktura", None),
    ("PUT", "faktura", dict.fromkeys(("navn", "juridiskNavn", "referanse", "postnummer", "poststed"), "1")),
    ("GET", "kontaktinformasjon", None),
    ("GET", "integrasjoner", None),
    ("GET", "integrasjoner/SVARUT", None),
    ("PATCH", "", {"navn": "Rotvik"}),
]


async def test_root_is_no_organisation(town: Town) -> None:
    before = len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon"))
    root = f"{KONF}/organisasjoner/{ROOT}"
    for method, path, body in NO_ORGANISATION:
        said = body | {"orgnr": "310991007"} if path == "faktura" and body else body
        status, answer = await town.one.ask(ROOT_FNR, method, f"{root}/{path}".rstrip("/"), said)
        assert (status, answer["message"]) == (404, "Organisasjonen finnes ikke"), (method, path)
    ny = {"autorisertOrgnr": "310991007", "navn": "Fagsystem", "fiksOrganisasjonUuid": str(ROOT)}
    by_root = f"{KONF}/root/organisasjoner/{ROOT}"
    assert (await town.one.ask(ROOT_FNR, "PATCH", by_root, {"intern": False, "navn": "Rotvik"}))[0] == 404
    assert len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")) == before
    assert (await town.one.ask(ROOT_FNR, "POST", f"{KONF}/integrasjoner", ny))[0] == 404
    assert (await town.one.ask(ROOT_FNR, "PATCH", f"{UPDATE}/ressurs/{ROOT}", {"navn": "Rotvik"}))[0] == 404
    known = town.one.memory.configuration.virksomhet(ROOT)
    assert (known.organisasjon, known.tjenester, known.faktura, known.ressurser) == (None, {}, None, {})


WRONG_FNR, WRONG_ORGNR = "01010700065", "310991006"
BAD: dict[str, tuple[str, str, Any]] = {
    "a person of a wrong number": ("POST", f"{KONF}/personer", {"fnr": WRONG_FNR, "navn": "Kari"}),
    "a person of the number of an organisation": ("POST", f"{KONF}/personer", {"fnr": "310991007", "navn": "Kari"}),
    "a person without a name": ("POST", f"{KONF}/personer", {"fnr": CLERK, "navn": " "}),
    "a person's name taken away": ("PATCH", f"{KONF}/personer/oppdater", {"fnr": ADMIN_A, "navn": ""}),
    "a person's e-mail": ("PATCH", f"{KONF}/personer/oppdater", {"fnr": ADMIN_A, "epost": "kari"}),
    "persons of a wrong number": ("POST", f"{KONF}/personer/list", {"fnrs": [ADMIN_A, WRONG_FNR]}),
    "a right for a wrong number": ("POST", "{ressurs}/tilganger", {"aktor": WRONG_FNR, "privilegium": "ADMIN"}),
    "an unknown right": ("POST", "{ressurs}/tilganger", {"aktor": CLERK, "privilegium": "ALT"}),
    "a right called a number": ("POST", "{ressurs}/tilganger", {"aktor": CLERK, "privilegium": CLERK}),
    "a count of an unknown type": (
        "POST",
        f"{QUERY}/ressurser/oversikt",
        {"ressurser": ["{a}"], "privilegium": "ADMIN", "ressursType": "KAFFE"},
    ),
    "a count of an unknown right": (
        "POST",
        f"{QUERY}/ressurser/oversikt",
        {"ressurser": ["{a}"], "privilegium": "ALT", "ressursType": "SVARUT"},
    ),
    "a resource of an unknown type": (
        "POST",
        f"{UPDATE}/ressurs",
        {"forelderRessurs": "{a}", "type": "KAFFE", "navn": "Ny"},
    ),
    "an organisation in an organisation": (
        "POST",
        f"{UPDATE}/ressurs",
        {"forelderRessurs": "{a}", "type": "ORGANISASJON", "navn": "Ny"},
    ),
    "a resource without a name": ("PATCH", "{ressurs}", {"navn": "   "}),
    "an organisation of a wrong number": ("PATCH", "{org}", {"orgnr": WRONG_ORGNR}),
    "an organisation without a name": ("PATCH", "{org}", {"navn": ""}),
    "an organisation's e-mail": ("PATCH", "{org}", {"epost": ["post@example.no", "post"]}),
    "an avtaleadmin of a wrong number": ("PATCH", "{org}", {"avtaleadminFnr": WRONG_FNR}),
    "an integration of a wrong number": (
        "POST",
        f"{KONF}/integrasjoner",
        {"autorisertOrgnr": WRONG_ORGNR, "navn": "Fagsystem", "fiksOrganisasjonUuid": "{a}"},
    ),
    "an integration without a name": (
        "POST",
        f"{KONF}/integrasjoner",
        {"autorisertOrgnr": "310991007", "navn": "  ", "fiksOrganisasjonUuid": "{a}"},
    ),
    "an integration of a long name": (
        "POST",
        f"{KONF}/integrasjoner",
        {"autorisertOrgnr": "310991007", "navn": "N" * 256, "fiksOrganisasjonUuid": "{a}"},
    ),
    "another name that is long for an integration": (
        "PATCH",
        f"{KONF}/integrasjoner/{UUID(int=9)}",
        {"navn": "N" * 256},
    ),
    "an integration named after a person": (
        "POST",
        f"{KONF}/integrasjoner",
        {"autorisertOrgnr": "310991007", "navn": f"Fagsystem {CLERK}", "fiksOrganisasjonUuid": "{a}"},
    ),
    "an integration that is described by a person": (
        "POST",
        f"{KONF}/integrasjoner",
        {"autorisertOrgnr": "310991007", "navn": "x", "beskrivelse": f"{CLERK[:6]} {CLERK[6:]}."}
        | {"fiksOrganisasjonUuid": "{a}"},
    ),
    "a resource named after a person": ("PATCH", "{ressurs}", {"navn": f"Sak {CLERK}"}),
    "an organisation named after a person": ("PATCH", "{org}", {"navn": f"Enk-{CLERK}"}),
    "an organisation's mail for a person": ("PATCH", "{org}", {"epost": ["post@example.no", f"{CLERK}@example.no"]}),
    "invoices for a person": (
        "PUT",
        "{org}/faktura",
        {
            "orgnr": "310991007",
            "navn": "n",
            "juridiskNavn": "n",
            "referanse": CLERK,
            "postnummer": "1",
            "poststed": "p",
        },
    ),
    "a revocation of an unknown right": ("DELETE", "{ressurs}/tilganger?aktor=01010700066&privilegium=ALT", None),
    "a depth below none": ("GET", f"{QUERY}/autorisasjoner?maksDybde=-1", None),
    "a depth beyond all": ("GET", f"{QUERY}/autorisasjoner?maksDybde=99999999999", None),
    "a depth in words": ("GET", f"{QUERY}/autorisasjoner?maksDybde=1_0", None),
    "inheritance in words": ("GET", f"{QUERY}/autorisasjoner?arvPrivilegier=ja", None),
    "the privileges on an unknown type": ("GET", f"{KONF}/privilegier/NOPE", None),
    "an integration that there is not, switched off": (
        "PATCH",
        f"{UPDATE}/fiksorgs/{{a}}/aktorer/{UUID(int=9)}",
        {"aktiv": False},
    ),
    "an integration that there is not, switched on": (
        "PATCH",
        f"{UPDATE}/fiksorgs/{{a}}/aktorer/{UUID(int=9)}",
        {"aktiv": True},
    ),
    "an actor that is none": ("PATCH", f"{UPDATE}/fiksorgs/{{a}}/aktorer/kari 010107 00066", {"aktiv": True}),
}


async def test_a_right_is_given_on_what_it_is_about_or_on_the_organisation_above(town: Town) -> None:
    service, right = await town.svarut(ADMIN_A, town.a), {"aktor": CLERK, "privilegium": "DOKUMENTLAGER.LAST_OPP"}
    status, said = await town.one.ask(ADMIN_A, "POST", f"{UPDATE}/ressurs/{service}/tilganger", right)
    assert (status, said["message"]) == (
        400,
        "Privilegiet DOKUMENTLAGER.LAST_OPP kan ikke gis på ressurser av typen SVARUT",
    )
    for privilegium in ("SVARUT.SEND", "DOKUMENTLAGER.LAST_OPP"):
        await town.one.done(
            ADMIN_A, "POST", f"{UPDATE}/ressurs/{town.a}/tilganger", right | {"privilegium": privilegium}
        )
    listed = (await town.one.done(ADMIN_A, "GET", f"{KONF}/privilegier/ORGANISASJON"))["privilegier"]
    assert {"ADMIN", "SVARUT.SEND", "DOKUMENTLAGER.LAST_OPP"} <= {one["navn"] for one in listed}


TYPED = f"{UPDATE}/typeTilganger"
ASKED_BY_ROOT: dict[str, tuple[int, str, str, Any]] = {
    "a right on all resources of another type": (
        400,
        "POST",
        f"{TYPED}/FIKS_IO/tilganger",
        {"aktor": CLERK, "privilegium": "SVARUT.SEND"},
    ),
    "a right on an unknown type": (
        400,
        "POST",
        f"{TYPED}/KAFFE/tilganger",
        {"aktor": CLERK, "privilegium": "SVARUT.SEND"},
    ),
    "a right on all resources of a type for a wrong number": (
        400,
        "POST",
        f"{TYPED}/SVARUT/tilganger",
        {"aktor": WRONG_FNR, "privilegium": "SVARUT.SEND"},
    ),
    "a right on everything but administration": (
        400,
        "POST",
        f"{UPDATE}/ressurs/{ROOT}/tilganger",
        {"aktor": CLERK, "privilegium": "SVARUT.SEND"},
    ),
    "a right on nothing": (
        403,
        "POST",
        f"{UPDATE}/ressurs/{UUID(int=9)}/tilganger",
        {"aktor": CLERK, "privilegium": "ADMIN"},
    ),
    "a tag without a name": (400, "PATCH", f"{KONF}/root/integrasjoner/{UUID(int=9)}", {"tags": [" "]}),
    "a tag that no table can hold": (400, "PATCH", f"{KONF}/root/integrasjoner/{UUID(int=9)}", {"tags": ["a\0b"]}),
}


async def test_what_root_cannot_have_is_refused_before_anything_is_appended(town: Town) -> None:
    before = len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon"))
    for name, (wanted, method, path, body) in ASKED_BY_ROOT.items():
        status, said = await town.one.ask(ROOT_FNR, method, path, body)
        assert status == wanted, (name, said)
        assert not [one for one in (WRONG_FNR, CLERK) if one in json.dumps(said)], (name, said)
    assert len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")) == before


async def test_what_cannot_be_is_refused_as_the_contract_says_and_nothing_is_appended(town: Town) -> None:
    org, ressurs = f"{KONF}/organisasjoner/{town.a}", f"{UPDATE}/ressurs/{town.a}"

    def filled(said: Any) -> Any:
        if isinstance(said, str):
            return said.replace("{org}", org).replace("{ressurs}", ressurs).replace("{a}", str(town.a))
        if isinstance(said, list):
            return [filled(one) for one in said]
        return {name: filled(one) for name, one in said.items()} if isinstance(said, dict) else said

    before = len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon"))
    for name, (method, path, body) in BAD.items():
        status, said = await town.one.ask(ADMIN_A, method, filled(path), filled(body))
        assert status == 400, (name, said)
        assert {"timestamp", "status", "error", "errorId", "path", "originalPath", "message"} == said.keys(), name
        spoken = json.dumps([said["message"], said["path"], said["originalPath"]], ensure_ascii=False)
        assert not [one for one in (WRONG_FNR, CLERK, ADMIN_A, "010107 00066") if one in spoken], (name, spoken)
    assert len(records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")) == before


async def test_a_deactivated_person_may_nothing_and_root_may_bring_them_back(town: Town) -> None:
    path = f"{UPDATE}/fiksorgs/{town.b}/aktorer/{ADMIN_B}"
    assert await town.one.ask(ROOT_FNR, "PATCH", path, {"aktiv": False}) == (201, {"id": ADMIN_B, "aktiv": False})
    assert (await town.one.ask(ADMIN_B, "GET", f"{KONF}/organisasjoner/{town.b}/tjenester"))[0] == 403
    assert await town.one.done(ADMIN_B, "GET", f"{KONF}/organisasjoner/synlige") == []
    right = {"aktor": ADMIN_B, "privilegium": "ADMIN"}
    assert (await town.one.ask(ROOT_FNR, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", right))[0] == 400
    await town.one.done(ROOT_FNR, "PATCH", path, {"aktiv": True})
    assert (await town.one.ask(ADMIN_B, "GET", f"{KONF}/organisasjoner/{town.b}/tjenester"))[0] == 403
    await town.one.done(ROOT_FNR, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", right)
    assert (await town.one.ask(ADMIN_B, "GET", f"{KONF}/organisasjoner/{town.b}/tjenester"))[0] == 200


async def test_a_global_integration_is_offered_to_all_and_used_where_it_is_granted(town: Town) -> None:
    machine = await town.integrasjon()
    kode = f"GLOBAL.{town.a.hex.upper()}"
    shown = await town.one.done(
        ROOT_FNR, "PATCH", f"{KONF}/root/integrasjoner/{machine}", {"kode": kode, "global": True, "tags": ["SVARUT"]}
    )
    assert (shown["kode"], shown["global"], shown["tags"]) == (kode, True, ["SVARUT"])
    in_b = f"{KONF}/organisasjoner/{town.b}/integrasjoner"
    assert [one["uuid"] for one in await town.one.done(ADMIN_B, "GET", in_b, integrasjonKode=kode)] == [machine]
    await town.one.done(ADMIN_B, "PUT", f"{KONF}/integrasjoner/{machine}/tilknyttede-ressurser/{town.b}")
    [in_their_eyes] = await town.one.done(ADMIN_B, "GET", in_b, integrasjonKode=kode)
    assert in_their_eyes["tilknyttedeRessurser"] == [str(town.b)]
    assert (await town.one.done(ADMIN_A, "GET", f"{KONF}/integrasjoner/{machine}"))["tilknyttedeRessurser"] == []
    right = {"aktor": machine, "privilegium": "FIKS.KONFIGURER"}
    await town.one.done(ADMIN_B, "POST", f"{UPDATE}/ressurs/{town.b}/tilganger", right)
    assert town.one.memory.may(f"integrasjon:{machine}", "FIKS.KONFIGURER", town.b)
    assert not town.one.memory.may(f"integrasjon:{machine}", "FIKS.KONFIGURER", town.a)
    one = f"{KONF}/integrasjoner/{machine}"
    assert await town.one.done(ADMIN_B, "GET", one) == in_their_eyes
    assert (await town.one.ask(ADMIN_B, "POST", f"{one}/lagPassord"))[0] == 404
    assert (await town.one.ask(CLERK, "GET", one))[0] == 404

    root, held = f"{KONF}/root/integrasjoner/{machine}", {"arvPrivilegier": "true", "aktor": machine}
    asked = {"ressurser": [str(town.b)], "privilegium": "FIKS.KONFIGURER", "ressursType": "ORGANISASJON"}
    for er_global in (False, True):
        await town.one.done(ROOT_FNR, "PATCH", root, {"global": er_global})
        assert town.one.memory.may(f"integrasjon:{machine}", "FIKS.KONFIGURER", town.b) is er_global
        assert (await town.one.ask(ADMIN_B, "GET", one))[0] == (200 if er_global else 404)
        assert len(await town.one.done(ADMIN_B, "GET", f"{QUERY}/autorisasjoner", **held)) == er_global
        [counted] = (await town.one.done(ADMIN_B, "POST", f"{QUERY}/ressurser/oversikt", asked))["ressurser"]
        assert counted["antallIntegrasjoner"] == er_global
        granted = await town.one.done(ADMIN_B, "GET", f"{QUERY}/ressurser/{town.b}/tilganger", aktor=machine)
        assert granted == [right]  # it can be taken back

    await town.one.done(ROOT_FNR, "PATCH", root, {"global": False})
    attached = f"{one}/tilknyttede-ressurser/{town.b}"
    assert (await town.one.ask(ADMIN_A, "DELETE", attached))[0] == 403
    await town.one.done(ADMIN_B, "DELETE", attached)  # what was withdrawn can be detached, and not attached again
    for method in ("DELETE", "PUT"):
        assert (await town.one.ask(ADMIN_B, method, attached))[0] == 404
    await town.one.done(ROOT_FNR, "PATCH", root, {"global": True})
    assert (await town.one.done(ADMIN_B, "GET", one))["tilknyttedeRessurser"] == []

    await town.one.done(ADMIN_A, "DELETE", f"{KONF}/integrasjoner/{machine}")
    assert not town.one.memory.may(f"integrasjon:{machine}", "FIKS.KONFIGURER", town.b)
    for who in (ADMIN_A, ADMIN_B, ROOT_FNR):
        assert (await town.one.ask(who, "GET", f"{KONF}/integrasjoner/{machine}"))[0] == 404


async def test_root_gives_no_organisation_the_number_of_another(town: Town) -> None:
    ny = {"navn": "Nyby", "type": "KOMMUNE", "intern": False, "orgnr": "310992003"}
    made = (await town.one.done(ROOT_FNR, "POST", f"{KONF}/root/organisasjoner", ny))["uuid"]
    root = f"{KONF}/root/organisasjoner"
    for method, path, body in (
        ("POST", root, ny),
        ("PATCH", f"{root}/{town.a}", {"intern": False, "orgnr": "310992003"}),
    ):
        status, said = await town.one.ask(ROOT_FNR, method, path, body)
        assert (status, said["message"]) == (400, "Organisasjonsnummeret er i bruk av en annen organisasjon")
    await town.one.done(ROOT_FNR, "PATCH", f"{root}/{made}", {"intern": True, "orgnr": "310992003"})


async def test_who_is_switched_off_in_an_organisation_takes_no_number_for_it(town: Town) -> None:
    """A root operator's claim would stay, though the organisation refuses the change."""
    await town.one.done(ADMIN_A, "PATCH", f"{UPDATE}/fiksorgs/{town.a}/aktorer/{ROOT_FNR}", {"aktiv": False})
    changed = {"intern": False, "orgnr": "310993484"}
    assert (await town.one.ask(ROOT_FNR, "PATCH", f"{KONF}/root/organisasjoner/{town.a}", changed))[0] == 403
    assert "310993484" not in town.one.memory.configuration.virksomhet(ROOT).organisasjonsnumre
    assert (await town.one.ask(ROOT_FNR, "PATCH", f"{KONF}/root/organisasjoner/{town.b}", changed))[0] == 200


async def test_of_two_organisations_that_get_one_number_at_once_one_is_made(town: Town) -> None:
    root, ny = f"{KONF}/root/organisasjoner", {"navn": "Nyby", "type": "KOMMUNE", "intern": False, "orgnr": "310993999"}
    asked = [gateway.ask(ROOT_FNR, "POST", root, ny) for gateway in (town.one, town.two) * 3]
    assert sorted([status for status, _ in await asyncio.gather(*asked)]) == [200, *[400] * 5]


async def test_an_organisation_that_got_its_number_and_was_never_made_is_made_when_it_is_asked_for_again(
    town: Town,
) -> None:
    av, orgnr = town.one.names.actor(ROOT_FNR), "310993018"
    claim = ClaimOrganisasjonsnummer(fiks_org_id=ROOT, av=av, eier_id=uuid4(), orgnr=orgnr)
    await town.backbone.log.append(claim, about(claim))
    await eventually(lambda: orgnr in town.one.memory.configuration.virksomhet(ROOT).organisasjonsnumre)
    ny = {"navn": "Nyby", "type": "KOMMUNE", "intern": False, "orgnr": orgnr}
    made = await town.one.done(ROOT_FNR, "POST", f"{KONF}/root/organisasjoner", ny)
    assert made["uuid"] == str(claim.eier_id)


async def test_an_administrator_gives_the_organisation_no_other_number(town: Town) -> None:
    org = f"{KONF}/organisasjoner/{town.a}"
    for taken_or_free in ("310992003", "310993999"):
        status, said = await town.one.ask(ADMIN_A, "PATCH", org, {"orgnr": taken_or_free})
        assert (status, said["message"]) == (403, "Bare rotadministratorer kan endre orgnr")
    assert (await town.one.done(ADMIN_A, "PATCH", org, {"orgnr": "310991007", "navn": "Ny"}))["navn"] == "Ny"


async def test_only_root_offers_an_integration_to_all(town: Town) -> None:
    ny = {"autorisertOrgnr": "310991007", "navn": "Fagsystem", "fiksOrganisasjonUuid": str(town.a)}
    machine = await town.integrasjon()
    one = f"{KONF}/integrasjoner/{machine}"
    for asked in ({"global": True}, {"kode": "MIN.KODE"}):
        for method, path, body in (("POST", f"{KONF}/integrasjoner", ny | asked), ("PATCH", one, asked)):
            status, said = await town.one.ask(ADMIN_A, method, path, body)
            assert status == 400
            assert "/root/integrasjoner" in said["message"]
    as_it_is = await town.one.done(ADMIN_A, "GET", one)
    await town.one.done(ADMIN_A, "PATCH", one, as_it_is | {"navn": "Nytt navn"})
    kode = f"GLOBAL.{town.b.hex.upper()}"
    await town.one.done(ROOT_FNR, "PATCH", f"{KONF}/root/integrasjoner/{machine}", {"kode": kode, "global": True})
    assert (await town.one.ask(ADMIN_A, "PATCH", one, {"global": False}))[0] == 400
    same = await town.one.done(ADMIN_A, "PATCH", one, {"global": True, "kode": kode, "navn": "Igjen"})
    assert (same["navn"], same["kode"]) == ("Igjen", kode)


async def test_the_number_of_an_avtaleadmin_is_shown_and_is_not_on_the_log(town: Town) -> None:
    org, number = f"{KONF}/organisasjoner/{town.a}", "52849040073"
    assert (await town.one.done(ADMIN_A, "PATCH", org, {"avtaleadminFnr": number}))["avtaleadminFnr"] == number
    said = [one.value for one in records_on(town.backbone.settings.kafka, "fiks.konfigurasjon")]
    assert [one for one in said if town.one.names.actor(number).encode() in one]
    assert not [one for one in said if number.encode() in one]


async def test_the_number_of_an_avtaleadmin_is_for_those_who_administrate_the_organisation(town: Town) -> None:
    org, number = f"{KONF}/organisasjoner/{town.a}", "52849040073"
    await town.one.done(ADMIN_A, "PATCH", org, {"avtaleadminFnr": number})
    konto = await town.svarut(ADMIN_A, town.a)
    right = {"aktor": CLERK, "privilegium": "SVARUT.SEND"}
    await town.one.done(ADMIN_A, "POST", f"{UPDATE}/ressurs/{konto}/tilganger", right)

    async def shown(who: str) -> Any:
        [found] = [
            one
            for one in await town.one.done(who, "GET", f"{KONF}/organisasjoner/synlige")
            if one["uuid"] == str(town.a)
        ]
        return found.get("avtaleadminFnr")

    assert [await shown(who) for who in (ADMIN_A, ROOT_FNR, CLERK)] == [number, number, None]


async def test_the_rest_of_what_is_described_answers_in_the_described_shape(town: Town) -> None:
    machine, ask = await town.integrasjon(), town.one.done
    org = f"{KONF}/organisasjoner/{town.a}"
    faktura = {"orgnr": "310991007", "navn": "n", "juridiskNavn": "n", "referanse": "r"} | {
        "postnummer": "0001",
        "poststed": "Oslo",
        "endepunktId": "310991007",
    }
    assert await ask(ADMIN_A, "PUT", f"{org}/faktura", faktura) == faktura
    assert await ask(ADMIN_A, "GET", f"{org}/faktura") == faktura
    changed = await ask(ADMIN_A, "PATCH", org, {"epost": ["post@example.no"], "avtaleadminFnr": CLERK})
    assert (changed["epost"], changed["avtaleadminFnr"]) == (["post@example.no"], CLERK)
    renamed = await ask(
        ROOT_FNR, "PATCH", f"{KONF}/root/organisasjoner/{town.a}", {"intern": True, "kommunenr": "0301"}
    )
    assert (renamed["intern"], renamed["kommunenr"]) == (True, "0301")
    assert await ask(ADMIN_A, "PATCH", f"{KONF}/integrasjoner/{machine}", {"navn": "Nytt navn"})
    for path in ("", "/SVARUT"):
        await ask(ADMIN_A, "GET", f"{org}/tjenester{path}")
    for path in (
        "tjenester",
        "privilegier/SVARUT",
        "organisasjoner/kontaktinformasjon",
        "organisasjoner/fakturaoversikt",
    ):
        await ask(ADMIN_A, "GET", f"{KONF}/{path}")
    for path in ("integrasjoner", "integrasjoner/SVARUT", "kontaktinformasjon"):
        await ask(ADMIN_A, "GET", f"{org}/{path}")
    for path in ("tjenester", "tjenester/SVARUT", "organisasjoner", "integrasjoner", "privilegier"):
        await ask(ROOT_FNR, "GET", f"{KONF}/root/{path}")
    assert (await ask(ROOT_FNR, "GET", f"{KONF}/root/organisasjoner/tjenester")).startswith("fiksOrgId;")
    assert await ask(ADMIN_A, "POST", f"{KONF}/organisasjoner", {"ids": [str(town.a)], "kommunenr": ["0301"]})
    kind = f"{UPDATE}/typeTilganger/ORGANISASJON/tilganger"
    right = {"aktor": CLERK, "privilegium": "ADMIN"}
    await ask(ROOT_FNR, "POST", kind, right)
    assert town.one.memory.may(town.one.names.actor(CLERK), "ADMIN", town.b)
    [typed] = await ask(ROOT_FNR, "GET", f"{QUERY}/typeTilganger")
    assert right in typed["tilganger"]
    await ask(ROOT_FNR, "POST", f"{kind}/delete", right)
    assert not town.one.memory.may(town.one.names.actor(CLERK), "ADMIN", town.b)
    await ask(ADMIN_A, "PATCH", f"{UPDATE}/ressurs/{town.a}", {"navn": "Omdøpt"})
    own = await ask(ADMIN_A, "GET", f"{QUERY}/autorisasjoner", type="ORGANISASJON")
    assert [(one["aktor"], one["privilegium"], one["ressursNavn"]) for one in own] == [(ADMIN_A, "ADMIN", "Omdøpt")]
    seen = await ask(ADMIN_A, "GET", f"{QUERY}/synlige", privilegier="ADMIN", ressursType="ORGANISASJON")
    assert [one["id"] for one in seen["ressurser"]] == [str(town.a)]
    asked = {"ressurser": [str(town.a)], "privilegium": "ADMIN", "ressursType": "ORGANISASJON"}
    [counted] = (await ask(ADMIN_A, "POST", f"{QUERY}/ressurser/oversikt", asked))["ressurser"]
    assert (counted["antallPersoner"], counted["antallTotalt"]) == (1, 1)
    assert (await town.one.ask(ADMIN_B, "POST", f"{QUERY}/ressurser/oversikt", asked))[0] == 404
    await ask(ADMIN_A, "PUT", f"{KONF}/integrasjoner/{machine}/tilknyttede-ressurser/{town.a}")
    await ask(ADMIN_A, "DELETE", f"{KONF}/integrasjoner/{machine}/tilknyttede-ressurser/{town.a}")
    await ask(ADMIN_A, "DELETE", f"{KONF}/integrasjoner/{machine}")
    assert (await town.one.ask(ADMIN_A, "GET", f"{KONF}/integrasjoner/{machine}"))[0] == 404


async def test_an_integration_has_a_name_of_255_characters_at_most(town: Town) -> None:
    machine = await town.integrasjon()
    changed = await town.one.done(ADMIN_A, "PATCH", f"{KONF}/integrasjoner/{machine}", {"navn": "N" * 255})
    assert len(changed["navn"]) == 255


async def test_text_that_no_table_can_hold_is_refused(town: Town) -> None:
    for navn in ("a\0b", "N" * 1001):
        assert (await town.one.ask(ADMIN_A, "PATCH", f"{KONF}/organisasjoner/{town.a}", {"navn": navn}))[0] == 400
    below = {"forelderRessurs": str(town.a), "type": "SVARUT_KONTO", "navn": "a\0b"}
    assert (await town.one.ask(ADMIN_A, "POST", f"{UPDATE}/ressurs", below))[0] == 400


async def test_rights_on_a_type_are_shown_to_who_holds_them_and_to_who_administrates_what_they_hold_on(
    town: Town,
) -> None:
    ask = town.one.done
    service, other = await town.svarut(ADMIN_A, town.a), await town.svarut(ADMIN_B, town.b)
    below = {"forelderRessurs": service, "type": "SVARUT_KONTO", "navn": "Konto"}
    account = (await ask(ADMIN_A, "POST", f"{UPDATE}/ressurs", below))["id"]
    seen = {"privilegier": "SVARUT.SEND"}
    assert (await ask(CLERK, "GET", f"{QUERY}/synlige", **seen))["ressurser"] == []
    right = {"aktor": CLERK, "privilegium": "SVARUT.SEND"}
    await ask(ROOT_FNR, "POST", f"{TYPED}/SVARUT/tilganger", right)
    assert await ask(CLERK, "GET", f"{QUERY}/isAutorisert", **right, ressurs=account) is True

    for path, query in (("synlige", seen), ("ressurser", {})):
        shown = await ask(CLERK, "GET", f"{QUERY}/{path}", **query)
        assert {one["id"] for one in (shown["ressurser"] if path == "synlige" else shown)} >= {service, account, other}
    assert (await ask(CLERK, "GET", f"{QUERY}/ressurser/{account}"))["id"] == account
    assert (await town.one.ask(CLERK, "GET", f"{QUERY}/ressurser/{town.a}"))[0] == 404  # nothing is held there
    both = {str(town.a), str(town.b)}
    assert {one["uuid"] for one in await ask(CLERK, "GET", f"{KONF}/organisasjoner/synlige")} >= both

    on_a = {"forelderRessurs": str(town.a)}
    for who, named in ((CLERK, {}), (ADMIN_A, {"aktor": CLERK})):
        held = await ask(who, "GET", f"{QUERY}/autorisasjoner", arvPrivilegier="true", **on_a, **named)
        assert [(one["aktor"], one["ressurs"], one["privilegiumNiva"], one["ressursNiva"]) for one in held] == [
            (CLERK, service, 2, 2),
            (CLERK, account, 2, 3),
        ]
        [direct] = await ask(who, "GET", f"{QUERY}/autorisasjoner", **on_a, **named)
        assert direct["ressurs"] == service
    assert await ask(ADMIN_B, "GET", f"{QUERY}/autorisasjoner", aktor=CLERK, arvPrivilegier="true", **on_a) == []
    asked = {"ressurser": [service], "privilegium": "SVARUT.SEND", "ressursType": "SVARUT"}

    async def counted(**more: Any) -> int:
        [one] = (await ask(ADMIN_A, "POST", f"{QUERY}/ressurser/oversikt", asked | more))["ressurser"]
        return one["antallTotalt"]

    assert (await counted(), await counted(ekskluderAktorer=[CLERK])) == (1, 0)
    await ask(ADMIN_A, "POST", f"{UPDATE}/ressurs/{service}/tilganger", right)  # held twice, shown once
    assert await counted() == 1
    assert len(await ask(CLERK, "GET", f"{QUERY}/autorisasjoner", **on_a)) == 1
    await ask(ADMIN_A, "PATCH", f"{UPDATE}/fiksorgs/{town.a}/aktorer/{CLERK}", {"aktiv": False})
    assert await counted() == 0
    assert await ask(CLERK, "GET", f"{QUERY}/autorisasjoner", **on_a) == []
    await ask(ROOT_FNR, "POST", f"{TYPED}/SVARUT/tilganger/delete", right)
    assert await ask(CLERK, "GET", f"{QUERY}/ressurser") == []


async def test_nobody_holds_a_privilege_that_there_is_not(town: Town) -> None:
    question = {"aktor": ADMIN_A, "privilegium": "FINNES.IKKE", "ressurs": str(town.a)}
    assert await town.one.done(ADMIN_A, "GET", f"{QUERY}/isAutorisert", **question) is False
    seen = await town.one.done(ADMIN_A, "GET", f"{QUERY}/synlige", privilegier="FINNES.IKKE")
    assert seen == {"ressurser": []}


async def test_an_integration_is_switched_off_where_it_is_offered_or_holds_something(town: Town) -> None:
    machine = await town.integrasjon()
    in_b = f"{UPDATE}/fiksorgs/{town.b}/aktorer/"
    for nobodys in (machine, str(uuid4())):  # of another organisation, or not there: the same
        status, said = await town.one.ask(ADMIN_B, "PATCH", in_b + nobodys, {"aktiv": False})
        assert (status, said["message"]) == (400, "Integrasjonen finnes ikke")
    root = f"{KONF}/root/integrasjoner/{machine}"
    await town.one.done(ROOT_FNR, "PATCH", root, {"global": True})
    await town.one.done(ADMIN_B, "PATCH", in_b + machine, {"aktiv": False})
    await town.one.done(ROOT_FNR, "PATCH", root, {"global": False})
    await town.one.done(ADMIN_B, "PATCH", in_b + machine, {"aktiv": True})
    await town.one.done(ADMIN_A, "DELETE", f"{KONF}/integrasjoner/{machine}")
    status, said = await town.one.ask(
        ADMIN_A, "PATCH", f"{UPDATE}/fiksorgs/{town.a}/aktorer/{machine}", {"aktiv": True}
    )
    assert (status, said["message"]) == (400, "Integrasjonen finnes ikke")


async def test_a_resource_that_does_not_belong_where_it_is_asked_for_is_not_made(town: Town) -> None:
    service, made = await town.svarut(ADMIN_A, town.a), f"{UPDATE}/ressurs"
    account = {"forelderRessurs": service, "type": "SVARUT_KONTO", "navn": "Konto"}
    below = (await town.one.done(ADMIN_A, "POST", made, account))["id"]
    for kind, above in (
        ("FIKS_IO_KONTO", service),
        ("DOKUMENTLAGER_KONTO", service),
        ("SVARUT", below),
        ("SVARUT_KONTO", below),
        ("SVARUT_KONTO", str(town.a)),
        ("SVARUT", str(town.a)),
    ):
        status, said = await town.one.ask(
            ADMIN_A, "POST", made, {"forelderRessurs": above, "type": kind, "navn": "Feil"}
        )
        assert (status, kind in said["message"]) == (400, True), said
    seen = await town.one.done(ADMIN_A, "GET", f"{QUERY}/ressurser")
    assert {one["id"] for one in seen} == {str(town.a), service, below}
