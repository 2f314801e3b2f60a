"""Where a receiver wants each klientMeldingId once: a second call gets the first answer, and nothing else is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest_asyncio

from gateway.fiks_io import LARGEST_INLINE
from tests.support.dokumentlager import Answer
from tests.support.fiks_io import AS_JAVA, java, specification
from tests.support.fiks_io_konto import Io, done

POLLED = "/fiks-io/manuell/api/v1/kontoer/{}/meldinger/neste"


@pytest_asyncio.fixture(scope="module", autouse=True)
async def wanted_once(io: Io) -> AsyncIterator[None]:
    """The account of B takes each klientMeldingId once."""
    path = f"/fiks-io/konto/api/v1/kontoer/{io.b_konto}/unikKlientMeldingId"
    await done(io.b, "PUT", f"{path}/aktiver")
    yield
    await done(io.b, "PUT", f"{path}/deaktiver")


async def send(io: Io, content: bytes = b"abc", **said: Any) -> Answer:
    body = java(specification(avsenderKontoId=io.a_konto, mottakerKontoId=io.b_konto, **said), content)
    return await io.a_machine.ask("POST", "/fiks-io/api/v1/send", data=BytesIO(body), headers={"Content-Type": AS_JAVA})


async def test_the_first_answer_is_given_again_whatever_the_second_call_would_have_led_to(io: Io) -> None:
    headere = {"klientMeldingId": str(uuid4()), "klientKorrelasjonsId": str(uuid4())}
    first = await send(io, bytes(LARGEST_INLINE + 1), headere=headere)
    assert first.status == 202
    again = await send(io, bytes(LARGEST_INLINE + 1), headere=headere | {"mer": "annet"}, ttl=60_000)
    assert (again.status, again.json) == (202, first.json)
    found = await io.b_machine.ask("GET", f"/dokumentlager/nedlasting/{again.json['dokumentlagerId']}")
    assert (found.status, found.body) == (200, bytes(LARGEST_INLINE + 1))


async def test_it_is_given_again_after_the_message_has_ended(io: Io) -> None:
    headere = {"klientMeldingId": str(uuid4())}
    first = await send(io, headere=headere)
    polled = POLLED.format(io.b_konto)
    while (await io.b_machine.ask("GET", f"{polled}/metadata")).body:
        await done(io.b_machine, "GET", f"{polled}/ack")
    ledger = f"/fiks-io/sporing/api/v1/kontoer/{io.b_konto}/meldinger/{first.json['meldingId']}"
    while "MeldingDestruert" not in [one["type"] for one in (await done(io.b_machine, "GET", ledger))["steg"]]:
        await asyncio.sleep(0.05)
    again = await send(io, headere=headere)
    assert (again.status, again.json) == (202, first.json)
    steps = [(one["type"], one["virkning"]) for one in (await done(io.b_machine, "GET", ledger))["steg"]]
    assert steps[0] == ("MeldingSendt", True)
    assert [one for one in steps if not one[1]] == [("MeldingSendt", False)], "it is told, and that it changed nothing"


async def test_another_message_cannot_be_sent_by_it(io: Io) -> None:
    headere = {"klientMeldingId": str(uuid4())}
    assert (await send(io, headere=headere)).status == 202
    for other in ({"meldingType": "no.ks.fiks.annen.v1.melding"}, {"svarPaMelding": str(uuid4())}):
        refused = await send(io, headere=headere, **other)
        assert refused.status == 400
        assert headere["klientMeldingId"] in refused.json["message"]


async def test_those_who_send_at_the_same_time_get_one_answer(io: Io) -> None:
    headere = {"klientMeldingId": str(uuid4())}
    answers = await asyncio.gather(*(send(io, headere=headere, ttl=60_000 + number) for number in range(5)))
    assert {one.status for one in answers} == {202}
    assert len({(one.json["meldingId"], one.json["ttl"]) for one in answers}) == 1
