"""Who looks up data about others is on the log before the answer: who, for whom, what, when and why; or no answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.audit import AUDITOR, Auditor, audited
from gateway.auth.demands import Caller, Demand
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.middleware import authenticate
from gateway.auth.persons import PERSONS, Persons
from gateway.auth.principal import Principal
from gateway.context import LOG
from gateway.problems import problems
from gateway.routes import autorisasjon, dokumentlager_tilganger, konfigurasjon, konfigurasjon_personer
from schemas.audit import Kaller, OppslagGjort, TilgangNektet
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.konfigurasjon import (
    ROOT,
    OrganisasjonEndret,
    OrganisasjonOpprettet,
    PersonopplysningerOppgitt,
    PersonOpprettet,
    PrivilegieTildelt,
    RessursOpprettet,
    TypePrivilegieTildelt,
)
from streams.domain.errors import Unavailable
from streams.domain.personer import person_id

A, B = UUID(int=0xA), UUID(int=0xB)
ROOT_FNR, ADMIN_A, CLERK, CLERK_B, STRANGER = "09477211183", "01010700066", "25865400058", "15819000066", "12858010053"
BY_TYPE = "17708512036"
"""Uploads to every account of Dokumentlager that there is, and holds nothing else."""
MACHINE = UUID(int=0x30)
NAMES = Persons(bytes(32))
LAW = "Kommuneloven § 24-1"
LIST, CHANGE = ("POST", "/konfigurasjon/api/v1/personer/list"), ("PATCH", "/konfigurasjon/api/v1/personer/oppdater")
QUERY = "/autorisasjon-query/api/v1/autorisasjon"
KONTO, EMPTY = UUID(int=0x40), UUID(int=0x41)
"""Accounts of Dokumentlager: ADMIN_A and CLERK administrate and use the one, nobody the other."""


class Folded(Memory):
    """A memory that a test feeds."""

    ready = is_current = True  # type: ignore[assignment]

    async def catch_up(self) -> None:
        """There is no log that it could be behind of."""

    def meet(self, *events: Any) -> None:
        for offset, event in enumerate(events):
            self.configuration.meet(event, None, offset)


@dataclass
class Log:
    said: list[tuple[Any, Envelope]] = field(default_factory=list)
    away: bool = False

    async def append(self, event: object, about: Envelope) -> None:
        if self.away:
            raise Unavailable("away")
        encode(event)
        self.said.append((event, about))


class Believed:
    """A manager is who the header Who says, at level 4; an integration who Machine says."""

    async def identify(self, request: web.Request, demand: Demand) -> Principal:
        if pid := request.headers.get("Who"):
            return Principal(Caller.MANAGER, pid=pid, person=NAMES.actor(pid), niva=4, orgnr="310991007")
        return Principal(Caller.INTEGRATION, integrasjon_id=MACHINE, orgnr="310991007")

    async def require_authority(self, principal: Principal) -> None:
        """None of these acts for an organisation."""


@dataclass
class Gateway:
    log: Log
    server: TestServer
    session: ClientSession

    async def ask(
        self, who: str, call: tuple[str, str], body: Any = None, law: str | None = LAW, **query: str
    ) -> tuple[int, Any]:
        headers = {"Who": who} if who else {}
        headers |= {"Lovhjemmel": law} if law is not None else {}
        url = self.server.make_url(call[1])
        async with self.session.request(call[0], url, json=body, params=query, headers=headers) as answer:
            return answer.status, await answer.json()

    @property
    def told(self) -> list[tuple[UUID, str, str, set[str], str]]:
        lookups = [event for event, _ in self.log.said if isinstance(event, OppslagGjort)]
        return [(one.fiks_org_id, one.tjeneste, one.hva, set(one.gjelder), one.utfall) for one in lookups]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    memory, log = Folded("nowhere:9"), Log()
    for fiks_org_id, admin, clerk in ((A, ADMIN_A, CLERK), (B, CLERK_B, CLERK_B)):
        memory.meet(
            OrganisasjonOpprettet(fiks_org_id=fiks_org_id, orgnr="310991007", navn="Kommunen"),
            OrganisasjonEndret(fiks_org_id=fiks_org_id, avtaleadmin=NAMES.actor(clerk)),
            right(fiks_org_id, admin, "ADMIN"),
            right(fiks_org_id, clerk, "SVARUT.SEND"),
        )
    for konto_id in (KONTO, EMPTY):
        memory.meet(
            RessursOpprettet(
                fiks_org_id=A, ressurs_id=konto_id, forelder_id=A, type="DOKUMENTLAGER_KONTO", navn="Byggesaker"
            )
        )
    for fnr in (ADMIN_A, CLERK):
        memory.meet(right(A, fnr, "ADMIN", KONTO), right(A, fnr, "DOKUMENTLAGER.LAST_OPP", KONTO))
    memory.meet(right(ROOT, ROOT_FNR, "ADMIN"))
    memory.meet(
        right(ROOT, ROOT_FNR, "ADMIN"),
        TypePrivilegieTildelt(
            fiks_org_id=ROOT, aktor=NAMES.actor(CLERK_B), ressurstype="SVARUT", privilegium="SVARUT.SEND"
        ),
        TypePrivilegieTildelt(
            fiks_org_id=ROOT,
            aktor=NAMES.actor(BY_TYPE),
            ressurstype="DOKUMENTLAGER_KONTO",
            privilegium="DOKUMENTLAGER.LAST_OPP",
        ),
    )
    for of, fnrs in ((ROOT, (ROOT_FNR, STRANGER)), (A, (ADMIN_A, CLERK)), (B, (CLERK_B,))):
        for fnr in fnrs:
            memory.meet(*known(of, fnr))
    app = web.Application(middlewares=[problems, audited, authenticate(Believed())])  # type: ignore[arg-type]
    app[MEMORY], app[PERSONS], app[LOG] = memory, NAMES, log  # type: ignore[misc]
    app[AUDITOR] = Auditor(log, memory)  # type: ignore[arg-type]
    for module in (konfigurasjon, konfigurasjon_personer, autorisasjon, dokumentlager_tilganger):
        module.routes.add_to(app)
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        yield Gateway(log, server, session)


def right(fiks_org_id: UUID, fnr: str, privilegium: str, on: UUID | None = None) -> PrivilegieTildelt:
    return PrivilegieTildelt(
        fiks_org_id=fiks_org_id, aktor=NAMES.actor(fnr), ressurs_id=on or fiks_org_id, privilegium=privilegium
    )


def holders(konto_id: UUID, what: str) -> tuple[str, str]:
    return "GET", f"/dokumentlager/api/v1/organisasjoner/{A}/kontoer/{konto_id}/{what}"


def known(fiks_org_id: UUID, fnr: str) -> tuple[PersonopplysningerOppgitt, PersonOpprettet]:
    who = NAMES.actor(fnr)
    about = {"fiks_org_id": fiks_org_id, "aktor": who, "opplysninger_id": UUID(int=1)}
    said = PersonopplysningerOppgitt(person_id=person_id(fiks_org_id, who), fnr=fnr, navn="Noen", **about)
    return said, PersonOpprettet(**about)


def persons(*fnrs: str) -> set[str]:
    return {NAMES.actor(fnr) for fnr in fnrs}


async def test_a_look_up_says_who_for_whom_what_when_and_why(gateway: Gateway) -> None:
    before = datetime.now(UTC)
    status, shown = await gateway.ask(ADMIN_A, LIST, {"fnrs": [CLERK]})
    assert (status, [one["fnr"] for one in shown]) == (200, [CLERK])
    [(event, about)] = gateway.log.said
    assert event == OppslagGjort(
        fiks_org_id=A,
        tjeneste="konfigurasjon",
        hva="kontaktopplysninger",
        gjelder=(NAMES.actor(CLERK),),
        utfall="FUNNET",
        kaller=Kaller(orgnr="310991007", niva=4),
    )
    assert (about.actor, about.legal_basis, about.stream) == (NAMES.actor(ADMIN_A), LAW, str(A))
    assert before <= about.time <= datetime.now(UTC)
    assert not [fnr for fnr in (ADMIN_A, CLERK) if fnr in str(event) + str(about.headers())]


async def test_a_legal_basis_that_names_a_person_is_refused_and_on_no_log(gateway: Gateway) -> None:
    status, _ = await gateway.ask(ADMIN_A, LIST, {"fnrs": [CLERK]}, f"{LAW}, sak om {CLERK}")
    assert status == 400
    assert CLERK not in str(gateway.log.said)


BY_QUERY = ("GET", "/konfigurasjon/api/v1/personer")
BY_ADDRESS = ("PATCH", f"/konfigurasjon/api/v1/personer/{CLERK}")
ROOT_BY_ADDRESS = ("PATCH", f"/konfigurasjon/api/v1/root/personer/{STRANGER}")


async def test_persons_whose_numbers_stand_in_the_query_are_looked_up_like_others(gateway: Gateway) -> None:
    assert await gateway.ask(ADMIN_A, BY_QUERY, fnr=CLERK) == await gateway.ask(ADMIN_A, LIST, {"fnrs": [CLERK]})
    first, second = [(event, about.legal_basis) for event, about in gateway.log.said]
    assert first == second
    assert (await gateway.ask(ADMIN_A, BY_QUERY))[1] == []
    assert (await gateway.ask(ADMIN_A, BY_QUERY, None, None, fnr=CLERK))[0] == 400  # no law
    status, said = await gateway.ask(ADMIN_A, BY_QUERY, fnr="25865400059")
    assert (status, said["message"]) == (400, "Nummeret i adressen er ikke et gyldig fødselsnummer eller d-nummer")


@pytest.mark.parametrize(
    ("who", "call", "answered", "route"),
    [
        (ADMIN_A, BY_ADDRESS, 200, "PATCH /konfigurasjon/api/v1/personer/{fnr}"),
        (CLERK_B, BY_ADDRESS, 404, "PATCH /konfigurasjon/api/v1/personer/{fnr}"),
        (ROOT_FNR, BY_ADDRESS, 404, "PATCH /konfigurasjon/api/v1/personer/{fnr}"),
        (ROOT_FNR, ROOT_BY_ADDRESS, 200, "PATCH /konfigurasjon/api/v1/root/personer/{fnr}"),
        (ROOT_FNR, (ROOT_BY_ADDRESS[0], ROOT_BY_ADDRESS[1].replace(STRANGER, CLERK)), 404, ""),
        (ADMIN_A, ROOT_BY_ADDRESS, 403, "PATCH /konfigurasjon/api/v1/root/personer/{fnr}"),
    ],
)
async def test_a_number_in_an_address_is_written_nowhere(
    gateway: Gateway,
    who: str,
    call: tuple[str, str],
    answered: int,
    route: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = await gateway.ask(who, call, {})
    assert status == answered
    if status != 200:
        assert not [fnr for fnr in (CLERK, STRANGER) if fnr in str(said)]
    refused = [event.rute for event, _ in gateway.log.said if isinstance(event, TilgangNektet)]
    assert refused in ([], [route])
    without_a_law = await gateway.ask(who, call, {}, None)
    assert without_a_law[0] == 400
    everywhere = f"{gateway.log.said}{caplog.text}{capsys.readouterr()}{without_a_law}"
    assert not [fnr for fnr in (CLERK, STRANGER) if fnr in everywhere]


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (LIST, {"fnrs": [CLERK]}),
        (CHANGE, {"fnr": CLERK, "navn": "Et annet"}),
        (("PATCH", "/konfigurasjon/api/v1/personer/{fnr}"), {"navn": "Et annet"}),
        (BY_QUERY, None),
    ],
)
@pytest.mark.parametrize("law", [None, "", "  "])
async def test_without_a_legal_basis_it_is_refused_on_the_record_and_nothing_is_shown_or_changed(
    gateway: Gateway, call: tuple[str, str], body: Any, law: str | None
) -> None:
    address = (call[0], call[1].replace("{fnr}", CLERK))
    status, said = await gateway.ask(ADMIN_A, address, body, law)
    path = call[1].replace("{fnr}", "***")
    assert (status, said["status"], said["error"], said["path"]) == (400, 400, "Bad Request", path)
    assert "Lovhjemmel" in said["message"]
    assert {"timestamp", "errorId", "originalPath"} <= said.keys()
    assert CLERK not in str(said)
    [(event, about)] = gateway.log.said
    assert isinstance(event, TilgangNektet)
    assert (event.rute, about.actor) == (" ".join(call), NAMES.actor(ADMIN_A))
    assert CLERK not in str(event)


async def test_who_was_looked_for_and_not_shown_is_told_too(gateway: Gateway) -> None:
    assert await gateway.ask(ADMIN_A, LIST, {"fnrs": [CLERK_B, STRANGER]}) == (200, [])
    assert gateway.told == [(ROOT, "konfigurasjon", "kontaktopplysninger", persons(CLERK_B, STRANGER), "IKKE_FUNNET")]
    assert (await gateway.ask(ADMIN_A, CHANGE, {"fnr": CLERK_B, "navn": "Et annet"}))[0] == 404
    assert gateway.told[1:] == [(ROOT, "konfigurasjon", "kontaktopplysninger", persons(CLERK_B), "IKKE_FUNNET")]


async def test_an_administrator_of_a_part_is_not_told_that_the_organisation_knows_a_person_and_the_asking_is_told(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for as where it does not, but without a name; nobody decides here."""
    monkeypatch.setattr("gateway.kommando.PATIENCE", 0.1)
    gateway.server.app[MEMORY].meet(right(A, BY_TYPE, "ADMIN", EMPTY))
    said = {"fnr": CLERK, "navn": "En annen"}
    assert (await gateway.ask(BY_TYPE, ("POST", "/konfigurasjon/api/v1/personer"), said, None))[0] == 503
    assert gateway.told == [(A, "konfigurasjon", "kontaktopplysninger", persons(CLERK), "FUNNET")]
    [_, (asked, _)] = gateway.log.said
    assert isinstance(asked, PersonopplysningerOppgitt)
    assert (asked.fnr, asked.navn) == (CLERK, None)


