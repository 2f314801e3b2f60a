"""The ledger of an account, in a whole system: where each message is, and every step with its place on the log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.support.dokumentlager import Lager
from tests.support.fiks_io import AS_JAVA, TYPE, java, specification
from tests.support.fiks_io_konto import Io, done, opened, refused, taken_in
from tests.support.records import records_on

TOPIC, TIDSAVBRUDD = "fiks.io", "no.ks.fiks.kvittering.tidsavbrudd"


async def send(io: Io, **said: Any) -> str:
    """From the account of A to that of B; the id."""
    body = java(specification(**{"avsenderKontoId": io.a_konto, "mottakerKontoId": io.b_konto} | said))
    answer = await io.a_machine.ask(
        "POST", "/fiks-io/api/v1/send", data=BytesIO(body), headers={"Content-Type": AS_JAVA}
    )
    assert answer.status == 202, answer.body
    return str(answer.json["meldingId"])


def at(konto: str, melding_id: str = "") -> str:
    return f"/fiks-io/sporing/api/v1/kontoer/{konto}/meldinger" + (f"/{melding_id}" if melding_id else "")


async def ids(who: Lager, konto: str, **query: Any) -> list[str]:
    return [one["meldingId"] for one in (await done(who, "GET", at(konto), **query))["meldinger"]]


async def test_both_sides_see_where_a_message_is_and_how_it_came_there_with_proof(io: Io) -> None:
    klient = str(uuid4())
    sent = await send(io, ttl=600_000, headere={"klientMeldingId": klient})
    waiting = await done(io.a_machine, "GET", at(io.a_konto, sent))
    assert waiting == await done(io.b_machine, "GET", at(io.b_konto, sent))
    assert (waiting["status"], waiting["meldingType"], waiting["klientMeldingId"]) == ("VENTER", TYPE, klient)
    polled = f"/fiks-io/manuell/api/v1/kontoer/{io.b_konto}/meldinger/neste"
    while (ended := await done(io.a_machine, "GET", at(io.a_konto, sent)))["status"] != "KVITTERT":
        if (await io.b_machine.ask("GET", f"{polled}/metadata")).body:  # others may have left theirs before it
            await done(io.b_machine, "GET", f"{polled}/ack")
        await asyncio.sleep(0.05)
    assert [one["type"] for one in ended["steg"]][:3] == ["MeldingSendt", "MeldingLevert", "MeldingKvittert"]
    assert ended["bevis"] == ended["steg"][0]["bevis"] == waiting["bevis"]
    on_the_log = {
        (one.partition, one.offset): dict(one.headers)
        for one in await asyncio.to_thread(records_on, io.a.settings.kafka, TOPIC)
    }
    for one in ended["steg"]:
        bevis = one["bevis"]
        headers = on_the_log[bevis["partisjon"], bevis["offset"]]
        assert (headers["ce_id"].decode(), headers["ce_type"].decode()) == (bevis["hendelseId"], one["type"])


async def test_pages_follow_each_other_and_are_of_what_was_asked_for(io: Io) -> None:
    sent = [await send(io) for _ in range(3)]
    assert (await ids(io.b_machine, io.b_konto, antall=1000))[-3:] == sent
    assert (await ids(io.a_machine, io.a_konto, retning="SENDT", antall=1000))[-3:] == sent
    assert not set(sent) & set(await ids(io.a_machine, io.a_konto, antall=1000))
    found, after = [], {}
    while True:
        page = await done(io.b_machine, "GET", at(io.b_konto), antall=2, **after)
        found += [one["meldingId"] for one in page["meldinger"]]
        if "etter" not in page:
            break
        after = {"etter": page["etter"]}
    assert found == await ids(io.b_machine, io.b_konto, antall=1000)
    assert set(sent) <= set(await ids(io.b_machine, io.b_konto, status="VENTER", antall=1000))
    assert not set(sent) & set(await ids(io.b_machine, io.b_konto, status="FEILET"))


async def test_who_follows_the_pages_misses_nothing_that_came_to_the_log_late(io: Io) -> None:
    """Its time is that of the gateway that took it in: another's may be later, and its event on the log before."""
    own, others = await opened(io, io.b, io.b_machine), [await opened(io, io.a, io.a_machine) for _ in range(4)]
    asked = {"SENDT": (io.b_machine, own), "MOTTATT": (io.a_machine, others[0])}
    first = [await taken_in(io, own, one, datetime.now(UTC)) for one in others]
    pages = {
        retning: await done(who, "GET", at(konto), retning=retning, antall=4 if retning == "SENDT" else 1)
        for retning, (who, konto) in asked.items()
    }
    assert [one["meldingId"] for one in pages["SENDT"]["meldinger"]] == first, "all at once, the oldest are first"
    late = [await taken_in(io, own, one, datetime.now(UTC) - timedelta(minutes=1)) for one in others]
    for retning, (who, konto) in asked.items():
        found = await ids(who, konto, retning=retning, etter=pages[retning]["etter"])
        assert set(found) == set(late if retning == "SENDT" else late[:1])


