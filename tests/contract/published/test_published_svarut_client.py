"""The published SvarUt client, unchanged, against the whole local system: what a vendor's code sees.

One JVM for the module; each test sends forsendelser of its own.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from confluent_kafka import Consumer

from infra.database import pool_of
from infra.ends import Ends
from infra.keys import Table
from infra.kms import keks
from infra.settings import Settings
from schemas.codec import decode
from schemas.personal import Place
from schemas.svarut import ForsendelseMottatt
from schemas.topics import NOKKEL
from streams.domain.svarut import key_id_of
from streams.log import Log
from streams.sealing import opened_at
from tests.support.local_system import System
from tests.support.pdfs import pdf
from tests.support.published_client import SVARUT, Client, Failed

pytestmark = [
    pytest.mark.skipif(
        not (SVARUT.jar and SVARUT.jar.exists()), reason=f"the published client is not here: no {SVARUT.jar}"
    ),
]

FILNAVN = "Søknad om løyve – ærlig talt.pdf"
PERSON = {"navn": "Kåre Ødegård", "digitalId": "15819000066"}


@pytest_asyncio.fixture(scope="module")
async def jvm(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with Client.started(SVARUT, tmp_path_factory.mktemp("java") / "client.log") as client:
        yield client


@pytest_asyncio.fixture
async def client(jvm: Client, system: System) -> Client:
    """The client, calling as Testvik kommune."""
    await jvm.call_as(system, system.testvik)
    return jvm


def letter(folder: Path, content: bytes, mottaker: dict[str, str] = PERSON, **more: Any) -> dict[str, Any]:
    """What to ask of the client to send ``content`` as a PDF with a Norwegian name."""
    file = folder / f"{uuid4().hex}.pdf"
    file.write_bytes(content)
    dokument = {"filnavn": FILNAVN, "mimeType": "application/pdf", "file": str(file)}
    return {"tittel": "Vedtak om løyve, åpent", "mottaker": mottaker, "dokumenter": [dokument]} | more


async def statuses_until(client: Client, konto: str, id_: str, last: str) -> list[str]:
    """The statuses that the client sees from now until ``last``, each once."""
    seen: list[str] = []
    while last not in seen:
        status = (await client.call("status", kontoId=konto, id=id_))["status"]
        if status not in seen[-1:]:
            seen.append(status)
        await asyncio.sleep(0.05)
    return seen


async def events_of(client: Client, id_: str) -> list[str]:
    return [one["hendelse"] for one in await client.call("hendelser", id=id_)]


async def test_a_letter_to_a_person_is_notified_in_altinn(client: Client, system: System, tmp_path: Path) -> None:
    konto = system.testvik["kontoId"]
    id_ = await client.call("send", kontoId=konto, **letter(tmp_path, pdf(pages=7)))
    assert UUID(id_).version == 4
    seen = await statuses_until(client, konto, id_, "VARSLET")
    assert seen == [status for status in ("MOTTATT", "AKSEPTERT", "VARSLET") if status in seen]
    assert await events_of(client, id_) == [
        "Forsendelsen er mottatt",
        "Forsendelsen er akseptert",
        "Forsendelsen er sendt til Altinn, og mottaker er varslet",
    ]


async def test_a_letter_to_an_organisation_waits_for_its_system(client: Client, system: System, tmp_path: Path) -> None:
    konto = system.testvik["kontoId"]
    mottaker = {"navn": "Prøvdal kommune", "digitalId": system.provdal["orgnr"]}
    id_ = await client.call("send", kontoId=konto, **letter(tmp_path, pdf(pages=2), mottaker))
    seen = await statuses_until(client, konto, id_, "KLAR_FOR_MOTTAK")
    assert seen == [status for status in ("MOTTATT", "AKSEPTERT", "KLAR_FOR_MOTTAK") if status in seen]
    assert (await events_of(client, id_))[-1] == "Forsendelsen er klar for mottak i mottakers system"


async def test_documents_arrive_whole_and_under_their_own_names(client: Client, system: System, tmp_path: Path) -> None:
    """Names that differ in æ, ø and å alone, and attachments that are not printed, each matched with its content."""
    named = {
        FILNAVN: ("application/pdf", pdf(pages=40), False),
        "vedlegg å.txt": ("text/plain", "Blåbærsyltetøy\n".encode(), True),
        "vedlegg æ.txt": ("text/plain", b"\x00\xff" * 70_000, True),
        "vedlegg + (100 %) & 'mer'.bin": ("application/octet-stream", b"--boundary\r\n", True),
    }
    dokumenter = []
    for number, (filnavn, (mime_type, content, excluded)) in enumerate(named.items()):
        file = tmp_path / str(number)
        file.write_bytes(content)
        about = {"filnavn": filnavn, "mimeType": mime_type, "skalEkskluderesFraUtskrift": excluded}
        dokumenter.append(about | {"file": str(file)})
    konto = system.testvik["kontoId"]
    id_ = await client.call("send", kontoId=konto, tittel="Fire filer", mottaker=PERSON, dokumenter=dokumenter)
    event = await opened(system, await asyncio.to_thread(_read_event, system.addresses["kafka"], id_))
    assert [
        (one.mime_type, one.storrelse, one.sha256, one.skal_ekskluderes_fra_utskrift) for one in event.dokumenter
    ] == [
        (mime_type, len(content), hashlib.sha256(content).hexdigest(), excluded)
        for mime_type, content, excluded in named.values()
    ]


async def opened(system: System, event: ForsendelseMottatt) -> ForsendelseMottatt:
    """The event with its personal texts in the clear, by the keys of the system."""
    settings = Settings(state=system.files, kafka=system.addresses["kafka"])
    log = Log(settings.kafka, keks(settings))
    await log.start()
    pool = await pool_of(system.addresses["postgres"], 1)
    log.keys.table = Table(pool, Ends(settings.kafka, NOKKEL))
    [said] = await opened_at(log.keys, [(event, Place("ForsendelseMottatt", key_id_of(event.forsendelse_id)))])
    await pool.close()
    await log.stop()
    return cast(ForsendelseMottatt, said)


def _read_event(bootstrap: str, id_: str) -> ForsendelseMottatt:
    """The event of a forsendelse, from the log."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe(["fiks.svarut"])
    while True:
        message = consumer.poll(30)
        assert message is not None
        if message.key() == id_.encode():
            break
    consumer.close()
    event: ForsendelseMottatt = decode(message.value())
    return event


