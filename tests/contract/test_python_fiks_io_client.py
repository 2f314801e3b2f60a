"""Our client for Python, unchanged, against the whole local system, and with the published client for Java."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

import fiks_io
from fiks_io import Denied, HttpError, KontoStatus, Lost, Metadata, MottattMelding, SendtMelding
from infra.local.stack import GATEWAYS
from streams.domain.fiks_io import Status
from tests.support.eventually import eventually_found
from tests.support.fiks_io_java import TYPE, Java, Klient, Konto, Post
from tests.support.fiks_io_python import Python, attached, opened, python, python_klient
from tests.support.files import measured, some

EXAMPLE = Path(__file__).parents[2] / "clients/python/examples/lokalt.py"
DIALOG = {"klientKorrelasjonsId": "sak 1/æ", "klientKorrelasjonId": "sak 1/æ"}


@pytest_asyncio.fixture(scope="module")
async def sender(post: Post, testvik: Konto) -> AsyncIterator[Python]:
    async with python(post, testvik) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def receiver(post: Post, provdal: Konto) -> AsyncIterator[Python]:
    async with python(post, provdal) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def published(java: Java, post: Post) -> Klient:
    """The published client of another account of Prøvdal."""
    klient = await java.open(await post.konto(post.system.provdal, "Java"))
    await klient("listen")
    return klient


async def settled(post: Post, melding: MottattMelding, status: Status = Status.KVITTERT) -> None:
    """Wait until that is where the message is."""
    await post.until(status, str(melding.metadata.melding_id))


# --- Looking up, sending, receiving ----------------------------------------------------------------------------------


async def test_an_account_is_looked_up(sender: Python, receiver: Python, post: Post, postkasse: Konto) -> None:
    katalog = sender.klient.katalog
    known = fiks_io.Konto(
        konto_id=UUID(receiver.konto.konto_id),
        konto_navn="Arkiv",
        fiks_org_id=UUID(post.system.provdal["fiksOrgId"]),
        fiks_org_navn="Prøvdal kommune",
        status=KontoStatus(gyldig_avsender=True, gyldig_mottaker=True, antall_konsumenter=1),
        organisasjonsnummer=post.system.provdal["orgnr"],
    )

    async def is_known() -> bool:
        return await katalog.konto(known.konto_id) == known

    await eventually_found(is_known)
    assert await katalog.status(known.konto_id) == known.status
    assert await katalog.certificate(known.konto_id) == receiver.konto.pair.certificate
    nobody = KontoStatus(gyldig_avsender=True, gyldig_mottaker=True)
    assert await katalog.status(UUID(postkasse.konto_id)) == nobody
    assert await katalog.konto(uuid4()) is None
    with pytest.raises(HttpError, match="404"):
        await katalog.certificate(uuid4())


async def test_files_go_there_and_an_answer_comes_back(
    sender: Python, receiver: Python, post: Post, tmp_path: Path
) -> None:
    files = some(tmp_path, "vedtak.pdf", 30_000), some(tmp_path, "blåbær og løk.txt", 1)
    mine, own = uuid4(), {"avdeling": "Byggesak – æøå"}
    sent = await sender.send(
        receiver.konto,
        *files,
        ttl=timedelta(minutes=1),
        headere=own,
        klient_melding_id=mine,
        klient_korrelasjon_id="sak 1/æ",
    )
    assert (sent.ttl, sent.dokumentlager_id) == (timedelta(minutes=1), None)
    got = await receiver.next()
    assert got.metadata == Metadata(
        melding_id=sent.melding_id,
        melding_type=TYPE,
        avsender_konto_id=UUID(sender.konto.konto_id),
        mottaker_konto_id=UUID(receiver.konto.konto_id),
        svar_pa_melding=None,
        ttl=timedelta(minutes=1),
        headere=own | DIALOG | {"klientMeldingId": str(mine)},
        dokumentlager_id=None,
        har_payload=True,
        resendt=False,
    )
    assert (got.metadata.klient_melding_id, got.metadata.klient_korrelasjon_id) == (mine, "sak 1/æ")
    assert await opened(got) == measured(*files)
    answered = await got.svar(f"{TYPE}.svar", attached(files[1]))
    await got.ack()

    answer = await sender.next()
    said = answer.metadata
    assert (said.melding_id, said.svar_pa_melding) == (answered.melding_id, sent.melding_id)
    assert (said.headere, said.avsender_konto_id) == (DIALOG, got.metadata.mottaker_konto_id)
    assert await opened(answer) == measured(files[1])
    await answer.ack()
    await settled(post, got)
    await settled(post, answer)


async def test_without_content(sender: Python, receiver: Python, post: Post) -> None:
    sent = await sender.send(receiver.konto)
    got = await receiver.next()
    assert (got.metadata.melding_id, got.metadata.har_payload) == (sent.melding_id, False)
    assert (got.metadata.ttl, got.metadata.headere) == (timedelta(days=7), {})
    await got.ack()
    await settled(post, got)


async def test_large_content(sender: Python, receiver: Python, post: Post, tmp_path: Path) -> None:
    """By Dokumentlager, of which the user's code knows nothing."""
    file = some(tmp_path, "kart.pdf", 6_000_000)
    sent = await sender.send(receiver.konto, file)
    got = await receiver.next()
    assert sent.dokumentlager_id is not None
    assert (got.metadata.dokumentlager_id, got.metadata.har_payload) == (sent.dokumentlager_id, True)
    assert await opened(got) == measured(file)
    await got.ack()
    await settled(post, got)