async def test_pages_of_what_was_sent_to_many_have_each_message_once(io: Io) -> None:
    own, others = await opened(io, io.b, io.b_machine), [await opened(io, io.a, io.a_machine) for _ in range(3)]
    now = datetime.now(UTC)
    sent = [await taken_in(io, own, others[n % 3], now + timedelta(seconds=n * (-1) ** n)) for n in range(9)]
    found: list[str] = []
    page: dict[str, Any] = {"etter": None}
    while "etter" in page:
        after = {"etter": page["etter"]} if page["etter"] else {}
        page = await done(io.b_machine, "GET", at(own), retning="SENDT", antall=2, **after)
        found += [one["meldingId"] for one in page["meldinger"]]
    assert sorted(found) == sorted(sent)


@pytest.mark.parametrize("retning", ["SENDT", "MOTTATT"])
async def test_a_rare_status_is_looked_for_a_part_of_the_ledger_at_a_time(
    io: Io, retning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sporing.MOST_WALKED", 2)
    konto, others = await opened(io, io.b, io.b_machine), [await opened(io, io.a, io.a_machine) for _ in range(3)]
    of = [(konto, one) if retning == "SENDT" else (one, konto) for one in (*others, *others, *others)]
    sent = [await taken_in(io, *of[number], datetime.now(UTC)) for number in range(9)]
    rare = [await send(io, mottakerKontoId=konto, ttl=1000)] if retning == "MOTTATT" else []
    while rare and (await done(io.b_machine, "GET", at(konto, rare[0])))["status"] != "UTLOPT":
        await asyncio.sleep(0.05)
    for status, known in (("VENTER", sent), ("UTLOPT", rare), ("AVVIST", [])):
        found, pages, page = list[str](), 0, dict[str, Any](etter=None)
        while "etter" in page:
            after = {"etter": page["etter"]} if page["etter"] else {}
            page = await done(io.b_machine, "GET", at(konto), retning=retning, status=status, antall=2, **after)
            found += [one["meldingId"] for one in page["meldinger"]]
            pages += 1
        assert sorted(found) == sorted(known)
        assert retning == "SENDT" or pages > 3, "no more is looked at than was said"


@pytest.mark.parametrize("navn", ["klientKorrelasjonsId", "klientKorrelasjonId"])
async def test_whatever_names_the_dialogue_is_told_to_those_whose_it_is_while_the_message_can_be_read(
    io: Io, navn: str
) -> None:
    konto = await opened(io, io.b, io.b_machine)
    dialogue = f"sak 7/{uuid4()}"
    sent = await send(io, mottakerKontoId=konto, headere={"annet": "x", navn: dialogue})
    for who, own in ((io.a_machine, io.a_konto), (io.b_machine, konto)):
        assert (await done(who, "GET", at(own, sent)))["klientKorrelasjonsId"] == dialogue
    [listed] = (await done(io.b_machine, "GET", at(konto)))["meldinger"]
    assert listed["klientKorrelasjonsId"] == dialogue
    assert "klientKorrelasjonsId" not in await done(io.b, "GET", at(konto, sent)), "who configures reads no messages"
    await done(io.b_machine, "GET", f"/fiks-io/manuell/api/v1/kontoer/{konto}/meldinger/neste/metadata")
    await done(io.b_machine, "GET", f"/fiks-io/manuell/api/v1/kontoer/{konto}/meldinger/neste/ack")
    while "klientKorrelasjonsId" in (found := await done(io.b_machine, "GET", at(konto, sent))):
        await asyncio.sleep(0.05)
    assert found["status"] == "KVITTERT"


async def test_a_party_may_use_a_type_of_the_platforms_and_is_told_apart(io: Io) -> None:
    """Nothing published forbids it, and parties did (contract 2.6): it is a message like any other."""
    sent = await send(io, ttl=1000, meldingType=TIDSAVBRUDD)
    while (own := await done(io.a_machine, "GET", at(io.a_konto, sent)))["status"] != "UTLOPT":
        await asyncio.sleep(0.05)
    told: list[Any] = []
    while not told:
        found = await done(io.a_machine, "GET", at(io.a_konto), antall=1000)
        told = [one for one in found["meldinger"] if one.get("svarPaMelding") == sent]
    assert [(one["meldingType"], one["plattform"]) for one in (own, *told)] == [
        (TIDSAVBRUDD, False),
        (TIDSAVBRUDD, True),
    ]


@pytest.mark.parametrize(
    "query",
    [
        *({"retning": "BEGGE"}, {"status": "venter"}, {"antall": "0"}, {"antall": "x"}),
        *({"etter": one} for one in ("i går", "1", "1-99999999999999999999", "1-٣", "1-2_")),
    ],
)
async def test_what_cannot_be_asked(io: Io, query: dict[str, str]) -> None:
    await refused(io.b_machine, 400, "GET", f"{at(io.b_konto)}?{urlencode(query)}")


async def test_nothing_is_seen_of_what_is_others(io: Io) -> None:
    sent = await send(io)
    await refused(io.a_machine, 403, "GET", at(io.b_konto))
    await refused(io.a_machine, 403, "GET", at(io.b_konto, sent))
    own = await done(io.a, "POST", "/fiks-io/konto/api/v1/kontoer", {"konto": _konto(io)})
    await refused(io.a, 404, "GET", at(own["kontoId"], sent))
    await refused(io.b_machine, 404, "GET", at(io.b_konto, str(uuid4())))


def _konto(io: Io) -> dict[str, str]:
    return {"fiksOrgId": str(io.a.fiks_org_id), "navn": "En annen"}