async def test_a_forsendelse_is_found_by_the_senders_own_reference(
    client: Client, system: System, tmp_path: Path
) -> None:
    konto, referanse = system.testvik["kontoId"], f"sak æ/1 {uuid4().hex}"
    sent = [
        await client.call("send", kontoId=konto, **letter(tmp_path, pdf(pages=1), eksternReferanse=referanse))
        for _ in range(2)
    ]
    assert await client.call("eksternRef", kontoId=konto, eksternRef=referanse) == sent
    assert await client.call("eksternRef", kontoId=konto, eksternRef="finnes ikke") == []


async def test_read_elsewhere_is_read(client: Client, system: System, tmp_path: Path) -> None:
    konto = system.testvik["kontoId"]
    id_ = await client.call("send", kontoId=konto, **letter(tmp_path, pdf(pages=1)))
    await statuses_until(client, konto, id_, "VARSLET")
    tidspunkt = "2026-01-02T03:04:05.123456789+01:00"
    await client.call("lest", id=id_, fnr=PERSON["digitalId"], tidspunkt=tidspunkt, eksterntSystemnavn="Min side")
    assert await statuses_until(client, konto, id_, "LEST") in (["VARSLET", "LEST"], ["LEST"])
    assert (await events_of(client, id_))[-1] == "Forsendelsen er lest"


