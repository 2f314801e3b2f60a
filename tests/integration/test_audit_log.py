"""Refusals on a real log: each is there before it is answered, a flood is bounded, and the audit trail has them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.auth.grant import token_for
from gateway.refusals import DENIED_OF_A_KIND, UNKNOWN_A_SECOND
from gateway.seed import PROVDAL, TESTVIK
from schemas.audit import Arsak, AutentiseringerFeilet, AutentiseringFeilet, TilgangerNektet, TilgangNektet
from schemas.envelope import Recorded
from streams.log import MESSAGE_TIMEOUT, SETTINGS
from tests.support.backbone import Backbone
from tests.support.gateway import Caller, ends_of, events_after, running_gateway
from tests.support.stack import OwnKafka, temporary_folder

TOPIC = "fiks.audit"
README = Path(__file__).parents[2] / "README.md"


@pytest_asyncio.fixture(scope="module")
async def caller(own_kafka: OwnKafka) -> AsyncIterator[Caller]:
    """Of a gateway that waits for the log, however busy the machine: what it does not take in time is not on it."""
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        for patience in ("STALLED_AFTER", "GIVEN_UP_AFTER"):
            patch.setattr(f"streams.log.{patience}", 60.0)
        patch.setitem(SETTINGS, "message.timeout.ms", 60_000)
        async with running_gateway(own_kafka.bootstrap, folder) as caller:
            yield caller


async def call(caller: Caller, konto: UUID, **headers: str) -> tuple[int, str]:
    url = f"{caller.url}/api/v2/kontoer/{konto}/forsendelser?eksternRef=a"
    async with caller.session.get(url, headers=caller.headers | headers) as answer:
        return answer.status, str(await answer.json())


async def said_since(caller: Caller, marks: dict[int, int]) -> list[Recorded]:
    return await events_after(caller.settings.kafka, marks, TOPIC)


async def test_a_wrong_password_is_on_the_log_when_it_is_answered(caller: Caller) -> None:
    marks = await ends_of(caller.settings.kafka, TOPIC)
    status, _ = await call(caller, caller.konto_id, IntegrasjonPassord="hemmelig-passord")
    assert status == 401
    [(event, at)] = await said_since(caller, marks)
    assert isinstance(event, AutentiseringFeilet)
    assert str(event.integrasjon_id) == caller.headers["IntegrasjonId"]
    assert (event.rute, at.stream) == ("GET /api/v2/kontoer/{kontoId}/forsendelser", str(TESTVIK.id("organisasjon")))
    assert (event.arsak, at.on_behalf_of) == (Arsak.FEIL_PASSORD, TESTVIK.orgnr)
    assert "hemmelig-passord" not in str((event, at))
    assert caller.headers["Authorization"].removeprefix("Bearer ") not in str((event, at))


@pytest.mark.parametrize(
    ("claimed", "arsak"),
    [(str(PROVDAL.id("integrasjon")), Arsak.ANNEN_ORGANISASJON), (str(uuid4()), Arsak.UKJENT_INTEGRASJON)],
    ids=["another's", "nobody's"],
)
async def test_who_tried_to_be_an_integration_that_they_are_not_is_on_the_log(
    caller: Caller, claimed: str, arsak: Arsak
) -> None:
    marks = await ends_of(caller.settings.kafka, TOPIC)
    assert (await call(caller, caller.konto_id, IntegrasjonId=claimed))[0] == 401
    [(event, at)] = await said_since(caller, marks)
    assert (event.arsak, event.kaller.orgnr, at.on_behalf_of) == (arsak, TESTVIK.orgnr, TESTVIK.orgnr)


async def test_whose_a_token_is_that_is_not_for_us_is_on_the_log(caller: Caller) -> None:
    marks = await ends_of(caller.settings.kafka, TOPIC)
    token = await token_for(caller.settings.issuer, PROVDAL.orgnr, "ks:annet")
    assert (await call(caller, caller.konto_id, Authorization=f"Bearer {token}"))[0] == 401
    [(event, at)] = await said_since(caller, marks)
    assert isinstance(event, AutentiseringFeilet)
    assert event.grunn.endswith("mangler scope ks:fiks")
    assert (event.kaller.orgnr, at.on_behalf_of, at.actor) == (PROVDAL.orgnr, PROVDAL.orgnr, None)


async def test_another_organisations_account_is_told_to_its_owner(caller: Caller) -> None:
    marks = await ends_of(caller.settings.kafka, TOPIC)
    assert (await call(caller, PROVDAL.id("konto")))[0] == 403
    [(event, at)] = await said_since(caller, marks)
    assert isinstance(event, TilgangNektet)
    assert (event.fiks_org_id, event.ressurs_id) == (PROVDAL.id("organisasjon"), PROVDAL.id("konto"))
    assert event.privilegier == ("SVARUT.SEND",)
    assert at.actor == f"integrasjon:{caller.headers['IntegrasjonId']}"
    assert at.on_behalf_of == TESTVIK.orgnr


async def test_a_flood_is_bounded_and_every_failure_is_counted(caller: Caller) -> None:
    marks, calls = await ends_of(caller.settings.kafka, TOPIC), UNKNOWN_A_SECOND * 4
    answers = await asyncio.gather(*(call(caller, caller.konto_id, Authorization="Bearer x") for _ in range(calls)))
    assert {status for status, _ in answers} == {401}
    events: list[Any] = []
    while sum(event.antall if isinstance(event, AutentiseringerFeilet) else 1 for event in events) < calls:
        await asyncio.sleep(0.2)
        events = [one.event for one in await said_since(caller, marks)]
    assert sum(event.antall if isinstance(event, AutentiseringerFeilet) else 1 for event in events) == calls
    sums = [event for event in events if isinstance(event, AutentiseringerFeilet)]
    assert len(events) < calls
    claimed = UUID(caller.headers["IntegrasjonId"])
    assert {(event.fiks_org_id, event.integrasjon_id) for event in sums} == {(TESTVIK.id("organisasjon"), claimed)}


async def test_the_audit_trail_has_who_was_refused(caller: Caller, system: Backbone) -> None:
    assert (await call(caller, PROVDAL.id("konto"), **{"X-Request-Id": "revisjon-1"}))[0] == 403
    async with system.worker():
        await system.until_projected("audit")
    line = await system.connection.fetchrow(
        "select topic, type, actor, on_behalf_of, stream from read.audit where correlation_id = 'revisjon-1'"
    )
    assert line is not None
    assert tuple(line) == (
        TOPIC,
        "TilgangNektet",
        f"integrasjon:{caller.headers['IntegrasjonId']}",
        TESTVIK.orgnr,
        str(PROVDAL.id("organisasjon")),
    )


async def test_what_the_trail_does_not_say_is_decoded_as_the_readme_shows(caller: Caller) -> None:
    marks = await ends_of(caller.settings.kafka, TOPIC)
    assert (await call(caller, PROVDAL.id("konto"), Authorization="Bearer x"))[0] == 401
    [(event, at)] = await said_since(caller, marks)
    readme = README.read_text()
    code = "\n".join(block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "decode" in block)
    code = code.replace("http://127.0.0.1:8080", caller.url).replace("127.0.0.1:9092", caller.settings.kafka)

    def read() -> Any:
        known: dict[str, Any] = {}
        exec(code, known)
        with known["registry"]:
            return known["event_at"](*at.position)

    assert (await asyncio.to_thread(read))["grunn"] == event.grunn


async def test_one_known_caller_cannot_fill_the_log(caller: Caller) -> None:
    marks, calls = await ends_of(caller.settings.kafka, TOPIC), DENIED_OF_A_KIND * 20
    answers = await asyncio.gather(*(call(caller, PROVDAL.id("konto")) for _ in range(calls)))
    assert {status for status, _ in answers} == {403}
    events: list[Any] = []
    while sum(event.antall if isinstance(event, TilgangerNektet) else 1 for event in events) < calls:
        await asyncio.sleep(0.2)
        events = [one.event for one in await said_since(caller, marks)]
    assert sum(event.antall if isinstance(event, TilgangerNektet) else 1 for event in events) == calls
    assert len(events) < calls / 2
    assert {event.fiks_org_id for event in events} == {PROVDAL.id("organisasjon")}


async def test_while_the_log_is_away_refusals_stand(
    caller: Caller, own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "message.timeout.ms", int(MESSAGE_TIMEOUT * 1000))
    async with running_gateway(own_kafka.bootstrap, caller.settings.state) as hasty:
        await own_kafka.kill()  # the last test of the module, for that reason
        assert (await call(hasty, hasty.konto_id, IntegrasjonPassord="feil"))[0] == 401
        assert (await call(hasty, PROVDAL.id("konto")))[0] == 403
