"""Sending by Fiks IO as both published clients do it, byte for byte, and everything that is refused. Contract 1.4."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from yarl import URL

from gateway import fiks_io_upload
from gateway.ahead import AHEAD, FEWEST
from gateway.auth.login import person_token
from gateway.auth.persons import PERSONS
from gateway.context import BLOBS, LOG, TRAFFIC
from gateway.fiks_io import LARGEST_INLINE
from gateway.issuer.people import PEOPLE
from gateway.seed import PROVDAL, TESTVIK, Organisation
from infra.ends import Ends
from infra.sealed_blobs import opened
from schemas.dokumentlager import DokumentLastetOpp
from schemas.fiks_io import Header, MeldingSendt
from schemas.fiks_io_konto import (
    AvsenderAkseptert,
    AvsenderfilterEndret,
    KontoDeaktivert,
    UnikKlientMeldingIdEndret,
)
from schemas.konfigurasjon import PrivilegieTildelt
from schemas.personal import Place
from schemas.topics import NOKKEL, TOPICS
from streams.domain import dokumentlager
from streams.domain.eksponering import key_of
from streams.domain.errors import Unavailable
from streams.domain.fiks_io import dokumentlager_konto_of, key_id_of, stream_of
from streams.domain.fiks_io_konto import SENDE_MOTTA
from streams.sealing import opened_all, opened_at
from tests.support.cms import encrypt, key_pair
from tests.support.eventually import eventually
from tests.support.fiks_io import (
    AS_DOTNET,
    AS_JAVA,
    FIELDS,
    JAVA,
    TYPE,
    Sender,
    dotnet,
    java,
    konto_made,
    running_sender,
)
from tests.support.files import stored_in
from tests.support.gateway import ends_of, events_after, lasting_tokens
from tests.support.stack import OwnKafka, temporary_folder

CONTENT = bytes(range(256)) * 40
WEEK = 7 * 24 * 60 * 60 * 1000
ID = "8f1c1f0e-3f3a-4f9e-9a55-5d0d6f8a7b61"


@pytest_asyncio.fixture(scope="module")
async def sender() -> AsyncIterator[Sender]:
    with temporary_folder() as folder, lasting_tokens():
        server = OwnKafka(folder)
        await server.start()
        async with running_sender(server.bootstrap, folder / "state") as made:
            yield made
        await server.stop()


async def left(sender: Sender) -> Any:
    """All that a call can leave behind."""
    blobs = sorted(stored_in(sender.blobs))
    return blobs, [await ends.now() for ends in _ends(sender.caller.settings.kafka)]


@cache
def _ends(kafka: str) -> list[Ends]:
    return [Ends(kafka, one) for one in (TOPICS["fiks.io"], TOPICS["fiks.dokumentlager"], NOKKEL)]


@pytest_asyncio.fixture
async def nothing_is_left(sender: Sender) -> AsyncIterator[None]:
    """No event, no content and no key."""
    before = await left(sender)
    yield
    assert await left(sender) == before


async def in_pieces(body: bytes, size: int = 4096) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


# --- What both clients send ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, CONTENT], ids=["without content", "with content"])
@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
@pytest.mark.parametrize(("form", "kind"), [(java, AS_JAVA), (dotnet, AS_DOTNET)], ids=["Java", ".NET"])
async def test_what_a_client_sends_is_taken_in(
    sender: Sender, form: Any, kind: str, framing: str, content: bytes | None
) -> None:
    headere = {"klientMeldingId": ID, "klientKorrelasjonsId": "sak 1 – blåbær", "annet": ""}
    body = form(sender.metadata(headere=headere, ttl=172_800_000, svarPaMelding=ID), content)
    marks, before = await ends_of(sender.caller.settings.kafka, "fiks.io"), datetime.now(UTC)

    status, answer = await sender.send(in_pieces(body) if framing == "chunked" else body, kind)

    assert (status, list(answer)) == (202, FIELDS)
    [recorded] = await events_after(sender.caller.settings.kafka, marks, "fiks.io")
    event: MeldingSendt = recorded.event
    assert answer == {
        "meldingId": str(event.melding_id),
        "meldingType": TYPE,
        "avsenderKontoId": str(sender.konto),
        "mottakerKontoId": str(sender.mottaker),
        "ttl": 172_800_000,
        "dokumentlagerId": None,
        "svarPaMelding": ID,
        "headere": headere,
    }
    assert (event.avsender_konto_id, event.mottaker_konto_id) == (sender.konto, sender.mottaker)
    assert (event.avsender_org_id, event.mottaker_org_id) == (TESTVIK.id("organisasjon"), PROVDAL.id("organisasjon"))
    assert (event.avsender_navn, event.melding_type) == ("Arkiv Testvik kommune", TYPE)
    assert (event.svar_pa_melding, event.klient_melding_id) == (UUID(ID), UUID(ID))
    assert (event.klient_korrelasjons_id, event.plattform) == (None, False)
    assert event.utloper - recorded.at.time == timedelta(days=2) and recorded.at.time >= before
    assert recorded.at.actor == f"integrasjon:{TESTVIK.id('integrasjon')}"
    assert all(one.verdi.startswith("fiks1:") for one in event.headere)
    [said] = await opened_all(sender.caller.app[LOG].keys, [(event, recorded.at)])
    assert said.headere == tuple(Header(navn=navn, verdi=verdi) for navn, verdi in headere.items())
    if content is None:
        assert (event.storrelse, event.sha256, event.blob) == (0, None, None)
    else:
        assert (event.storrelse, said.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert event.sha256.startswith("fiks1:"), "or short content could be guessed from it"
        assert await sender.content_of(event) == content


async def test_keys_that_are_made_ahead_seal_one_message_each(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once an account is sent many; and such a message needs nothing of the log but to be taken in."""
    body, headere = java(sender.metadata(headere={"annet": "blåbær"}), CONTENT), (Header(navn="annet", verdi="blåbær"),)
    await stocked(sender, monkeypatch)
    keys, marks = sender.caller.app[LOG].keys, await ends_of(sender.caller.settings.kafka, "fiks.io")
    with monkeypatch.context() as patch:
        patch.setattr(keys, "create", away)
        assert [(await sender.send(body))[0] for _ in range(2)] == [202, 202]
    one, other = await events_after(sender.caller.settings.kafka, marks, "fiks.io")
    assert one.event.nokkel != other.event.nokkel
    for each in (one, other):
        assert each.event.nokkel == key_id_of(stream_of(sender.mottaker, each.event.melding_id))
        assert await sender.content_of(each.event) == CONTENT
        assert [said.headere for said in await opened_all(keys, [(each.event, each.at)])] == [headere]


