"""The published client of Fiks IO for Java, unchanged, against the whole local system: what a vendor's code sees.

One system for the module; 3.5.0 on the AMQP client that it asks for, then on the newest, and 3.6.3 for what is new in
it. TEST_MINUTES=10 lets the traffic run that long and at a slower pace, instead of for 20 seconds.
"""

from __future__ import annotations

import json
import os
import signal
from asyncio import get_running_loop, sleep
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from cryptography.x509 import Certificate, load_pem_x509_certificate

from infra.local.stack import GATEWAYS
from streams.domain.fiks_io import OPEN, Status
from tests.chaos.messages import Act, Handed, Sent, judge_messages
from tests.support.certificates import END, certificate, pem
from tests.support.eventually import eventually_found
from tests.support.fiks_io_java import OTHER_NAME, TYPE, Java, Klient, Konto, Post
from tests.support.files import measured, some
from tests.support.gateway import events_after
from tests.support.published_client import FIKS_IO, FIKS_IO_3_6, FIKS_IO_NEWER_AMQP, Failed

SECONDS = 60 * float(os.environ.get("TEST_MINUTES", "0.33"))
PAUSE, BETWEEN_CUTS = max(20, round(SECONDS / 2.4)), max(3.0, SECONDS / 30)
"""Milliseconds between two messages of a thread, and seconds between two cuts."""
CUTS = [((GATEWAYS[0],), signal.SIGKILL), (GATEWAYS, signal.SIGKILL), ((GATEWAYS[1],), signal.SIGTERM)]
ENDS = {Status.KVITTERT, Status.AVVIST, Status.UTLOPT, Status.FEILET}
newer = pytest.mark.skipif(not (FIKS_IO_3_6.jar and FIKS_IO_3_6.jar.exists()), reason=f"no {FIKS_IO_3_6.jar}")


@pytest_asyncio.fixture(scope="module", params=[FIKS_IO, FIKS_IO_NEWER_AMQP], ids=["its own AMQP", "AMQP 5.37"])
async def java(request: pytest.FixtureRequest, post: Post) -> AsyncIterator[Java]:
    """A JVM with the client, on one AMQP library and on the other."""
    async with post.java(request.param) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def sender(java: Java, testvik: Konto) -> Klient:
    return await listening(java, testvik)


@pytest_asyncio.fixture(scope="module")
async def receiver(java: Java, provdal: Konto) -> Klient:
    return await listening(java, provdal)


async def listening(java: Java, konto: Konto) -> Klient:
    """A client for the account, whose handler keeps what comes."""
    klient = await java.open(konto)
    await klient("listen")
    return klient


def ids_of(messages: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in messages]


# --- Looking up, sending, receiving ----------------------------------------------------------------------------------


async def test_an_account_is_looked_up(sender: Klient, receiver: Klient, post: Post, postkasse: Konto) -> None:
    known = {
        "kontoId": receiver.konto.konto_id,
        "kontoNavn": "Arkiv",
        "fiksOrgId": post.system.provdal["fiksOrgId"],
        "fiksOrgNavn": "Prøvdal kommune",
        "orgNummer": post.system.provdal["orgnr"],
        "gyldigAvsender": True,
        "gyldigMottaker": True,
        "antallKonsumenter": 1,
    }

    async def is_known() -> bool:
        return bool(await sender("konto", kontoId=receiver.konto.konto_id) == known)

    await eventually_found(is_known)
    nobody = await sender("konto", kontoId=postkasse.konto_id)
    assert nobody == known | {"kontoId": postkasse.konto_id, "kontoNavn": "Postkasse", "antallKonsumenter": 0}
    assert await sender("konto", kontoId=str(uuid4())) is None