async def test_lists_of_resources_end(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autorisasjon, "MOST", 1)
    for path in (f"{QUERY}/{ROOT}/barn", f"{QUERY}/{A}/barn", f"{QUERY}/ressurser"):
        status, shown = await gateway.ask(ROOT_FNR, ("GET", path))
        assert (status, len(shown)) == (200, 1)


async def test_each_organisation_is_told_what_was_asked_of_its_own(gateway: Gateway) -> None:
    assert len((await gateway.ask(ROOT_FNR, LIST, {"fnrs": [CLERK, CLERK_B, STRANGER, ROOT_FNR]}))[1]) == 2
    told = {(of, utfall, *gjelder) for of, _, _, gjelder, utfall in gateway.told}
    assert (ROOT, "FUNNET", *persons(STRANGER)) in told
    assert {(A, "IKKE_FUNNET", *persons(CLERK)), (B, "IKKE_FUNNET", *persons(CLERK_B))} <= told


async def test_one_s_own_data_is_no_look_up(gateway: Gateway) -> None:
    assert len((await gateway.ask(ADMIN_A, LIST, {"fnrs": [ADMIN_A]}))[1]) == 1
    own = {"privilegium": "ADMIN", "ressurs": str(A)}
    assert await gateway.ask(ADMIN_A, ("GET", f"{QUERY}/isAutorisert"), None, None, aktor=ADMIN_A, **own) == (200, True)
    assert (await gateway.ask(ADMIN_A, ("GET", f"{QUERY}/autorisasjoner"), None, None))[0] == 200
    machine = await gateway.ask("", ("GET", f"{QUERY}/isAutorisert"), None, None, aktor=str(MACHINE), **own)
    assert machine == (200, False)
    assert gateway.told == []