async def test_many_sends_in_parallel_are_as_many_letters(client: Client, system: System, tmp_path: Path) -> None:
    konto, referanse = system.testvik["kontoId"], f"mange {uuid4().hex}"
    asked = letter(tmp_path, pdf(pages=3), eksternReferanse=referanse)
    ids = await client.call("sendMany", kontoId=konto, count=40, **asked)
    assert len(set(ids)) == 40
    assert set(await client.call("eksternRef", kontoId=konto, eksternRef=referanse)) == set(ids)
    statuses: dict[str, str] = {}
    while set(statuses.values()) != {"VARSLET"}:
        statuses = await client.call("statuser", kontoId=konto, ids=[*ids, str(uuid4())])
        assert statuses.keys() == set(ids)
        await asyncio.sleep(0.05)


async def test_a_refused_letter_tells_why_and_is_avvist(client: Client, system: System, tmp_path: Path) -> None:
    konto, referanse = system.testvik["kontoId"], f"avvist {uuid4().hex}"
    asked = letter(tmp_path, pdf(pages=2, password="hemmelig"), eksternReferanse=referanse)
    with pytest.raises(Failed) as refused:
        await client.call("send", kontoId=konto, **asked)
    assert (refused.value.type, str(refused.value)) == (
        "SvarUtKlientException",
        "Status 400: Feil under lesing av dokument: PDF-en er passordbeskyttet (dokument 1)",
    )
    (id_,) = await client.call("eksternRef", kontoId=konto, eksternRef=referanse)
    assert (await statuses_until(client, konto, id_, "AVVIST"))[-1] == "AVVIST"


async def test_the_fragments_at_which_senders_give_up_are_there(client: Client, system: System, tmp_path: Path) -> None:
    for asked, fragment in (
        (letter(tmp_path, b""), "Kan ikke lagre tomt dokument"),
        (letter(tmp_path, b"not a PDF"), "Feil under lesing av dokument"),
        (letter(tmp_path, pdf(pages=1), PERSON | {"digitalId": "15819000067"}), "Ugyldig innhold"),
    ):
        with pytest.raises(Failed) as refused:
            await client.call("send", kontoId=system.testvik["kontoId"], **asked)
        assert str(refused.value).startswith(f"Status 400: {fragment}")


async def test_a_wrong_password_is_not_authenticated(client: Client, system: System, tmp_path: Path) -> None:
    await client.call_as(system, system.testvik, integrasjonPassord="feil")
    await assert_not_authenticated(client, system, tmp_path)


async def test_a_client_that_got_no_token_is_not_authenticated(client: Client, system: System, tmp_path: Path) -> None:
    """The client then sends its request without any of the three headers, and must be able to read our answer."""
    await client.call_as(system, system.testvik, clientId=f"test-{system.provdal['orgnr']}")
    await assert_not_authenticated(client, system, tmp_path)


async def assert_not_authenticated(client: Client, system: System, tmp_path: Path) -> None:
    konto = system.testvik["kontoId"]
    for what, asked in (("send", letter(tmp_path, pdf(pages=1))), ("status", {"id": str(uuid4())})):
        with pytest.raises(Failed) as refused:
            await client.call(what, kontoId=konto, **asked)
        assert str(refused.value).startswith("Status 401: ")
        assert refused.value.status == 401


async def test_without_the_privilege_nothing_is_allowed(client: Client, system: System, tmp_path: Path) -> None:
    konto = system.testvik["kontoId"]
    id_ = await client.call("send", kontoId=konto, **letter(tmp_path, pdf(pages=1)))
    await client.call_as(system, system.provdal)
    for what, asked in (("send", letter(tmp_path, pdf(pages=1))), ("status", {"id": id_})):
        with pytest.raises(Failed) as refused:
            await client.call(what, kontoId=konto, **asked)
        assert str(refused.value).startswith("Status 403: ")
    with pytest.raises(Failed, match="Status 404: "):
        await client.call("hendelser", id=id_)