async def test_files_go_there_and_an_answer_comes_back(
    sender: Klient, receiver: Klient, post: Post, tmp_path: Path
) -> None:
    files = some(tmp_path, "vedtak.pdf", 30_000), some(tmp_path, "blåbær og løk.txt", 1)
    mine, headere = str(uuid4()), {"avdeling": "Byggesak – æøå"}
    sent = await sender.send(
        receiver.konto, *files, korrelasjon="sak 1/æ", klientMeldingId=mine, headere=headere, ttl=60_000
    )
    [got] = await receiver.next()
    both = dialogue("sak 1/æ")
    assert got == sent | {"resendt": False, "harPayload": True, "headere": sent["headere"] | both}
    assert got["headere"] == headere | both | {"klientMeldingId": mine}
    assert (got["type"], got["ttl"], got["svarPa"]) == (TYPE, 60_000, None)
    assert (got["avsender"], got["mottaker"]) == (sender.konto.konto_id, receiver.konto.konto_id)
    assert (got["korrelasjon"], got["klientMeldingId"]) == ("sak 1/æ", mine)
    assert await receiver("stream", id=got["id"]) == measured(*files)
    assert await receiver("file", id=got["id"], to=str(tmp_path / "container.zip")) == measured(*files)

    answered = await receiver("svar", id=got["id"], type=f"{TYPE}.svar", files=[str(files[1])])
    await receiver("ack", id=got["id"])
    [answer] = await sender.next()
    assert ids_of([answer]) == ids_of([answered])
    assert (answer["svarPa"], answer["korrelasjon"], answer["avsender"]) == (got["id"], "sak 1/æ", got["mottaker"])
    assert await sender("stream", id=answer["id"]) == measured(files[1])
    await sender("ack", id=answer["id"])
    await post.until(Status.KVITTERT, got["id"], answer["id"])