RIGHTS = ("autorisasjon", "rettigheter")
ASKING: dict[str, tuple[str, tuple[str, str], Any, dict[str, str], list[Any]]] = {
    "whether another may": (
        ADMIN_A,
        ("GET", f"{QUERY}/isAutorisert"),
        None,
        {"aktor": CLERK, "privilegium": "SVARUT.SEND", "ressurs": str(A)},
        [(A, *RIGHTS, persons(CLERK), "FUNNET")],
    ),
    "the rights of another": (
        ADMIN_A,
        ("GET", f"{QUERY}/autorisasjoner"),
        None,
        {"aktor": CLERK},
        [(A, *RIGHTS, persons(CLERK), "FUNNET")],
    ),
    "the rights of somebody who has none here": (
        ADMIN_A,
        ("GET", f"{QUERY}/autorisasjoner"),
        None,
        {"aktor": STRANGER},
        [(ROOT, *RIGHTS, persons(STRANGER), "IKKE_FUNNET")],
    ),
    "who has rights on a resource": (
        ADMIN_A,
        ("GET", f"{QUERY}/ressurser/{A}/tilganger"),
        None,
        {},
        [(A, *RIGHTS, persons(CLERK), "FUNNET")],
    ),
    "whether another has rights on a resource": (
        ADMIN_A,
        ("GET", f"{QUERY}/ressurser/{A}/tilganger"),
        None,
        {"aktor": STRANGER},
        [(A, *RIGHTS, persons(STRANGER), "IKKE_FUNNET")],
    ),
    "how many have rights without somebody": (
        ADMIN_A,
        ("POST", f"{QUERY}/ressurser/oversikt"),
        {"ressurser": [str(A)], "privilegium": "ADMIN", "ressursType": "SVARUT", "ekskluderAktorer": [CLERK]},
        {},
        [(A, *RIGHTS, persons(CLERK), "FUNNET")],
    ),
    "who has rights on a type": (
        ROOT_FNR,
        ("GET", f"{QUERY}/typeTilganger"),
        None,
        {},
        [(ROOT, *RIGHTS, persons(CLERK_B, BY_TYPE), "FUNNET")],
    ),
    "the rights of somebody who holds them on a type": (
        ADMIN_A,
        ("GET", f"{QUERY}/autorisasjoner"),
        None,
        {"aktor": BY_TYPE},
        [(A, *RIGHTS, persons(BY_TYPE), "FUNNET")],
    ),
    "the rights of somebody who holds them on a type of which one has nothing": (
        CLERK_B,
        ("GET", f"{QUERY}/autorisasjoner"),
        None,
        {"aktor": BY_TYPE},
        [(ROOT, *RIGHTS, persons(BY_TYPE), "IKKE_FUNNET")],
    ),
    **{
        f"the {what} of an account": (
            ADMIN_A,
            holders(KONTO, what),
            None,
            {},
            [(A, "dokumentlager", "rettigheter", persons(CLERK), "FUNNET")],
        )
        for what in ("administratorer", "brukere")
    },
} | {
    f"the avtaleadmin by {call[1]}": (
        ROOT_FNR,
        call,
        body,
        {},
        [(of, "konfigurasjon", "avtaleadmin", persons(who), "FUNNET") for of, who in ((A, CLERK), (B, CLERK_B))],
    )
    for call, body in (
        (("GET", "/konfigurasjon/api/v1/organisasjoner"), None),
        (("POST", "/konfigurasjon/api/v1/organisasjoner"), {}),
        (("GET", "/konfigurasjon/api/v1/organisasjoner/synlige"), None),
        (("GET", "/konfigurasjon/api/v1/root/organisasjoner"), None),
    )
}


