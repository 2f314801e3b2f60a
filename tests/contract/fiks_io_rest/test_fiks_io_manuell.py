"""Reading an account by polling, in a whole system: one message at a time, whatever its size. Contract 1.7."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest

from gateway.fiks_io_manuell import Caller, Polling, Shown
from gateway.seed import TESTVIK
from tests.support.dokumentlager import Answer, Lager
from tests.support.eventually import eventually_found
from tests.support.fiks_io import AS_JAVA, TYPE, java, specification
from tests.support.fiks_io_konto import Io, done, give, refused, take
from tests.support.revoking import RIGHT

CONTENT = bytes(range(256)) * 100


async def send(io: Io, content: bytes | None = None, **said: Any) -> str:
    """From the account of A to that of B; the id."""
    body = java(specification(avsenderKontoId=io.a_konto, mottakerKontoId=io.b_konto, **said), content)
    answer = await io.a_machine.ask(
        "POST", "/fiks-io/api/v1/send", data=BytesIO(body), headers={"Content-Type": AS_JAVA}
    )
    assert answer.status == 202, answer.body
    return str(answer.json["meldingId"])


def at(konto: str, what: str) -> str:
    return f"/fiks-io/manuell/api/v1/kontoer/{konto}/meldinger/{what}"


async def get(who: Lager, konto: str, what: str) -> Answer:
    return await who.ask("GET", at(konto, what))


async def first(who: Lager, konto: str) -> Any:
    """What the first message is, once there is one."""
    found: list[Any] = []

    async def is_there() -> bool:
        answer = await get(who, konto, "neste/metadata")
        assert answer.status in (200, 204), answer.body
        found.extend([answer.json] if answer.status == 200 else [])
        return bool(found)

    await eventually_found(is_there)
    return found[0]


async def steps(io: Io, melding_id: str) -> list[str]:
    rows = await io.a.rows("select type from read.fiks_io_steg where melding_id = $1 order by plass", melding_id)
    return [row["type"] for row in rows]


@pytest.fixture(autouse=True)
async def _emptied(io: Io) -> None:
    """What other tests have left on either account is gone."""
    for who, konto in ((io.a_machine, io.a_konto), (io.b_machine, io.b_konto)):
        while (await get(who, konto, "neste/metadata")).status == 200:
            await done(who, "GET", at(konto, "neste/ack"))


async def test_a_message_is_shown_until_it_is_acknowledged(io: Io) -> None:
    sent = await send(io, ttl=600_000, headere={"klientMeldingId": str(uuid4())})
    assert await done(io.b_machine, "GET", at(io.b_konto, "antall")) == 1
    told = await first(io.b_machine, io.b_konto)
    assert told == {
        "meldingId": sent,
        "meldingType": TYPE,
        "avsenderKontoId": io.a_konto,
        "mottakerKontoId": io.b_konto,
        "ttl": 600_000,
        "deliveryTag": told["deliveryTag"],
    }
    assert await first(io.b_machine, io.b_konto) == told
    empty = await get(io.b_machine, io.b_konto, "neste/data")
    assert (empty.status, empty.body) == (200, b"")
    for what in ("metadata", "data", "ack", "nac"):
        assert (await io.b_machine.ask("HEAD", at(io.b_konto, f"neste/{what}"))).status == 405
    assert await done(io.b_machine, "GET", at(io.b_konto, "neste/ack")) == told
    await eventually_found(lambda: _has(io, sent, "MeldingKvittert"))
    await refused(io.b_machine, 404, "GET", at(io.b_konto, "neste/ack"))
    assert (await get(io.b_machine, io.b_konto, "neste/metadata")).status == 204
    await refused(io.b_machine, 404, "GET", at(io.b_konto, "neste/data"))
    assert await done(io.b_machine, "GET", at(io.b_konto, "antall")) == 0


@pytest.mark.parametrize("size", [1, len(CONTENT), 6_000_000])
async def test_content_of_any_size_is_given_out(io: Io, size: int) -> None:
    content = (CONTENT * (size // len(CONTENT) + 1))[:size]
    sent = await send(io, content)
    for who in (io.b_machine, io.b):  # the integration, and the administrator once it went back
        assert (await first(who, io.b_konto))["meldingId"] == sent
        answer = await get(who, io.b_konto, "neste/data")
        assert (answer.status, answer.body == content) == (200, True)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        await done(who, "GET", at(io.b_konto, "neste/ack"))
        sent = await send(io, content) if who is io.b_machine else ""


async def test_what_is_rejected_is_not_shown_again(io: Io) -> None:
    sent = await send(io, CONTENT)
    assert (await first(io.b_machine, io.b_konto))["meldingId"] == sent
    assert (await done(io.b_machine, "GET", at(io.b_konto, "neste/nac")))["meldingId"] == sent
    await eventually_found(lambda: _has(io, sent, "MeldingAvvist"))
    assert (await get(io.b_machine, io.b_konto, "neste/metadata")).status == 204


async def _has(io: Io, melding_id: str, kind: str) -> bool:
    return kind in await steps(io, melding_id)


async def test_an_answer_is_of_the_same_dialogue(io: Io) -> None:
    sent = await send(io, headere={"klientKorrelasjonsId": "dialog 9", "klientMeldingId": str(uuid4()), "annet": "x"})
    await refused(io.b_machine, 404, "POST", at(io.b_konto, "neste/svarOgAck"), {"meldingType": "svar"})
    told = await first(io.b_machine, io.b_konto)
    for wrong in ({}, {"meldingType": "to ord"}, {"meldingType": "svar", "ttl": 10}):
        await refused(io.b_machine, 400, "POST", at(io.b_konto, "neste/svarOgAck"), wrong)
    assert await first(io.b_machine, io.b_konto) == told
    svar = {"meldingType": "no.ks.fiks.svar", "ttl": 60_000}
    assert await done(io.b_machine, "POST", at(io.b_konto, "neste/svarOgAck"), svar) == told

    answer = await first(io.a_machine, io.a_konto)
    assert (answer["meldingType"], answer["ttl"], answer["svarPaMelding"]) == ("no.ks.fiks.svar", 60_000, sent)
    assert answer["avsenderKontoId"] == io.b_konto
    await done(io.a_machine, "GET", at(io.a_konto, "neste/ack"))
    await eventually_found(lambda: _has(io, sent, "MeldingBesvart"))
    assert (await steps(io, sent)).count("MeldingKvittert") == 1


async def test_each_is_shown_a_message_of_its_own_and_only_of_its_own_account(io: Io) -> None:
    one, other = await send(io), await send(io)
    assert (await first(io.b_machine, io.b_konto))["meldingId"] == one
    assert (await first(io.b, io.b_konto))["meldingId"] == other
    for what in ("antall", "neste/metadata", "neste/data", "neste/ack", "neste/nac"):
        assert await refused(io.a_machine, 403, "GET", at(io.b_konto, what))
        assert await refused(io.a, 403, "GET", at(io.b_konto, what))
        assert await refused(io.nobody, 401, "GET", at(io.b_konto, what))
        assert await refused(io.a, 404, "GET", at(str(TESTVIK.id("konto")), what))
    await done(io.b_machine, "GET", at(io.b_konto, "neste/ack"))
    await done(io.b, "GET", at(io.b_konto, "neste/ack"))


@pytest.mark.parametrize(
    ("method", "what", "status"),
    [
        ("GET", "antall", 400),
        ("GET", "neste/metadata", 404),
        ("GET", "neste/data", 400),
        ("GET", "neste/ack", 400),
        ("GET", "neste/nac", 400),
        ("POST", "neste/svarOgAck", 400),
    ],
)
async def test_an_id_that_is_none_is_what_the_contract_calls_it(io: Io, method: str, what: str, status: int) -> None:
    """The published description has no 400 for neste/metadata."""
    said = {"meldingType": TYPE} if method == "POST" else None
    await refused(io.b_machine, status, method, at("ikke-en-uuid", what), said)


@pytest.mark.parametrize("what", ["neste/metadata", "neste/data"])
async def test_who_loses_the_right_while_it_waits_for_a_message_is_not_shown_it(
    io: Io, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    sent, asked = await send(io, CONTENT), Polling.first

    async def late(polling: Polling, caller: Caller) -> Shown | None:
        shown = await asked(polling, caller)
        assert shown is not None
        await take(io.b, io.b_machine, RIGHT, io.b_konto)
        return shown

    await first(io.b_machine, io.b_konto)
    with monkeypatch.context() as patch:
        patch.setattr(Polling, "first", late)
        await refused(io.b_machine, 403, "GET", at(io.b_konto, what))
    await give(io.b, io.b_machine, RIGHT, io.b_konto)
    await refused(io.b_machine, 404, "GET", at(io.b_konto, "neste/ack"))  # it was given back
    assert (await first(io.b_machine, io.b_konto))["meldingId"] == sent