async def test_without_content(sender: Klient, receiver: Klient, post: Post) -> None:
    sent = await sender.send(receiver.konto)
    [got] = await receiver.next()
    assert got == sent | {"resendt": False, "harPayload": False}
    assert (got["ttl"], got["headere"], got["korrelasjon"]) == (604_800_000, {}, None)
    await receiver("ack", id=got["id"])
    await post.until(Status.KVITTERT, got["id"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [6_000_000, 300_000_000])
async def test_large_content(sender: Klient, receiver: Klient, post: Post, tmp_path: Path, size: int) -> None:
    """By Dokumentlager, of which neither side's code knows."""
    file = some(tmp_path, "kart.pdf", size)
    sent = await sender.send(receiver.konto, file)
    [got] = await receiver.next()
    assert (got["id"], got["harPayload"]) == (sent["id"], True)
    assert await receiver("stream", id=got["id"]) == measured(file)
    assert await receiver("file", id=got["id"], to=str(tmp_path / "container.zip")) == measured(file)
    await receiver("ack", id=got["id"])
    await post.until(Status.KVITTERT, got["id"])
    [row] = await post.rows(
        "select dokumentlager_id, blob from read.fiks_io_melding where melding_id = $1", UUID(sent["id"])
    )
    assert row["dokumentlager_id"] is not None
    assert row["blob"] is None


@pytest.mark.parametrize(
    ("name", "octets"), [("brutt.pdf", 0), ("brutt.pdf", 50_000), ("brutt.pdf", 300_000), ("uten-ending", 100)]
)
async def test_content_that_breaks_off_is_refused_though_its_client_ends_it_as_if_it_were_whole(
    sender: Klient, receiver: Klient, post: Post, tmp_path: Path, name: str, octets: int
) -> None:
    """Of a file without an ending the client cannot tell the type, and breaks off by itself (fiks-io-edge.md). Now and
    then it notices in time, and now and then it closes the envelope around what it has of the container: that is a
    whole envelope to all but its receiver, who reads nothing out of it.
    """
    count = "select count(*) from read.fiks_io_melding where avsender_konto_id = $1 and not plattform"
    before = await post.rows(count, UUID(sender.konto.konto_id))
    refused, came = 0, []
    for _ in range(20):
        try:
            sent = await sender.send(receiver.konto, breaksAfter=octets, navn=name)
        except Failed as failed:
            assert failed.status in (400, None), "None where it has noticed by itself"
            refused += failed.status == 400
        else:
            came.append(sent["id"])
            assert ids_of(await receiver.next()) == [sent["id"]]
            with pytest.raises(Failed):
                await receiver("file", id=sent["id"], to=str(tmp_path / f"{sent['id']}.zip"))
            await receiver("nack", id=sent["id"])
        if refused:
            break
    assert refused, f"{len(came)} came, and none was refused"
    sent = await sender.send(receiver.konto)
    assert ids_of(await receiver.next()) == [sent["id"]], "what was refused came"
    await receiver("ack", id=sent["id"])
    assert (await post.rows(count, UUID(sender.konto.konto_id)))[0][0] == before[0][0] + len(came) + 1


# --- What becomes of a message ---------------------------------------------------------------------------------------


async def test_what_is_rejected_is_gone(sender: Klient, receiver: Klient, post: Post) -> None:
    sent = await sender.send(receiver.konto)
    await receiver.next()
    await receiver("nack", id=sent["id"])
    await post.until(Status.AVVIST, sent["id"])


async def test_what_is_given_back_comes_again_and_the_third_time_its_sender_is_told(
    sender: Klient, receiver: Klient, post: Post
) -> None:
    sent = [await sender.send(receiver.konto, korrelasjon=f"sak {number}") for number in range(3)]
    assert ids_of(await receiver.next(3)) == ids_of(sent)
    again, *rest = ids_of(sent)
    await receiver("nackWithRequeue", id=again)
    for one in rest:
        await receiver("ack", id=one)
    for _ in range(2):
        [got] = await receiver.next()
        assert (got["id"], got["resendt"]) == (again, True)
        await receiver("nackWithRequeue", id=again)
    [told] = await sender.next()
    assert told == about(sent[0], "no.ks.fiks.kvittering.serverfeil.v1") | {"id": told["id"], "ttl": told["ttl"]}
    await sender("ack", id=told["id"])
    await post.until(Status.FEILET, again)
    await post.until(Status.KVITTERT, *rest, told["id"])


async def test_the_sender_is_told_of_what_nobody_fetched_in_time(
    sender: Klient, post: Post, postkasse: Konto, tmp_path: Path
) -> None:
    sent = await sender.send(postkasse, some(tmp_path, "a.txt", 10), ttl=1000, korrelasjon="sak 2")
    [told] = await sender.next()
    assert told == about(sent, "no.ks.fiks.kvittering.tidsavbrudd") | {"id": told["id"], "ttl": told["ttl"]}
    await sender("ack", id=told["id"])
    await post.until(Status.UTLOPT, sent["id"])


def about(sent: dict[str, Any], type_: str) -> dict[str, Any]:
    """What the platform says of a message to its sender."""
    return {
        "type": type_,
        "avsender": sent["mottaker"],
        "mottaker": sent["avsender"],
        "svarPa": sent["id"],
        "klientMeldingId": None,
        "korrelasjon": sent["korrelasjon"],
        "headere": dialogue(sent["korrelasjon"]),
        "resendt": False,
        "harPayload": False,
    }


def dialogue(korrelasjon: str) -> dict[str, str]:
    """The headers by which the dialogue is known: each version reads one of them."""
    return {"klientKorrelasjonId": korrelasjon, "klientKorrelasjonsId": korrelasjon}


# --- Connections -----------------------------------------------------------------------------------------------------


async def test_when_the_gateways_are_killed_nothing_is_lost(sender: Klient, receiver: Klient, post: Post) -> None:
    """Both, while messages are in hand. The client comes back by itself, and by its predicate passes over what it knows
    that it has handled.
    """
    sent = ids_of([await sender.send(receiver.konto) for _ in range(6)])
    assert ids_of(await receiver.next(6)) == sent
    acknowledged, handled, *rest = sent
    await receiver("ack", id=acknowledged)
    await receiver("handled", id=handled)
    await post.until(Status.KVITTERT, acknowledged)

    await post.end(*GATEWAYS)

    again = await receiver.next(len(rest))
    assert ids_of(again) == rest
    assert all(one["resendt"] for one in again)
    for one in rest:
        await receiver("ack", id=one)
    await post.until(Status.KVITTERT, *sent)
    assert await receiver("losses") >= 1
    after = await sender.send(receiver.konto)
    [got] = await receiver.next()
    assert (got["id"], got["resendt"]) == (after["id"], False), "what was acknowledged did not come again"
    await receiver("ack", id=after["id"])


async def test_what_was_in_hand_when_a_client_closed_goes_to_the_next(
    java: Java, sender: Klient, postkasse: Konto, post: Post
) -> None:
    klient = await listening(java, postkasse)
    sent = ids_of([await sender.send(postkasse) for _ in range(2)])
    await klient.next(2)
    await klient("ack", id=sent[0])
    await klient("close")
    after = await listening(java, postkasse)
    [got] = await after.next()
    assert (got["id"], got["resendt"]) == (sent[1], True)
    await after("ack", id=got["id"])
    await post.until(Status.KVITTERT, *sent)
    await after("close")


async def test_a_client_whose_handler_threw_is_revived(
    java: Java, sender: Klient, postkasse: Konto, post: Post
) -> None:
    """It closes its own channel then, and would be alive but deaf."""
    klient = await listening(java, postkasse)
    thrown = await sender.send(postkasse, headere={"gjor": "kast"})
    [got] = await klient.next()
    assert (got["id"], got["resendt"]) == (thrown["id"], True)
    await klient("ack", id=got["id"])
    after = await sender.send(postkasse)
    [got] = await klient.next()
    assert (got["id"], got["resendt"]) == (after["id"], False)
    await klient("ack", id=got["id"])
    await post.until(Status.KVITTERT, thrown["id"], after["id"])
    await klient("close")


async def test_a_wrong_password_does_not_connect(java: Java, testvik: Konto) -> None:
    with pytest.raises(Failed, match="ACCESS_REFUSED"):
        await java.open(testvik, integrasjonPassord="feil")


async def test_the_account_of_another_organisation_is_not_one_s_own(
    java: Java, testvik: Konto, postkasse: Konto
) -> None:
    fremmed = replace(testvik, konto_id=postkasse.konto_id)
    klient = await java.open(fremmed)
    with pytest.raises(Failed, match="reply-code=403"):
        await klient("listen")
    with pytest.raises(Failed, match="Mangler privilegiet") as refused:
        await klient.send(testvik)
    assert refused.value.status == 403
    await klient("close")


# --- Other versions --------------------------------------------------------------------------------------------------


async def test_the_newest_amqp_demands_a_certificate_for_the_host(java: Java, postkasse: Konto) -> None:
    """And the one before it does not."""
    if java.program is FIKS_IO_NEWER_AMQP:
        with pytest.raises(Failed, match=OTHER_NAME):
            await java.open(postkasse, amqpHost=OTHER_NAME)
    else:
        await (await java.open(postkasse, amqpHost=OTHER_NAME))("close")


@newer
@pytest.mark.parametrize("java", [FIKS_IO], indirect=True, ids=["its own AMQP"])
async def test_a_newer_client_uploads_its_key_once(
    post: Post, sender: Klient, postkasse: Konto, tmp_path: Path
) -> None:
    """At its next start it is shown what it uploaded, and is content. It names the dialogue in another way, which goes
    on all the same.
    """
    renewed, file = certificate(postkasse.pair.key, end=END - timedelta(days=1)), some(tmp_path, "a.txt", 1000)
    nokkel = f"/fiks-io/katalog/api/v1/kontoer/{postkasse.konto_id}/offentligNokkel"
    async with post.java(FIKS_IO_3_6) as newer_java:
        for _ in range(2):
            klient = await newer_java.open(postkasse, offentligNokkel=pem(renewed))
            assert of_pem((await post.ask("GET", nokkel))["nokkel"]) == renewed
            assert await certificates_of(post, postkasse) == [postkasse.pair.certificate, renewed]
            await klient("close")
        klient = await listening(newer_java, postkasse)
        sent = await sender.send(postkasse, file, korrelasjon="sak 4")
        [got] = await klient.next()
        assert (got["korrelasjon"], got["headere"]) == ("sak 4", dialogue("sak 4"))
        assert await klient("stream", id=got["id"]) == measured(file)
        await klient("ack", id=got["id"])
        await klient.send(sender.konto, korrelasjon="sak 5")
        [back] = await sender.next()
        assert (back["korrelasjon"], back["headere"]) == ("sak 5", dialogue("sak 5"))
        await sender("ack", id=back["id"])
        await post.until(Status.KVITTERT, sent["id"], back["id"])
        await klient("close")


async def certificates_of(post: Post, konto: Konto) -> list[Certificate]:
    """Every certificate that the account was given, in order."""
    log = await events_after(post.system.addresses["kafka"], defaultdict(int), "fiks.konfigurasjon")
    given = [one.event for one in log if one.at.type == "OffentligNokkelSatt"]
    return [of_pem(one.pem) for one in given if str(one.konto_id) == konto.konto_id]


def of_pem(text: str) -> Certificate:
    return load_pem_x509_certificate(text.encode())


# --- Mixed traffic, and cuts -----------------------------------------------------------------------------------------


@pytest.mark.timeout(SECONDS + 600)
async def test_mixed_traffic_with_cuts(post: Post) -> None:
    """Between a client on either AMQP library, while gateways are killed and told to stop. What was answered 202 ends
    once: acknowledged, rejected, or expired or failed with a notice; by what a handler did, and it comes as
    redelivered when it comes again.
    """
    pair = await post.konto(post.system.testvik, "Trafikk"), await post.konto(post.system.provdal, "Trafikk")
    async with post.java(FIKS_IO) as one, post.java(FIKS_IO_NEWER_AMQP) as other:
        clients = await one.open(pair[0]), await other.open(pair[1])
        for klient, mottaker in zip(clients, reversed(pair), strict=True):
            await klient("traffic", mottaker=mottaker.konto_id, threads=2, pause=PAUSE)
        cuts = await cut_for(post, SECONDS)
        sent = [one for klient in clients for one in await klient("quiet")]
        kontoer = [UUID(one.konto_id) for one in pair]
        await eventually_found(lambda: all_ended(post, kontoer))
        seen = [one for klient in clients for one in await klient("seen")]

    log = await events_after(post.system.addresses["kafka"], defaultdict(int), "fiks.io")
    log = [one for one in log if one.event.mottaker_konto_id in kontoer]
    verdict = judge_messages(
        [Sent(UUID(one["klientMeldingId"]), one["id"] and UUID(one["id"])) for one in sent],
        [Handed(UUID(one["id"]), one["resendt"], Act(one["act"])) for one in seen],
        log,
    )
    assert verdict.clean, verdict
    blobs = {one.event.blob for one in log if one.at.type == "MeldingSendt"}
    assert blobs.isdisjoint(file.name for file in (post.system.files / "blobs").iterdir())
    ends = await post.rows(
        "select status, count(*) from read.fiks_io_tilstand where mottaker_konto_id = any($1) group by status", kontoer
    )
    answered = sum(one["id"] is not None for one in sent)
    figures = {"seconds": SECONDS, "cuts": cuts, "sent": len(sent), "202": answered, "handled": len(seen)}
    figures |= {"redelivered": sum(one["resendt"] for one in seen), "ends": {row[0]: row[1] for row in ends}}
    print(json.dumps(figures))
    assert set(figures["ends"]) == ENDS, "each kind of end was seen"
    assert answered > len(sent) / 4, "else it proves nothing"


async def cut_for(post: Post, seconds: float) -> int:
    """End gateways in one way after the other for so long, and in each way at least once. Returns how often."""
    ends, number = get_running_loop().time() + seconds, 0
    while number < len(CUTS) or get_running_loop().time() < ends:
        await sleep(BETWEEN_CUTS)
        names, by = CUTS[number % len(CUTS)]
        await post.end(*names, by=by)
        number += 1
    return number


async def all_ended(post: Post, kontoer: list[UUID]) -> bool:
    """Whether every message of the accounts has ended and is destroyed."""
    found = await post.rows(
        """select count(*) from read.fiks_io_tilstand t where mottaker_konto_id = any($1) and (status = any($2)
           or not exists (select from read.fiks_io_steg s where s.mottaker_konto_id = t.mottaker_konto_id
                          and s.melding_id = t.melding_id and s.type = 'MeldingDestruert'))""",
        kontoer,
        list(OPEN),
    )
    return bool(found[0][0] == 0)