async def test_a_key_that_was_made_ahead_is_destroyed_where_its_message_is_not_taken_in(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = java(sender.metadata(), CONTENT)
    await stocked(sender, monkeypatch)
    _, ahead = sender.caller.app[AHEAD]._of[sender.mottaker].ready[0]
    destroyed: list[str] = []

    async def destroy(name: str) -> None:
        destroyed.append(name)

    with monkeypatch.context() as patch:
        patch.setattr(sender.caller.app[LOG].keys, "destroy", destroy)
        patch.setattr(sender.caller.app[LOG], "append", refuse)
        blobs = sorted(stored_in(sender.blobs))
        assert (await sender.send(body))[0] == 500
    assert destroyed == [key_id_of(stream_of(sender.mottaker, ahead.melding_id))]
    assert sorted(stored_in(sender.blobs)) == blobs


@pytest.mark.parametrize("of", ["content that was put before", "each message once", "headers alone", "nothing"])
async def test_what_has_no_use_for_a_key_made_ahead_takes_none_and_is_whole(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    await stocked(sender, monkeypatch)
    ready = sender.caller.app[AHEAD]._of[sender.mottaker].ready
    before, headere = len(ready), {} if of == "nothing" else {"klientMeldingId": str(uuid4())}
    content = {"content that was put before": bytes(2_000_000), "each message once": CONTENT}.get(of)
    if of == "each message once":
        await sender.say(UnikKlientMeldingIdEndret(**unik(sender), aktivert=True))
    try:
        _, event = await sender.sent(content, headere=headere)
    finally:
        if of == "each message once":
            await sender.say(UnikKlientMeldingIdEndret(**unik(sender), aktivert=False))
    assert before - len(ready) == (1 if of == "headers alone" else 0)
    if content is not None:
        assert await sender.content_of(event) == content


def unik(sender: Sender) -> dict[str, Any]:
    return {
        "fiks_org_id": PROVDAL.id("organisasjon"),
        "konto_id": sender.mottaker,
        "endret": datetime.now(UTC),
        "endret_av": "test",
    }


async def stocked(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the account be one that was sent many just now, however slow this machine is."""
    stocks = sender.caller.app[AHEAD]
    stocks._of.pop(sender.mottaker, None)
    monkeypatch.setattr(stocks, "_clock", lambda: 1.0)
    for _ in range(FEWEST):
        await sender.send(java(sender.metadata(), CONTENT))
    await eventually(lambda: len(stocks._of[sender.mottaker].ready) == FEWEST)


async def away(*_: object) -> bytes:
    raise Unavailable("the log is away")


async def refuse(*_: object) -> None:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize("null", [{"ttl": None, "svarPaMelding": None, "headere": None}, None], ids=["null", "missing"])
async def test_missing_and_null_are_alike(sender: Sender, null: dict[str, None] | None) -> None:
    said = json.loads(sender.metadata())
    for name in ("ttl", "svarPaMelding", "headere"):
        del said[name]
    status, answer = await sender.send(java(json.dumps(said | (null or {})).encode()))

    assert status == 202
    assert (answer["ttl"], answer["svarPaMelding"], answer["headere"]) == (WEEK, None, {})


async def test_metadata_is_utf8_whatever_stands_outside(sender: Sender) -> None:
    answer, event = await sender.sent(meldingType="no.ks.fiks.forespørsel", headere={"å": "ø"})

    assert (answer["meldingType"], answer["headere"]) == ("no.ks.fiks.forespørsel", {"å": "ø"})
    assert event.melding_type == "no.ks.fiks.forespørsel"


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize(("form", "kind"), [(java, AS_JAVA), (dotnet, AS_DOTNET)], ids=["Java", ".NET"])
async def test_a_part_without_an_octet_is_content_that_broke_off(sender: Sender, form: Any, kind: str) -> None:
    """As the client for Java sends where a payload cannot be read; without content it sends no part."""
    status, answer = await sender.send(form(sender.metadata(), b""), kind)

    assert (status, "er tom" in answer["message"]) == (400, True)


@pytest.mark.parametrize("ttl", [1000, 2**32 - 1])
async def test_the_shortest_and_the_longest_time(sender: Sender, ttl: int) -> None:
    answer, event = await sender.sent(ttl=ttl)

    assert (answer["ttl"], event.ttl) == (ttl, ttl)


@pytest.mark.parametrize("name", ["klientKorrelasjonsId", "klientKorrelasjonId"])
async def test_the_dialogue_is_known_in_both_spellings(sender: Sender, name: str) -> None:
    _, event = await sender.sent(headere={name: ID})
    _, other = await sender.sent(headere={name: "1-1-1-1-1", "klientMeldingId": "{" + ID + "}"})

    assert event.klient_korrelasjons_id == UUID(ID)
    assert (other.klient_korrelasjons_id, other.klient_melding_id) == (None, None)


# --- Content ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2_000_000, LARGEST_INLINE])
async def test_small_content_goes_with_the_message(sender: Sender, size: int) -> None:
    content = b"\xff" * size
    answer, event = await sender.sent(content)

    assert answer["dokumentlagerId"] is None
    assert await sender.content_of(event) == content


@pytest.mark.parametrize("size", [LARGEST_INLINE + 1, 6_000_000])
async def test_large_content_goes_by_dokumentlager(sender: Sender, size: int) -> None:
    kafka, content = sender.caller.settings.kafka, b"\xfe" * size
    marks = await ends_of(kafka, "fiks.dokumentlager")
    answer, event = await sender.sent(content, ttl=5000)

    [recorded] = await events_after(kafka, marks, "fiks.dokumentlager")
    dokument: DokumentLastetOpp = recorded.event
    assert answer["dokumentlagerId"] == str(dokument.dokument_id) == str(event.dokumentlager_id)
    assert (event.blob, event.storrelse) == (None, size)
    assert await hash_of(sender, event) == hashlib.sha256(content).hexdigest()
    assert (dokument.fiks_org_id, dokument.konto_id) == (
        PROVDAL.id("organisasjon"),
        dokumentlager_konto_of(sender.mottaker),
    )
    assert [key_of(one) for one in dokument.eksponert_for] == [f"AUTORISASJON/{sender.mottaker}/SVARINN.SENDE_MOTTA"]
    assert dokument.tilgjengelig_til == event.utloper + timedelta(hours=24)
    assert (dokument.blob, dokument.nokkel_id) == (
        dokumentlager.blob_of(dokument.dokument_id),
        dokumentlager.key_id_of(dokument.dokument_id),
    )
    key = (await sender.caller.app[LOG].keys.get_many([dokument.nokkel_id]))[dokument.nokkel_id]
    assert await opened(sender.caller.app[BLOBS], key, dokument.blob, size) == content


async def hash_of(sender: Sender, event: MeldingSendt) -> str | None:
    """The SHA-256 in the event, opened."""
    place = Place("MeldingSendt", key_id_of(stream_of(event.mottaker_konto_id, event.melding_id)))
    [said] = await opened_at(sender.caller.app[LOG].keys, [(event, place)])
    return said.sha256  # type: ignore[no-any-return]


@pytest.mark.parametrize("size", [100, 6_000_000])
async def test_an_envelope_that_is_whole_is_taken_in(sender: Sender, size: int) -> None:
    message = encrypt(b"x" * size, key_pair())
    _, event = await sender.sent(message)

    assert (event.storrelse, await hash_of(sender, event)) == (len(message), hashlib.sha256(message).hexdigest())


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("size", [100, 6_000_000])
async def test_an_envelope_that_is_cut_or_garbled_is_not(sender: Sender, size: int) -> None:
    message = encrypt(b"x" * size, key_pair())
    for broken in (message[:-2], message[: len(message) // 2], message + b"\0", message[:30], message[:200] + message):
        status, answer = await sender.send(java(sender.metadata(), broken))
        assert status == 400 and "CMS" in answer["message"]


@pytest.mark.usefixtures("nothing_is_left")
async def test_more_than_the_most_is_too_large(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fiks_io_upload, "LARGEST", 7_000_000)

    assert (await sender.send(java(sender.metadata(), bytes(7_000_001))))[0] == 413


async def test_a_length_that_is_too_large_is_refused_before_the_body_comes(sender: Sender) -> None:
    address = URL(sender.caller.url)
    assert address.host and address.port
    head = {"Host": address.host, "Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(6 << 30)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (sender.headers | head).items())
    reading, writing = await asyncio.open_connection(address.host, address.port)
    writing.write(f"POST /fiks-io/api/v1/send HTTP/1.1\r\n{lines}\r\n".encode())
    assert (await reading.readline()).split()[1] == b"413"
    writing.close()


# --- What is sent again ----------------------------------------------------------------------------------------------


async def test_what_is_sent_again_is_the_same_message_where_its_receiver_wants_that(sender: Sender) -> None:
    konto, other = uuid4(), uuid4()
    wants = {"fiks_org_id": PROVDAL.id("organisasjon"), "endret": datetime.now(UTC), "endret_av": "person:test"}
    await sender.say(*konto_made(PROVDAL, konto), UnikKlientMeldingIdEndret(konto_id=konto, aktivert=True, **wants))
    await sender.say(*konto_made(TESTVIK, other))
    said = {"mottakerKontoId": str(konto), "headere": {"klientMeldingId": ID}}

    first, event = await sender.sent(CONTENT, **said)
    again, repeated = await sender.sent(CONTENT[1:], **said)
    assert again == first
    assert await sender.content_of(event) == CONTENT
    assert await sender.content_of(repeated) == CONTENT[1:]
    assert event.blob != repeated.blob

    ids = {first["meldingId"]}
    for changes in (
        {"headere": {"klientMeldingId": str(uuid4())}},
        {"headere": {"klientMeldingId": "ingen UUID"}},
        {"headere": {}},
        {"avsenderKontoId": str(other)},
        {"mottakerKontoId": str(sender.mottaker)},
        {"mottakerKontoId": str(sender.mottaker)},
    ):
        ids.add((await sender.sent(CONTENT, **said | changes))[0]["meldingId"])
    assert len(ids) == 7


async def test_a_resend_that_breaks_off_leaves_the_first_as_it_is(sender: Sender) -> None:
    konto = uuid4()
    wants = {"fiks_org_id": PROVDAL.id("organisasjon"), "endret": datetime.now(UTC), "endret_av": "person:test"}
    await sender.say(*konto_made(PROVDAL, konto), UnikKlientMeldingIdEndret(konto_id=konto, aktivert=True, **wants))
    said = {"mottakerKontoId": str(konto), "headere": {"klientMeldingId": ID}}
    _, event = await sender.sent(CONTENT, **said)
    before = await left(sender)

    assert (await sender.send(java(sender.metadata(**said), CONTENT, end=False)))[0] == 400

    assert await left(sender) == before
    assert await sender.content_of(event) == CONTENT


# --- What is refused -------------------------------------------------------------------------------------------------


LONG = "n" * 235


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize(
    ("said", "about"),
    [
        ({"avsenderKontoId": None}, "avsenderKontoId"),
        ({"mottakerKontoId": None}, "mottakerKontoId"),
        ({"mottakerKontoId": "1-1-1-1-1"}, "mottakerKontoId"),
        ({"mottakerKontoId": "00000000000000000000000000000001"}, "mottakerKontoId"),
        ({"mottakerKontoId": 1}, "mottakerKontoId"),
        ({"mottakerKontoId": "00000000-0000-0000-0000-000000000001"}, "finnes ikke"),
        ({"mottakerKontoId": str(TESTVIK.id("konto"))}, "finnes ikke"),
        ({"meldingType": None}, "meldingType"),
        ({"meldingType": ""}, "eldingstypen"),
        ({"meldingType": "ping pong"}, "eldingstypen"),
        ({"meldingType": "ping\n"}, "eldingstypen"),
        ({"meldingType": "p" * 256}, "eldingstypen"),
        ({"svarPaMelding": ""}, "svarPaMelding"),
        ({"svarPaMelding": "1-1-1-1-1"}, "svarPaMelding"),
        ({"svarPaMelding": f"{{{ID}}}"}, "svarPaMelding"),
        ({"ttl": 999}, "ttl"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": -5}, "ttl"),
        ({"ttl": 2**32}, "ttl"),
        ({"ttl": 2**63}, "ttl"),
        ({"ttl": 1000.5}, "ttl"),
        ({"ttl": "5000"}, "ttl"),
        ({"headere": []}, "headere"),
        ({"headere": {"a": 1}}, "headere"),
        ({"headere": {"a": ["b"]}}, "headere"),
        ({"headere": {"": "b"}}, "header"),
        ({"headere": {LONG + "n": "b"}}, "header"),
        ({"headere": {"å" * 118: "b"}}, "header"),
        ({"headere": {"a\0": "b"}}, "header"),
        ({"headere": {"a\n": "b"}}, "header"),
        ({"headere": {"a": "b\0"}}, "header"),
        ({"headere": {"a": "b\r\nc"}}, "header"),
        ({"headere": {"a": "\x85"}}, "header"),
        ({"headere": {"(slettet)": "b"}}, "header"),
        ({"headere": {"a": "b" * 100_000}}, "header"),
        ({"headere": {"klientKorrelasjonsId": "b" * 60_000}}, "header"),
        ({"headere": {f"{number:04}" + "n" * 231: "" for number in range(400)}}, "header"),
    ],
)
async def test_metadata_that_cannot_be(sender: Sender, said: dict[str, Any], about: str) -> None:
    status, answer = await sender.send(java(sender.metadata(**said), CONTENT))

    assert (status, answer["status"]) == (400, 400)
    assert about in answer["message"]


@pytest.mark.parametrize(
    "headere",
    [
        {LONG: "b"},
        {"a": "b" * 99_000},
        {f"{number:04}": "" for number in range(3000)},
        {"a b=ø;\"'": "✓ (slettet) fiks1:"},
    ],
    ids=["a long name", "a long value", "many", "odd ones"],
)
async def test_headers_that_can_just_be(sender: Sender, headere: dict[str, str]) -> None:
    answer, event = await sender.sent(headere=headere)

    assert (answer["headere"], len(event.headere)) == (headere, len(headere))


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("what", ["of another organisation", "none", "no account of Fiks IO"])
async def test_an_account_that_the_integration_may_not_use(sender: Sender, what: str) -> None:
    konto = {"of another organisation": sender.mottaker, "none": uuid4()}.get(what, TESTVIK.id("dokumenter"))

    status, answer = await sender.send(java(sender.metadata(avsenderKontoId=str(konto)), CONTENT))

    assert (status, answer["error"]) == (403, "Forbidden")


async def test_a_sender_that_the_receiver_does_not_accept(sender: Sender) -> None:
    konto = uuid4()
    wants = {"fiks_org_id": PROVDAL.id("organisasjon"), "konto_id": konto, "endret": datetime.now(UTC)}
    wants |= {"endret_av": "person:test"}
    await sender.say(*konto_made(PROVDAL, konto), AvsenderfilterEndret(aktivert=True, **wants))
    body, before = java(sender.metadata(mottakerKontoId=str(konto)), CONTENT), await left(sender)

    assert (await sender.send(body))[0] == 403
    assert await left(sender) == before
    await sender.say(AvsenderAkseptert(avsender_konto_id=sender.konto, **wants))
    assert (await sender.send(body))[0] == 202


async def test_an_account_that_closes_while_the_content_comes(sender: Sender) -> None:
    konto = uuid4()
    await sender.say(*konto_made(PROVDAL, konto))
    body, before = java(sender.metadata(mottakerKontoId=str(konto)), bytes(2_000_000)), await left(sender)
    gone = KontoDeaktivert(
        fiks_org_id=PROVDAL.id("organisasjon"), konto_id=konto, endret=datetime.now(UTC), endret_av="person:test"
    )

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:1_500_000]
        await eventually(lambda: len(stored_in(sender.blobs)) > len(before[0]))
        await sender.say(gone)
        yield body[1_500_000:]

    status, answer = await sender.send(slowly())

    assert (status, "deaktivert" in answer["message"]) == (400, True)
    assert await left(sender) == before


async def logged_in(sender: Sender, pid: str, *, niva: int = 4, through: Organisation | None = None) -> Sender:
    """The same for somebody who has logged in, alone or through the integration of an organisation."""
    client = through or TESTVIK
    token = await person_token(sender.caller.settings.idporten_issuer, pid, niva, client.orgnr)
    machine = (await sender.as_organisation(client, sender.konto, sender.mottaker)).headers if through else {}
    return replace(sender, headers={**machine, "Authorization": f"Bearer {token}"})


async def test_who_has_logged_in_sends_by_rights_of_their_own(sender: Sender) -> None:
    mina, odd = PEOPLE[2].pid, PEOPLE[4].pid
    person = sender.caller.app[PERSONS].actor
    rights = {"fiks_org_id": TESTVIK.id("organisasjon"), "ressurs_id": sender.konto, "privilegium": SENDE_MOTTA}
    theirs = {"fiks_org_id": PROVDAL.id("organisasjon"), "ressurs_id": sender.mottaker, "privilegium": SENDE_MOTTA}
    await sender.say(PrivilegieTildelt(aktor=person(mina), **rights), PrivilegieTildelt(aktor=person(odd), **theirs))
    body, kafka = java(sender.metadata(), CONTENT), sender.caller.settings.kafka

    for who in (await logged_in(sender, mina), await logged_in(sender, mina, through=TESTVIK)):
        marks = await ends_of(kafka, "fiks.io")
        assert (await who.send(body))[0] == 202
        [recorded] = await events_after(kafka, marks, "fiks.io")
        assert recorded.at.actor == person(mina)

    before = await left(sender)
    for who in (
        await logged_in(sender, mina, niva=3),
        await logged_in(sender, mina, niva=3, through=TESTVIK),
        await logged_in(sender, mina, through=PROVDAL),
        await logged_in(sender, odd),
        await logged_in(sender, odd, through=TESTVIK),
    ):
        assert (await who.send(body))[0] == 403
    assert await left(sender) == before


@pytest.mark.usefixtures("nothing_is_left")
async def test_who_shows_nothing_sends_nothing(sender: Sender) -> None:
    status, _ = await sender.send(java(sender.metadata(), CONTENT), Authorization="Bearer x")

    assert status == 401


def parts(*told: tuple[str, bytes]) -> bytes:
    head = f'--{JAVA}\r\nContent-Disposition: form-data; name="'.encode()
    body = b"".join(head + name.encode() + b'"\r\n\r\n' + content + b"\r\n" for name, content in told)
    return body + f"--{JAVA}--\r\n".encode()


@pytest.mark.usefixtures("nothing_is_left")
async def test_bodies_that_are_not_metadata_and_content(sender: Sender) -> None:
    metadata, data = ("metadata", sender.metadata()), ("data", CONTENT)
    for told in (
        [data, metadata],
        [data],
        [],
        [metadata, metadata],
        [metadata, metadata, data],
        [metadata, data, data],
        [metadata, data, ("noe", b"annet")],
        [metadata, ("noe", b"annet")],
        [("metadata", b"{"), data],
        [("metadata", b"[]"), data],
        [("metadata", b"\xff"), data],
        [("metadata", b'{"meldingType": "\\ud800"}'), data],
    ):
        assert (await sender.send(parts(*told)))[0] == 400
    _, answer = await sender.send(parts(data, metadata))
    assert "første del må hete metadata" in answer["message"]
    assert (await sender.send(parts(("metadata", b" " * 2_000_000), data)))[0] == 413


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/mixed; boundary=x", ""])
async def test_what_is_no_form(sender: Sender, kind: str) -> None:
    assert (await sender.send(java(sender.metadata()), kind))[0] == 400


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("size", [10, 3_000_000, 6_000_000])
async def test_a_body_without_its_end(sender: Sender, size: int) -> None:
    assert (await sender.send(java(sender.metadata(), bytes(size), end=False)))[0] == 400
    assert (await sender.send(java(sender.metadata(), bytes(size))[:-4]))[0] == 400
    assert (await sender.send(java(sender.metadata(), end=False)))[0] == 400


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("after", [0, 100, 400_000, 5_900_000])
async def test_a_call_that_breaks_off_never_counts(sender: Sender, after: int) -> None:
    body = java(sender.metadata(), bytes(6_000_000))
    _, writer = await asyncio.open_connection("127.0.0.1", sender.caller.settings.gateway_port)
    head = "POST /fiks-io/api/v1/send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in sender.headers.items()
    )
    sent = f"{head}Content-Type: {AS_JAVA}\r\n\r\n{len(body):x}\r\n".encode() + body[:after]
    writer.write(sent)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    await eventually(lambda: sender.caller.app[TRAFFIC].running == 0)