# --- What becomes of a message ---------------------------------------------------------------------------------------


async def test_what_is_rejected_is_gone(sender: Python, receiver: Python, post: Post) -> None:
    await sender.send(receiver.konto)
    got = await receiver.next()
    await got.nack()
    await settled(post, got, Status.AVVIST)


async def test_what_is_given_back_comes_again(sender: Python, receiver: Python, post: Post, tmp_path: Path) -> None:
    file = some(tmp_path, "a.txt", 1000)
    sent = await sender.send(receiver.konto, file)
    first = await receiver.next()
    await first.requeue()
    again = await receiver.next()
    assert (again.metadata.melding_id, again.metadata.resendt) == (sent.melding_id, True)
    assert await opened(again) == measured(file)
    await again.ack()
    await settled(post, again)


async def test_the_sender_is_told_of_what_nobody_fetched_in_time(sender: Python, post: Post, postkasse: Konto) -> None:
    sent = await sender.send(postkasse, ttl=timedelta(seconds=1), klient_korrelasjon_id="sak 1/æ")
    told = await sender.next()
    said = told.metadata
    assert (said.melding_type, said.svar_pa_melding) == ("no.ks.fiks.kvittering.tidsavbrudd", sent.melding_id)
    assert (said.avsender_konto_id, said.headere) == (UUID(postkasse.konto_id), DIALOG)
    assert not said.har_payload
    await told.ack()
    await post.until(Status.UTLOPT, str(sent.melding_id))


# --- Refusals --------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_refused(post: Post, testvik: Konto) -> None:
    async with python_klient(post, testvik, integrasjonPassord="feil") as klient:
        with pytest.raises(HttpError, match="401"):
            await klient.send(UUID(testvik.konto_id), TYPE)
        with pytest.raises(Denied, match="ACCESS_REFUSED"):
            async with klient.meldinger():
                pytest.fail("it was let in")


async def test_the_account_of_another_organisation_is_not_one_s_own(post: Post, testvik: Konto, provdal: Konto) -> None:
    async with python_klient(post, replace(testvik, konto_id=provdal.konto_id)) as klient:
        with pytest.raises(HttpError, match="403"):
            await klient.send(UUID(testvik.konto_id), TYPE)
        with pytest.raises(Denied, match="ACCESS_REFUSED"):
            async with klient.meldinger():
                pytest.fail("it was let in")


# --- With the published client for Java ------------------------------------------------------------------------------

CONTENTS = {
    "without content": {},
    "several files": {"vedtak.pdf": 30_000, "blåbær og løk.txt": 1, "Årsmelding §3.xml": 100_000},
    "6 MB": {"kart over Åsgård.pdf": 6_000_000},
}