@pytest.mark.parametrize("name", ASKING)
async def test_data_about_others_is_told_and_not_shown_while_that_cannot_be(gateway: Gateway, name: str) -> None:
    who, call, body, query, told = ASKING[name]
    gateway.log.away = True
    status, said = await gateway.ask(who, call, body, None, **query)
    assert (status, said["status"]) == (503, 503)
    gateway.log.away = False
    assert (await gateway.ask(who, call, body, LAW, **query))[0] == 200
    assert gateway.told == told
    assert {about.legal_basis for _, about in gateway.log.said} == {LAW}


async def test_what_tells_nothing_of_persons_is_no_look_up(gateway: Gateway) -> None:
    for path in ("/konfigurasjon/api/v1/organisasjoner/info", f"{QUERY}/ressurser", f"{QUERY}/{A}/barn"):
        assert (await gateway.ask(ADMIN_A, ("GET", path)))[0] == 200
    assert gateway.told == []


@pytest.mark.parametrize("what", ["administratorer", "brukere"])
async def test_of_an_account_only_other_persons_who_are_shown_are_a_look_up(gateway: Gateway, what: str) -> None:
    assert await gateway.ask(ADMIN_A, holders(EMPTY, what)) == (200, {what: []})
    assert gateway.told == []
    status, shown = await gateway.ask(ADMIN_A, holders(KONTO, what))
    assert (status, len(shown[what])) == (200, 2)
    assert gateway.told == [(A, "dokumentlager", "rettigheter", persons(CLERK), "FUNNET")]
    assert (await gateway.ask(CLERK_B, holders(KONTO, what)))[0] == 403
    assert len(gateway.told) == 1
