"""What the door knows of who came in, and how soon it forgets them. Tokens and passwords are remembered throughout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import passwords
from gateway.auth.demands import citizen, for_organisation, integration, manager, open_to_all
from gateway.auth.passwords import hashed
from gateway.auth.persons import Persons, persons
from gateway.auth.principal import LEGAL_BASIS, PRINCIPAL, Principal
from gateway.issuer.maskinporten import party
from gateway.routes import Routes
from infra.settings import Settings
from schemas.konfigurasjon import IntegrasjonSlettet, PassordLaget
from streams.domain.errors import Rejected
from tests.support.door import COMPANY, INTEGRASJON, NAMED, NOT_OFFERED, OTHER_VENDOR, PID, VENDOR, Door, door, shown
from tests.support.issuer import running_issuers

ORG = UUID(int=0xA)
HOLDER = f"integrasjon:{INTEGRASJON.id}"
MACHINE, PERSON = f"/machine/{ORG}", "/person"


@pytest.fixture
async def open_door() -> AsyncIterator[Door]:
    """A door that remembers in ``seen`` who came in last."""
    routes = Routes()

    async def machine(request: web.Request) -> web.Response:
        seen[:] = [request[PRINCIPAL], request.get(LEGAL_BASIS)]
        return web.json_response({})

    async def person(request: web.Request) -> web.Response:
        return await machine(request)

    async def managed(request: web.Request) -> web.Response:
        return await machine(request)

    async def only_machines(request: web.Request) -> web.Response:
        return await machine(request)

    routes.get("/machine/{fiksOrgId}", demands=integration("X") | integration("X") & citizen())(machine)
    routes.get("/person", demands=citizen(niva=3) | for_organisation(niva=4))(person)
    routes.get("/managed/{fiksOrgId}", demands=manager("ADMIN"))(managed)
    routes.get("/only-machines", demands=integration())(only_machines)
    async with running_issuers() as issuers, door(issuers) as made:
        routes.add_to(made.app)
        made.app.on_response_prepare.append(_note)
        async with made.server:
            made.known.give(HOLDER, "X", ORG)
            yield made


seen: list[object] = []
answered: list[Principal | None] = []
"""Who is known to have called, at each answer."""


async def _note(request: web.Request, _: web.StreamResponse) -> None:
    answered.append(request.get(PRINCIPAL))


def principal() -> Principal:
    found = seen[0]
    assert isinstance(found, Principal)
    return found


async def test_an_integration_that_is_taken_away_is_refused_at_once(open_door: Door) -> None:
    headers, known = shown(open_door.machine(), integration=True), open_door.known
    stays = headers | {"IntegrasjonId": str(NOT_OFFERED)}
    known.give(f"integrasjon:{NOT_OFFERED}", "X", ORG)
    assert [(await open_door.knock("GET", MACHINE, one))[0] for one in (headers, stays)] == [200, 200]
    known.meet(IntegrasjonSlettet(fiks_org_id=ORG, integrasjon_id=INTEGRASJON.id))
    status, body = await open_door.knock("GET", MACHINE, headers)
    assert (status, body["message"]) == (401, f"Autentisering feilet for integrasjon med id {INTEGRASJON.id}")
    assert (await open_door.knock("GET", MACHINE, stays))[0] == 200


async def test_a_new_password_counts_at_once_and_the_old_one_no_more(open_door: Door) -> None:
    headers = shown(open_door.machine(), integration=True)
    assert (await open_door.knock("GET", MACHINE, headers))[0] == 200
    about = {"fiks_org_id": ORG, "integrasjon_id": INTEGRASJON.id}
    open_door.known.meet(PassordLaget(**about, passord_hash=hashed("nytt")))
    assert (await open_door.knock("GET", MACHINE, headers))[0] == 401
    assert (await open_door.knock("GET", MACHINE, headers | {"IntegrasjonPassord": "nytt"}))[0] == 200


async def test_a_privilege_that_is_taken_away_is_missed_at_once(open_door: Door) -> None:
    headers = shown(open_door.machine(), integration=True)
    assert (await open_door.knock("GET", MACHINE, headers))[0] == 200
    open_door.known.take(HOLDER, "X", ORG)
    assert (await open_door.knock("GET", MACHINE, headers))[0] == 403


async def test_nothing_is_refused_and_nobody_let_in_before_the_configuration_is_known(open_door: Door) -> None:
    open_door.known.is_ready = False
    for token in (open_door.machine(), open_door.person()):
        assert (await open_door.knock("GET", MACHINE, shown(token, integration=True)))[0] == 503


async def test_who_was_let_in_is_known_in_full(open_door: Door) -> None:
    about = {"integrasjon_id": INTEGRASJON.id, "fiks_org_id": INTEGRASJON.fiks_org_id}
    token = open_door.machine(supplier=party(OTHER_VENDOR))
    await open_door.knock("GET", MACHINE, shown(token, integration=True, Lovhjemmel="Barnevernsloven § 13-4, æøå"))
    was = principal()
    assert (was.orgnr, was.leverandor, was.integrasjon_id, was.fiks_org_id) == (VENDOR, OTHER_VENDOR, *about.values())
    assert (was.pid, was.niva, was.actor, was.holder) == (None, None, HOLDER, HOLDER)
    assert seen[1] == "Barnevernsloven § 13-4, æøå"

    await open_door.knock("GET", MACHINE, shown(open_door.person(), integration=True))
    was = principal()
    assert (was.actor, was.holder, was.pid, was.niva) == (NAMED.actor(PID), HOLDER, PID, 4)
    assert (was.integrasjon_id, was.fiks_org_id) == tuple(about.values())
    assert PID not in repr(was) and PID not in was.actor


@pytest.mark.parametrize("how", ["query", "OnBehalfOf", "ON_BEHALF_OF"])
async def test_an_organisation_is_named_in_the_query_before_the_headers(open_door: Door, how: str) -> None:
    open_door.powers.held.add((PID, COMPANY))
    headers = {"OnBehalfOf": OTHER_VENDOR} if how == "query" else {how: COMPANY}
    path = f"{PERSON}?onBehalfOf={COMPANY}" if how == "query" else PERSON
    assert (await open_door.knock("GET", path, shown(open_door.person(), **headers)))[0] == 200
    assert principal().on_behalf_of == COMPANY
    low = open_door.person(acr="Level3")
    assert (await open_door.knock("GET", path, shown(low, **headers)))[0] == 403, "the organisation's way asks for 4"
    assert (await open_door.knock("GET", PERSON, shown(low)))[0] == 200, "the citizen's own way for 3"
    assert principal().on_behalf_of is None


@pytest.mark.parametrize("orgnr", ["", "31099399", "3109939990", "٣١٠٩٩٣٩٩٩", PID])
async def test_what_is_no_organisation_is_not_asked_about(open_door: Door, orgnr: str) -> None:
    assert (await open_door.knock("GET", f"{PERSON}?onBehalfOf={orgnr}", shown(open_door.person())))[0] == 400


async def test_a_manager_acts_neither_for_an_organisation_nor_through_an_integration(open_door: Door) -> None:
    open_door.known.give(NAMED.actor(PID), "ADMIN", ORG)
    path = f"/managed/{ORG}"
    assert (await open_door.knock("GET", path, shown(open_door.person())))[0] == 200
    assert (await open_door.knock("GET", path, shown(open_door.person(), OnBehalfOf=COMPANY)))[0] == 403
    assert (await open_door.knock("GET", path, shown(open_door.person(), integration=True)))[0] == 403


async def test_the_token_of_the_other_issuer_is_answered_as_a_wrong_token(open_door: Door) -> None:
    for path, token in (("/only-machines", open_door.person()), (PERSON, open_door.machine(pid=PID))):
        for integration_shown in (True, False):
            status, body = await open_door.knock("GET", path, shown(token, integration=integration_shown))
            assert (status, body["message"].partition(":")[0]) == (401, "Klarte ikke å validere access_token")


async def test_the_ways_an_integration_may_fail_are_as_much_work_with_a_person_as_without(
    open_door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow: list[str] = []
    matches = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda known, passord: slow.append(known) or matches(known, passord))
    for make in (open_door.machine, open_door.person):
        for token, changes in (
            (make(), {"IntegrasjonPassord": "feil"}),
            (make(), {"IntegrasjonId": str(UUID(int=1))}),
            (make(consumer=party(OTHER_VENDOR)), {}),
        ):
            slow.clear()
            status, body = await open_door.knock("GET", MACHINE, shown(token, integration=True) | changes)
            assert (status, body["message"].rpartition(" ")[0]) == (401, "Autentisering feilet for integrasjon med id")
            assert len(slow) == 1


def test_demands_that_cannot_be_told_apart_are_not_joined() -> None:
    with pytest.raises(ValueError, match="two routes"):
        citizen() | manager("X")
    with pytest.raises(ValueError, match="open_to_all"):
        open_to_all | citizen()


@given(st.binary(min_size=32, max_size=64), st.from_regex(r"\A[0-9]{11}\Z"), st.from_regex(r"\A[0-9]{11}\Z"))
def test_persons_are_named_by_a_hash_that_only_the_key_gives(key: bytes, one: str, another: str) -> None:
    assert (Persons(key).actor(one) == Persons(key).actor(another)) is (one == another)
    assert Persons(key).actor(one) != Persons(key + b"x").actor(one)
    assert one not in Persons(key).actor(one)


def test_the_key_is_read_from_the_file_or_else_kept(tmp_path) -> None:
    file = tmp_path / "key"
    file.write_text("ab" * 32 + "\n")
    named = persons(Settings(state=tmp_path / "a", person_key_file=file))
    assert named.actor(PID) == Persons(b"\xab" * 32).actor(PID)
    assert not (tmp_path / "a").exists()
    made = persons(Settings(state=tmp_path / "b")).actor(PID)
    assert persons(Settings(state=tmp_path / "b")).actor(PID) == made != named.actor(PID)
    assert (tmp_path / "b" / "person-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "ab" * 31, "no hex", "ab" * 32 + "g"])
def test_a_file_with_no_key_says_what_to_do(tmp_path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(Rejected, match="openssl"):
        persons(Settings(state=tmp_path, person_key_file=tmp_path / "key"))
    with pytest.raises(ValueError, match="32"):
        Persons(bytes(31))


async def test_who_is_refused_is_known_also_when_they_may_not_call_in_that_way(open_door: Door) -> None:
    """The audit trail tells who it was: ``request[PRINCIPAL]`` is there when the refusal is answered."""
    person = shown(open_door.person())
    answers = [
        await open_door.knock("GET", f"/managed/{ORG}?onBehalfOf={COMPANY}", person),
        await open_door.knock("GET", PERSON, person | {"IntegrasjonId": str(INTEGRASJON.id)}),
    ]
    assert [(status, body["message"]) for status, body in answers] == [
        (403, "Dette kallet kan ikke gjøres på vegne av en organisasjon"),
        (403, "Dette kallet kan ikke gjøres gjennom en integrasjon"),
    ]
    assert [one and one.actor for one in answered[-2:]] == [NAMED.actor(PID)] * 2


@pytest.mark.parametrize("held", [False, True])
async def test_of_one_call_the_log_is_asked_once_what_it_has(open_door: Door, held: bool) -> None:
    """A broker that is silent is waited for, and a second time it would say no more than the first."""
    if held:
        open_door.known.give(NAMED.actor(PID), "ADMIN", ORG)
    status, _ = await open_door.knock("GET", f"/managed/{ORG}", shown(open_door.person()))
    assert (status, open_door.known.asked) == (200 if held else 403, 1)
    open_door.known.asked = 0
    open_door.known.take(HOLDER, "X", ORG)
    status, _ = await open_door.knock("GET", MACHINE, shown(open_door.machine(), integration=True))
    assert (status, open_door.known.asked) == (403, 1)


@pytest.mark.parametrize("name", ["Authorization", "IntegrasjonId", "IntegrasjonPassord", "OnBehalfOf"])
async def test_who_calls_is_not_said_twice_and_differently(open_door: Door, name: str) -> None:
    """A proxy that looks at one of them must not let in who is proved by the other."""
    told = shown(open_door.machine(), integration=True) | {"OnBehalfOf": COMPANY}
    url = open_door.server.make_url(MACHINE)
    for other, expected in ((told[name], 200), ("another", 400)):
        async with open_door.session.get(url, headers=[*told.items(), (name, other)]) as answer:
            body = await answer.json()
            assert answer.status == expected, body
    assert body["message"] == f"Headeren {name} er oppgitt flere ganger, med ulike verdier"