@pytest.fixture(params=CONTENTS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    return [some(tmp_path, name, size) for name, size in CONTENTS[request.param].items()]


async def test_java_sends_and_python_answers(published: Klient, sender: Python, post: Post, files: list[Path]) -> None:
    sent = await published.send(sender.konto, *files, korrelasjon="sak 1/æ", headere={"avdeling": "æøå"})
    got = await sender.next()
    said = got.metadata
    assert (str(said.melding_id), said.melding_type, said.har_payload) == (sent["id"], TYPE, bool(files))
    assert (said.headere, said.klient_korrelasjon_id) == ({"avdeling": "æøå"} | DIALOG, "sak 1/æ")
    if files:
        assert await opened(got) == measured(*files)
    answered = await got.svar(f"{TYPE}.svar", attached(*files))
    await got.ack()
    await read_by_java(published, answered, files, svar_pa=sent["id"])
    await settled(post, got)
    await post.until(Status.KVITTERT, str(answered.melding_id))


async def test_python_sends_and_java_answers(sender: Python, published: Klient, post: Post, files: list[Path]) -> None:
    sent = await sender.send(published.konto, *files, klient_korrelasjon_id="sak 1/æ", headere={"avdeling": "æøå"})
    got = await read_by_java(published, sent, files, ack=False)
    assert got["headere"] == {"avdeling": "æøå"} | DIALOG
    answered = await published("svar", id=got["id"], type=f"{TYPE}.svar", files=[str(one) for one in files])
    await published("ack", id=got["id"])
    answer = await sender.next()
    said = answer.metadata
    assert (str(said.melding_id), said.svar_pa_melding) == (answered["id"], sent.melding_id)
    assert (said.klient_korrelasjon_id, said.har_payload) == ("sak 1/æ", bool(files))
    if files:
        assert await opened(answer) == measured(*files)
    await answer.ack()
    await settled(post, answer)
    await post.until(Status.KVITTERT, got["id"])


async def read_by_java(
    klient: Klient, sent: SendtMelding, files: list[Path], *, svar_pa: str | None = None, ack: bool = True
) -> dict[str, Any]:
    """What the published client says of what Python sent; it reads the files in both of its ways."""
    [got] = await klient.next()
    assert (got["id"], got["svarPa"]) == (str(sent.melding_id), svar_pa)
    assert (got["korrelasjon"], got["harPayload"], got["resendt"]) == ("sak 1/æ", bool(files), False)
    if files:
        assert await klient("stream", id=got["id"]) == measured(*files)
        assert await klient("file", id=got["id"], to=str(files[0].with_name("container.zip"))) == measured(*files)
    if ack:
        await klient("ack", id=got["id"])
    return got


# --- The example -----------------------------------------------------------------------------------------------------


async def test_the_example_runs_as_the_readme_says(post: Post, tmp_path: Path) -> None:
    file = some(tmp_path, "brev på bokmål.pdf", 1000)
    system = tmp_path / "system.json"
    system.write_text(json.dumps({"addresses": post.system.addresses}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), str(system), str(post.system.files / "seed.json"), str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    assert "received brev på bokmål.pdf, 1000 bytes\n" in printed
    assert "answered: no.ks.fiks.eksempel.v1.mottatt\n" in printed


# --- Connections -----------------------------------------------------------------------------------------------------


async def test_when_the_gateways_are_killed_it_comes_back_with_a_new_token(
    sender: Python, receiver: Python, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both, while messages are in hand, ten minutes after it logged in by its clock: that token is used no more."""
    sent = [(await sender.send(receiver.konto)).melding_id for _ in range(4)]
    first, second, third, _ = got = [await receiver.next() for _ in sent]
    assert [one.metadata.melding_id for one in got] == sent
    logged_in_by = receiver.tokens[-1]
    later = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + 600)
    monkeypatch.setattr("fiks_io.maskinporten.time", later)
    await first.ack()
    await settled(post, first)
    receiver.handled.add(second.metadata.melding_id)

    await post.end(*GATEWAYS)

    with pytest.raises(Lost):
        await third.ack()
    again = [await receiver.next() for _ in sent[2:]]
    assert [(one.metadata.melding_id, one.metadata.resendt) for one in again] == [(one, True) for one in sent[2:]]
    assert receiver.tokens[-1] != logged_in_by
    for one in again:
        await one.ack()
        await settled(post, one)
    await settled(post, second)
    after = await sender.send(receiver.konto)
    last = await receiver.next()
    assert (last.metadata.melding_id, last.metadata.resendt) == (after.melding_id, False)
    await last.ack()
    await settled(post, last)
