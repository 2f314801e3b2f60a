"""Refusals and look-ups become events: what is in them, what never is, and how many there are of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from structlog.testing import capture_logs

from gateway import audit, summing
from gateway.audit import AUDITOR, ROOT, Auditor, audited
from gateway.auth.demands import Caller, demanding, integration, manager
from gateway.auth.middleware import DEMANDED
from gateway.auth.principal import LEGAL_BASIS, PRINCIPAL, NotProved, Principal
from gateway.problems import hidden, problems
from gateway.refusals import DENIED_OF_A_KIND, KINDS, OTHERS, UNKNOWN_A_SECOND, WINDOW
from infra.metrics import AUDIT_MISSED, AUDIT_SUMMED
from schemas.audit import (
    Arsak,
    AutentiseringerFeilet,
    AutentiseringFeilet,
    Kaller,
    OppslagGjort,
    TilgangerNektet,
    TilgangNektet,
)
from schemas.codec import encode
from schemas.envelope import By, Envelope
from streams.domain.errors import NotAllowed, NotAuthenticated, NotFound, Unavailable
from streams.domain.konfigurasjon import Integrasjon, Ressurs

OWNER, KONTO, MASKIN = UUID(int=1), UUID(int=2), UUID(int=3)
PERSON = Principal(Caller.MANAGER, pid="12858010053", person="person:ab", niva=4, on_behalf_of="310991007")
MACHINE = Principal(
    Caller.INTEGRATION, integrasjon_id=MASKIN, fiks_org_id=OWNER, orgnr="310992003", leverandor="310993999"
)


@dataclass
class Log:
    """Keeps what is appended, unless it is away."""

    said: list[tuple[Any, Envelope]] = field(default_factory=list)
    away: bool = False
    refused: int = 0
    gate: asyncio.Event | None = None

    async def append(self, event: object, about: Envelope) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            self.refused += 1
            raise Unavailable("away")
        encode(event)
        self.said.append((event, about))

    @property
    def events(self) -> list[Any]:
        return [event for event, _ in self.said]


class Memory:
    """Knows one account and one integration."""

    def ressurs(self, ressurs_id: UUID) -> Ressurs | None:
        return Ressurs(KONTO, OWNER, "SVARUT_KONTO", "Post", (KONTO, OWNER)) if ressurs_id == KONTO else None

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        return Integrasjon(MASKIN, OWNER, "310992003", "Fagsystem", "hash") if integrasjon_id == MASKIN else None


class Clock:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Gateway:
    """One route, which refuses as the test says."""

    log: Log
    auditor: Auditor
    clock: Clock
    server: TestServer
    session: ClientSession
    refuse: list[Callable[[web.Request], Any]]

    async def call(self, refuse: Callable[[web.Request], Any], **headers: str) -> int:
        self.refuse[:] = [refuse]
        async with self.session.get(self.server.make_url("/konto/12858010053"), headers=headers) as answer:
            assert (await answer.json())["status"] == answer.status
            return answer.status


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    refuse: list[Callable[[web.Request], Any]] = []

    @web.middleware
    async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
        outcome = refuse[0](request)
        if isinstance(outcome, Exception):
            raise outcome
        await outcome
        return web.json_response({"status": 200})

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    log, clock = Log(), Clock()
    auditor = Auditor(log, Memory(), clock)  # type: ignore[arg-type]
    app = web.Application(middlewares=[problems, audited, refusing])
    app[AUDITOR] = auditor
    demand = manager("ADMIN") | integration("X") | integration("Y")
    app.router.add_get("/konto/{kontoId}", demanding(demand, handler))
    async with TestServer(app, host="127.0.0.1") as server, ClientSession() as session:
        yield Gateway(log, auditor, clock, server, session, refuse)


def not_known(text: str = "Klarte ikke å validere access_token: feil utsteder") -> Callable[[web.Request], Exception]:
    return lambda _: NotAuthenticated(text)


def denied(principal: Principal, resource: UUID = KONTO) -> Callable[[web.Request], Exception]:
    def refuse(request: web.Request) -> Exception:
        request[PRINCIPAL], request[DEMANDED] = principal, resource
        return NotAllowed(f"Mangler privilegiet X på {resource}")

    return refuse


async def test_who_is_not_known_is_told_of_by_route_and_reason(gateway: Gateway) -> None:
    assert await gateway.call(not_known(), **{"X-Request-Id": "kall-1", "Authorization": "Bearer hemmelig"}) == 401
    [(event, about)] = gateway.log.said
    assert event == AutentiseringFeilet(
        fiks_org_id=ROOT, grunn="Klarte ikke å validere access_token: feil utsteder", rute="GET /konto/{kontoId}"
    )
    assert (about.correlation_id, about.actor, about.stream) == ("kall-1", None, str(ROOT))


async def test_the_claimed_integration_is_told_to_its_owner(gateway: Gateway) -> None:
    text = f"Autentisering feilet for integrasjon med id {MASKIN}"
    await gateway.call(not_known(text), IntegrasjonId=str(MASKIN), IntegrasjonPassord="hemmelig")
    [event] = gateway.log.events
    assert (event.fiks_org_id, event.integrasjon_id, event.grunn) == (OWNER, MASKIN, text)
    other = uuid4()
    await gateway.call(not_known(), IntegrasjonId=str(other))
    assert (gateway.log.events[1].fiks_org_id, gateway.log.events[1].integrasjon_id) == (ROOT, other)


async def test_what_a_token_showed_of_who_it_was_is_told_and_why_the_integration_was_not_proved(
    gateway: Gateway,
) -> None:
    machine = Principal(Caller.INTEGRATION, orgnr="310992003", leverandor="310993999")
    await gateway.call(lambda _: NotProved("feilet", machine, Arsak.ANNEN_ORGANISASJON))
    await gateway.call(lambda _: NotProved("feilet", PERSON, Arsak.FEIL_PASSORD))
    (one, by_machine), (two, by_person) = gateway.log.said
    assert (one.kaller, one.arsak) == (Kaller(orgnr="310992003", leverandor="310993999"), Arsak.ANNEN_ORGANISASJON)
    assert by_machine.by == By(None, "310992003", "310993999")
    assert (two.kaller, two.arsak) == (Kaller(niva=4), Arsak.FEIL_PASSORD)
    assert by_person.by == By("person:ab", "310991007", level=4)


@pytest.mark.parametrize("claimed", ["hemmelig-passord", "12858010053", "x" * 5000, "æ"])
async def test_what_a_caller_wrote_where_an_id_belongs_is_not_told(gateway: Gateway, claimed: str) -> None:
    await gateway.call(not_known(f"Autentisering feilet for integrasjon med id {claimed}"), IntegrasjonId=claimed)
    [event] = gateway.log.events
    assert claimed not in str(event)
    assert event.integrasjon_id is None
    assert len(event.grunn) <= audit.LONGEST


async def test_who_may_not_is_told_of_by_name_privilege_and_resource(gateway: Gateway) -> None:
    assert await gateway.call(denied(MACHINE)) == 403
    [(event, about)] = gateway.log.said
    assert event == TilgangNektet(
        fiks_org_id=OWNER,
        grunn=f"Mangler privilegiet X på {KONTO}",
        rute="GET /konto/{kontoId}",
        kaller=Kaller(integrasjon_id=MASKIN, orgnr="310992003", leverandor="310993999"),
        privilegier=("X", "Y"),
        ressurs_id=KONTO,
    )
    assert about.by == By(f"integrasjon:{MASKIN}", "310992003", "310993999")


async def test_a_person_through_an_integration_is_told_with_it(gateway: Gateway) -> None:
    through = dataclasses.replace(PERSON, integrasjon_id=MASKIN, fiks_org_id=OWNER, orgnr="310992003")
    await gateway.call(denied(through))
    [(_, about)] = gateway.log.said
    assert about.by == By("person:ab", "310991007", level=4, integration=f"integrasjon:{MASKIN}")


async def test_a_person_is_a_hash_and_acts_for_an_organisation(gateway: Gateway) -> None:
    await gateway.call(denied(PERSON, UUID(int=9)))
    [(event, about)] = gateway.log.said
    assert (about.actor, about.on_behalf_of) == ("person:ab", "310991007")
    assert (event.kaller.niva, event.privilegier, event.fiks_org_id) == (4, ("ADMIN",), ROOT)
    assert PERSON.pid is not None
    assert PERSON.pid not in str(gateway.log.said)


async def test_a_number_of_a_person_in_a_reason_is_masked(gateway: Gateway) -> None:
    await gateway.call(lambda _: NotAllowed("12858010053 har ikke tilgang"))
    assert gateway.log.events[0].grunn == "*** har ikke tilgang"


async def test_a_refusal_that_hides_itself_is_told_and_does_not_keep_the_answer_waiting(gateway: Gateway) -> None:
    gateway.log.gate = asyncio.Event()

    def refuse(request: web.Request) -> Exception:
        request[PRINCIPAL], request[DEMANDED] = MACHINE, KONTO
        try:
            with hidden("Fant ikke forsendelsen"):
                raise NotAllowed("Mangler privilegiet")
        except NotFound as fault:
            return fault

    assert await gateway.call(refuse) == 404
    assert gateway.log.said == []
    gateway.log.gate.set()
    await gateway.auditor.stop()
    assert [type(event) for event in gateway.log.events] == [TilgangNektet]


async def test_what_is_no_refusal_is_not_told(gateway: Gateway) -> None:
    assert await gateway.call(lambda _: NotFound("Finnes ikke")) == 404
    assert await gateway.call(lambda _: Unavailable("Nede")) == 503
    await gateway.auditor.stop()
    assert gateway.log.said == []


@pytest.mark.parametrize(("refuse", "status"), [(not_known(), 401), (denied(MACHINE), 403)])
async def test_a_refusal_stands_when_the_log_is_away(
    gateway: Gateway, refuse: Callable[[web.Request], Exception], status: int
) -> None:
    before = AUDIT_MISSED._value.get()
    gateway.log.away = True
    with capture_logs() as lines:
        assert await gateway.call(refuse) == status
    [line, refused] = lines
    assert (line["event"], line["told"]["rute"]) == ("a refusal is not on the log", "GET /konto/{kontoId}")
    assert (refused["event"], refused["status"], refused["route"]) == ("call refused", status, "/konto/{kontoId}")
    assert AUDIT_MISSED._value.get() == before + 1


async def test_a_flood_is_told_one_by_one_and_then_by_its_number(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summing, "INTERVAL", 0.05)
    for _ in range(UNKNOWN_A_SECOND + 7):
        await gateway.call(not_known())
    gateway.clock.now += WINDOW
    await _until_summed(gateway, UNKNOWN_A_SECOND + 7)
    assert _failures(gateway.log.events) == UNKNOWN_A_SECOND + 7
    assert sum(isinstance(event, AutentiseringFeilet) for event in gateway.log.events) == UNKNOWN_A_SECOND
    await gateway.call(not_known())
    assert isinstance(gateway.log.events[-1], AutentiseringFeilet)


async def test_a_sum_waits_for_a_log_that_is_away(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "INTERVAL", 0.05)
    for _ in range(UNKNOWN_A_SECOND):
        await gateway.call(not_known())
    gateway.log.away, gateway.log.refused = True, 0
    for _ in range(5):
        await gateway.call(not_known())
    gateway.clock.now += WINDOW
    while gateway.log.refused < 2:
        await asyncio.sleep(0.01)
    gateway.log.away = False
    await _until_summed(gateway, UNKNOWN_A_SECOND + 5)
    assert _failures(gateway.log.events) == UNKNOWN_A_SECOND + 5


async def test_what_is_not_told_yet_is_told_when_the_gateway_stops(gateway: Gateway) -> None:
    for _ in range(UNKNOWN_A_SECOND + 3):
        await gateway.call(not_known())
    await gateway.auditor.stop()
    assert gateway.log.events[-1] == AutentiseringerFeilet(
        fiks_org_id=ROOT,
        antall=3,
        grunn="Klarte ikke å validere access_token: feil utsteder",
        fra=gateway.clock.now,
        til=gateway.clock.now,
    )


async def test_of_a_flood_who_it_was_is_told_as_far_as_it_is_known(gateway: Gateway) -> None:
    """A claimed integration, a token that holds, and a person who has logged in, each with their number."""
    text = f"Autentisering feilet for integrasjon med id {MASKIN}"
    vendor = Principal(Caller.INTEGRATION, orgnr="310992003", leverandor="310993999")
    for _ in range(UNKNOWN_A_SECOND):
        await gateway.call(not_known())
    for number in range(1, 4):
        for _ in range(number):
            fault = (
                NotAuthenticated(text)
                if number == 1
                else NotProved(text, vendor, Arsak.FEIL_PASSORD)
                if number == 2
                else NotProved("Her må en integrasjon kalle", PERSON)
            )
            await gateway.call(lambda _, fault=fault: fault, **({"IntegrasjonId": str(MASKIN)} if number < 3 else {}))
    await gateway.auditor.stop()
    sums = [(event, about.by) for event, about in gateway.log.said if isinstance(event, AutentiseringerFeilet)]
    about = {"grunn": "Autentisering feilet for integrasjon med id …", "integrasjon_id": MASKIN, "fiks_org_id": OWNER}
    when = {"fra": gateway.clock.now, "til": gateway.clock.now}
    kaller, by = Kaller(orgnr="310992003", leverandor="310993999"), By(None, "310992003", "310993999")
    assert sums == [
        (AutentiseringerFeilet(antall=1, **about, **when), By()),
        (AutentiseringerFeilet(antall=2, kaller=kaller, arsak=Arsak.FEIL_PASSORD, **about, **when), by),
        (
            AutentiseringerFeilet(
                antall=3, fiks_org_id=ROOT, grunn="Her må en integrasjon kalle", kaller=Kaller(niva=4), **when
            ),
            By("person:ab", "310991007", level=4),
        ),
    ]


async def test_who_makes_up_ever_other_integrations_is_told_as_one_and_hides_nobody_who_tries_a_real_one(
    gateway: Gateway,
) -> None:
    vendor = Principal(Caller.INTEGRATION, orgnr="310992003")
    for number in range(UNKNOWN_A_SECOND + KINDS + 30):
        claimed = str(UUID(int=1000 + number))
        fault = NotProved(f"Autentisering feilet for integrasjon med id {claimed}", vendor, Arsak.UKJENT_INTEGRASJON)
        await gateway.call(lambda _, fault=fault: fault, IntegrasjonId=claimed)
    guess = NotProved(f"Autentisering feilet for integrasjon med id {MASKIN}", vendor, Arsak.FEIL_PASSORD)
    await gateway.call(lambda _: guess, IntegrasjonId=str(MASKIN))
    await gateway.auditor.stop()
    sums = [event for event in gateway.log.events if isinstance(event, AutentiseringerFeilet)]
    assert [(one.antall, one.integrasjon_id, one.fiks_org_id, one.arsak) for one in sums] == [
        (KINDS + 30, None, ROOT, Arsak.UKJENT_INTEGRASJON),
        (1, MASKIN, OWNER, Arsak.FEIL_PASSORD),
    ]


async def test_what_could_not_be_told_at_the_end_is_counted(gateway: Gateway) -> None:
    for _ in range(UNKNOWN_A_SECOND):
        await gateway.call(not_known())
    before, gateway.log.away = AUDIT_MISSED._value.get(), True
    for _ in range(3):
        await gateway.call(not_known())
    await gateway.auditor.stop()
    assert AUDIT_MISSED._value.get() == before + 3


async def test_one_caller_s_flood_of_refusals_is_told_by_who_what_how_many_and_when(gateway: Gateway) -> None:
    calls, summed, begin = DENIED_OF_A_KIND + 9, AUDIT_SUMMED._value.get(), gateway.clock.now
    for number in range(calls):  # of a resource that is another each time
        gateway.clock.now = begin + timedelta(milliseconds=number)
        assert await gateway.call(denied(MACHINE, UUID(int=1000 + number))) == 403
    await gateway.auditor.stop()
    *singles, (event, about) = gateway.log.said
    assert [type(one) for one, _ in singles] == [TilgangNektet] * DENIED_OF_A_KIND
    assert event == TilgangerNektet(
        fiks_org_id=ROOT,
        grunn="Mangler privilegiet X på …",
        rute="GET /konto/{kontoId}",
        kaller=Kaller(integrasjon_id=MASKIN, orgnr="310992003", leverandor="310993999"),
        antall=9,
        fra=begin,
        til=begin + timedelta(milliseconds=calls - 1),
    )
    assert (about.by, about.stream) == (By(f"integrasjon:{MASKIN}", "310992003", "310993999"), str(ROOT))
    assert AUDIT_SUMMED._value.get() == summed + 9


async def test_the_owner_of_a_resource_is_told_of_a_flood_against_it(gateway: Gateway) -> None:
    for _ in range(DENIED_OF_A_KIND + 2):
        await gateway.call(denied(MACHINE))
        await gateway.call(denied(PERSON))
    await gateway.auditor.stop()
    sums = [(event, about) for event, about in gateway.log.said if isinstance(event, TilgangerNektet)]
    assert {(event.fiks_org_id, event.antall, about.actor) for event, about in sums} == {
        (OWNER, 2, f"integrasjon:{MASKIN}"),
        (OWNER, 2, "person:ab"),
    }


async def test_a_flood_of_many_kinds_still_says_who_it_was(gateway: Gateway) -> None:
    for number in range(KINDS + DENIED_OF_A_KIND + 4):
        await gateway.call(lambda request, number=number: _denied_because(request, chr(0x4E00 + number)))
    await gateway.auditor.stop()
    event, about = gateway.log.said[-1]
    assert (event.rute, event.grunn, event.antall, about.actor) == (OTHERS, "", 4, "person:ab")


async def test_a_caller_cannot_fill_the_log_by_naming_ever_other_organisations(gateway: Gateway) -> None:
    calls = KINDS + DENIED_OF_A_KIND + 50

    def refuse(request: web.Request, orgnr: str) -> Exception:
        request[PRINCIPAL] = dataclasses.replace(PERSON, on_behalf_of=orgnr)
        return NotAllowed(f"Den som er logget inn, kan ikke handle på vegne av {orgnr}")

    for number in range(calls):
        await gateway.call(lambda request, number=number: refuse(request, f"{310000000 + number}"))
    await gateway.auditor.stop()
    assert len(gateway.log.said) == KINDS + DENIED_OF_A_KIND + 1
    assert gateway.log.events[-1].antall == 50


async def test_after_the_window_a_caller_is_told_of_one_by_one_again(gateway: Gateway) -> None:
    for _ in range(DENIED_OF_A_KIND):
        await gateway.call(denied(MACHINE))
    gateway.clock.now += WINDOW
    await gateway.call(denied(MACHINE))
    assert [type(event) for event in gateway.log.events] == [TilgangNektet] * (DENIED_OF_A_KIND + 1)


def _denied_because(request: web.Request, grunn: str) -> Exception:
    request[PRINCIPAL] = PERSON
    return NotAllowed(grunn)


async def _until_summed(gateway: Gateway, failures: int) -> None:
    """Until so many are told, in however many sums."""
    while _failures(gateway.log.events) < failures:
        await asyncio.sleep(0.01)


def _failures(events: list[Any]) -> int:
    return sum(event.antall if isinstance(event, AutentiseringerFeilet) else 1 for event in events)


async def test_a_look_up_is_told_with_its_legal_basis_before_it_is_answered(gateway: Gateway) -> None:
    def look_up(request: web.Request) -> Any:
        request[PRINCIPAL], request[LEGAL_BASIS] = PERSON, "Sosialtjenesteloven § 43"
        return gateway.auditor.lookup(
            request, owner=OWNER, tjeneste="krr", hva="kontaktinformasjon", gjelder={"person:cd"}, utfall="FUNNET"
        )

    assert await gateway.call(look_up) == 200
    [(event, about)] = gateway.log.said
    assert event == OppslagGjort(
        fiks_org_id=OWNER,
        tjeneste="krr",
        hva="kontaktinformasjon",
        gjelder=("person:cd",),
        utfall="FUNNET",
        kaller=Kaller(niva=4),
    )
    assert (about.actor, about.on_behalf_of) == ("person:ab", "310991007")
    assert about.legal_basis == "Sosialtjenesteloven § 43"
    gateway.log.away = True
    assert await gateway.call(look_up) == 503


async def test_a_look_up_of_very_many_is_told_in_events_that_the_log_takes(gateway: Gateway) -> None:
    persons = {f"person:{number:064}" for number in range(audit.MOST_PERSONS + 1)}

    def look_up(request: web.Request) -> Any:
        request[PRINCIPAL] = PERSON
        return gateway.auditor.lookup(
            request, owner=OWNER, tjeneste="autorisasjon", hva="rettigheter", gjelder=persons, utfall="FUNNET"
        )

    assert await gateway.call(look_up) == 200
    assert [len(event.gjelder) for event in gateway.log.events] == [audit.MOST_PERSONS, 1]
    assert {one for event in gateway.log.events for one in event.gjelder} == persons


def test_a_person_calls_for_whom_they_name_and_never_for_the_owner_of_the_client_they_logged_in_by() -> None:
    manager = Principal(Caller.MANAGER, pid="12858010053", person="person:ab", orgnr="310991007")
    assert (manager.on_whose_behalf, PERSON.on_whose_behalf, MACHINE.on_whose_behalf) == (
        None,
        "310991007",
        "310992003",
    )


@pytest.mark.parametrize(
    "spelled", [lambda id_: id_.hex, lambda id_: f"{{{id_.hex}}}"], ids=["without dashes", "without dashes, in braces"]
)
async def test_integrations_that_are_made_up_do_not_hide_what_is_tried_on_others(
    gateway: Gateway, spelled: Callable[[UUID], str]
) -> None:
    """Who holds a token made up ids until the kinds were full; then what it tried on one that exists was not told."""
    vendor = Principal(Caller.INTEGRATION, orgnr="310992003")

    def failed(id_: str) -> Callable[[web.Request], Exception]:
        return lambda _: NotProved(f"Autentisering feilet for integrasjon med id {id_}", vendor, Arsak.FEIL_PASSORD)

    for _ in range(UNKNOWN_A_SECOND):
        await gateway.call(not_known())
    for number in range(KINDS + 50):
        made_up = spelled(UUID(int=(number << 112) + 0xABCDEFABCDEFABCDEFABCDEF))
        await gateway.call(failed(made_up), IntegrasjonId=made_up)
    await gateway.call(failed(str(MASKIN)), IntegrasjonId=str(MASKIN))
    await gateway.auditor.stop()
    sums = [event for event in gateway.log.events if isinstance(event, AutentiseringerFeilet)]
    assert MASKIN in {event.integrasjon_id for event in sums}, "its owner is not told that it was tried"


async def test_made_up_ids_that_are_words_of_the_reason_do_not_fill_the_kinds(gateway: Gateway) -> None:
    vendor = Principal(Caller.INTEGRATION, orgnr="310992003")
    text = "Autentisering feilet for integrasjon med id "
    words = list(dict.fromkeys(text[a:b] for a in range(len(text)) for b in range(a + 1, len(text))))
    words = [word for word in words if word == word.strip()][: KINDS + 20]
    for _ in range(UNKNOWN_A_SECOND):
        await gateway.call(not_known())
    for word in words:
        await gateway.call(lambda _, word=word: NotProved(text + word, vendor, Arsak.FEIL_PASSORD), IntegrasjonId=word)
    fault = NotProved(text + str(MASKIN), vendor, Arsak.FEIL_PASSORD)
    await gateway.call(lambda _: fault, IntegrasjonId=str(MASKIN))
    await gateway.auditor.stop()
    sums = [event for event in gateway.log.events if isinstance(event, AutentiseringerFeilet)]
    assert MASKIN in {event.integrasjon_id for event in sums}, "its owner is not told that it was tried"
