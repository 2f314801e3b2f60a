"""The published Dokumentlager client, unchanged, against the whole local system: what a vendor's code sees.

One JVM for the module; each test has documents of its own. TEST_LARGE=1 adds what takes gigabytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from cryptography.x509 import load_pem_x509_certificate

from fiks_cms.envelope import Encryptor
from infra.local.requirements import Missing
from tests.support.cms import encrypt, key_pair
from tests.support.local_system import System
from tests.support.published_client import DOKUMENTLAGER, Client, Failed

NAVN = "Vedtak om løyve – ærlig talt (å).pdf"
SEGMENT = 256 * 1024
UP_TO_100_MB = [100_000_000, *(number * 500_000 for number in range(1, 20))]
ENOUGH_TO_WAIT = 16 << 20
"""Bytes that no buffer between the gateway and a reader holds."""
large = pytest.mark.skipif("TEST_LARGE" not in os.environ, reason="TEST_LARGE is not set")


@pytest_asyncio.fixture(scope="module")
async def jvm(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    try:
        async with Client.started(DOKUMENTLAGER, tmp_path_factory.mktemp("java") / "client.log") as client:
            yield client
    except Missing as fault:
        pytest.skip(str(fault))


@pytest_asyncio.fixture
async def client(jvm: Client, system: System) -> Client:
    """The client, calling as Testvik kommune."""
    await jvm.call_as(system, system.testvik)
    return jvm


class Konto:
    """What a caller of Testvik names in each call, and documents for it."""

    def __init__(self, system: System, folder: Path) -> None:
        self.at = {"fiksOrgId": system.testvik["fiksOrgId"], "kontoId": system.testvik["dokumentkontoId"]}
        self._itself = {"type": "INTEGRASJON", "id": system.testvik["integrasjonId"]}
        self._folder = folder

    def document(self, content: bytes, **more: Any) -> dict[str, Any]:
        """What to ask of the client to upload ``content``, exposed to the caller."""
        file = self._folder / uuid4().hex
        file.write_bytes(content)
        about = {"file": str(file), "dokumentnavn": NAVN, "mimetype": "application/pdf", "ttl": -1}
        return self.at | about | {"eksponertFor": [self._itself]} | more


@pytest.fixture
def konto(system: System, tmp_path: Path) -> Konto:
    return Konto(system, tmp_path)


def some(size: int) -> bytes:
    """Content that repeats nowhere."""
    return random.Random(size).randbytes(size)


async def downloaded(client: Client, id_: str) -> tuple[int, str]:
    """Size and SHA-256 of what comes back."""
    found = await client.call("download", id=id_)
    return found["size"], found["sha256"]


def measured(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("how", ["plain", "encrypted"])
@pytest.mark.parametrize("size", [1, SEGMENT, 3 * SEGMENT + 1, 5_000_000])
async def test_what_was_uploaded_comes_back(client: Client, konto: Konto, how: str, size: int) -> None:
    content = some(size)
    answer = await client.call("upload", how=how, **konto.document(content))
    id_ = answer["id"]
    assert UUID(id_).version == 4
    assert answer["kryptertStorrelse"] > size
    assert answer == {
        "status": 201,
        "id": id_,
        "dokumentnavn": NAVN,
        "mimeType": "application/pdf",
        "ukryptertStorrelse": size,
        "kryptertStorrelse": answer["kryptertStorrelse"],
        "headers": answer["headers"],
    }
    assert answer["headers"]["Location"] == f"https://minside.kommune.no/dokumentlager/nedlasting/{id_}"
    found = await client.call("download", id=id_)
    assert (found["size"], found["sha256"]) == measured(content)
    assert found["headers"]["Content-Type"] == "application/pdf"
    assert "filename*=UTF-8''Vedtak%20om%20l%C3%B8yve" in found["headers"]["Content-Disposition"]


async def test_encrypted_for_it_beforehand(client: Client, konto: Konto, system: System) -> None:
    """A file that lay encrypted already; and one for somebody else, which is refused without a word of what failed."""
    content = some(700_001)
    address = f"{system.addresses['gateway']}/dokumentlager/api/v1/public-key"
    async with ClientSession() as session, session.get(address) as answered:
        certificate = load_pem_x509_certificate(await answered.read())
    envelope = Encryptor([certificate])
    message = envelope.update(content) + envelope.finish()
    answer = await client.call("upload", how="alreadyEncrypted", **konto.document(message))
    assert answer["ukryptertStorrelse"] == len(content)
    assert await downloaded(client, answer["id"]) == measured(content)
    for wrong in (encrypt(content, key_pair()), content, message[:-1], b""):
        with pytest.raises(Failed) as refused:
            await client.call("upload", how="alreadyEncrypted", **konto.document(wrong))
        assert refused.value.status == 400, str(refused.value)


async def test_the_highest_level_is_encrypted_by_the_client(client: Client, konto: Konto) -> None:
    """The client then encrypts by itself. It has level 4, which no integration proves, so it is only stored."""
    content = some(100_000)
    answer = await client.call("upload", **konto.document(content, sikkerhetsniva=4))
    assert answer["ukryptertStorrelse"] == len(content)


async def test_what_the_client_itself_refuses_leaves_nothing(client: Client, konto: Konto) -> None:
    korrelasjonsid = str(uuid4())
    with pytest.raises(Failed) as empty:
        await client.call("upload", **konto.document(b"", korrelasjonsid=korrelasjonsid))
    assert empty.value.type == "EmptyDokumentException"
    asked = konto.document(some(2_000_000), korrelasjonsid=korrelasjonsid)
    with pytest.raises(Failed) as large:
        await client.call("upload", how="limited", maksStorrelse=1_000_000, **asked)
    assert large.value.type == "DokumentTooLargeException"
    assert await client.call("search", korrelasjonsid=korrelasjonsid, **konto.at) == {
        "totaltAntallTreff": 0,
        "dokumenter": [],
    }


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sizes", [UP_TO_100_MB, pytest.param([100_000_000] * 20, marks=large)], ids=["some", "all"])
async def test_twenty_at_once_of_100_mb(client: Client, konto: Konto, sizes: list[int]) -> None:
    contents = {size: some(size) for size in sizes}
    documents, korrelasjonsid = {size: konto.document(of) for size, of in contents.items()}, str(uuid4())
    files = [documents[size]["file"] for size in sizes]
    for how in ("plain", "encrypted"):
        asked = konto.document(b"", korrelasjonsid=korrelasjonsid, files=files)
        answers = await client.call("uploadMany", how=how, **asked)
        assert len({answer["id"] for answer in answers}) == 20
        for answer, size in zip(answers, sizes, strict=True):
            assert await downloaded(client, answer["id"]) == measured(contents[size])
    assert (await client.call("search", korrelasjonsid=korrelasjonsid, **konto.at))["totaltAntallTreff"] == 40


@large
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ["plain", "encrypted"])
async def test_five_gigabytes(client: Client, konto: Konto, tmp_path: Path, how: str) -> None:
    """In a file that takes no room on the sender's disk."""
    file = tmp_path / "large"
    with file.open("wb") as made:
        made.truncate(5_000_000_000)
    answer = await client.call("upload", how=how, **konto.document(b"") | {"file": str(file)})
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    assert await downloaded(client, answer["id"]) == (5_000_000_000, sha256)
    await client.call("delete", id=answer["id"], **konto.at)


async def test_lazily_it_is_asked_for_when_it_is_read(client: Client, konto: Konto) -> None:
    content = some(1_000_000)
    kept, deleted = [(await client.call("upload", **konto.document(content)))["id"] for _ in range(2)]
    for id_ in (kept, deleted):
        await client.call("prepareLazy", id=id_)
    await client.call("delete", id=deleted, **konto.at)
    found = await client.call("readLazy", id=kept)
    assert (found["size"], found["sha256"]) == measured(content)
    with pytest.raises(Failed, match=r"^HTTP-error during download \(410\): "):
        await client.call("readLazy", id=deleted)


async def test_a_slow_reader_is_waited_for_and_an_idle_one_gives_up(
    client: Client, konto: Konto, system: System
) -> None:
    content = some(ENOUGH_TO_WAIT)
    id_ = (await client.call("upload", **konto.document(content)))["id"]
    found = await client.call("download", id=id_, pauseMillis=2000)
    assert (found["size"], found["sha256"]) == measured(content)
    await client.call_as(system, system.testvik, idleTimeoutMillis=500)
    with pytest.raises(Failed, match=r"Idle timeout expired: \d+/500 ms"):
        await client.call("download", id=id_, pauseMillis=2000)
    await client.call_as(system, system.testvik)  # what follows is patient again
    assert await downloaded(client, id_) == measured(content), "it is served again"
    answer = await client.call("upload", pauseMillis=2000, **konto.document(content))
    assert await downloaded(client, answer["id"]) == measured(content)


async def test_metadata_of_a_download(client: Client, konto: Konto) -> None:
    korrelasjonsid = str(uuid4())
    answer = await client.call("upload", **konto.document(some(1000), korrelasjonsid=korrelasjonsid))
    assert await client.call("metadata", id=answer["id"]) == {
        "id": answer["id"],
        "dokumentnavn": NAVN,
        "mimeType": "application/pdf",
        "ukryptertStorrelse": 1000,
        "kryptertStorrelse": answer["kryptertStorrelse"],
        "korrelasjonsid": korrelasjonsid,
    }


async def test_for_how_long_it_is_available_can_be_changed(client: Client, konto: Konto) -> None:
    asked = konto.document(some(1000)) | {"ttl": 3600}
    id_ = (await client.call("upload", **asked))["id"]
    later = "2099-01-02T03:04:05.123456+01:00"
    answer = await client.call("update", id=id_, tilgjengeligTil=later, **konto.at)
    assert answer["id"] == id_
    assert answer["tilgjengeligTil"] is not None
    assert await client.call("update", id=id_, ttl=-1, **konto.at) == {"id": id_, "tilgjengeligTil": None}
    with pytest.raises(Failed, match=r"\(400\): ") as refused:
        await client.call("update", id=id_, ttl=5, tilgjengeligTil=later, **konto.at)
    assert "enten ttl eller tilgjengeligTil" in str(refused.value)


async def test_deleted_it_is_gone_but_still_found(client: Client, konto: Konto) -> None:
    korrelasjonsid = str(uuid4())
    id_ = (await client.call("upload", **konto.document(some(1000), korrelasjonsid=korrelasjonsid)))["id"]
    assert await client.call("delete", id=id_, **konto.at) == 200
    for what, asked in (("download", {}), ("metadata", {}), ("update", {"ttl": 5} | konto.at), ("delete", konto.at)):
        with pytest.raises(Failed) as gone:
            await client.call(what, id=id_, **asked)
        assert gone.value.status == 410, what
    (found,) = (await client.call("search", korrelasjonsid=korrelasjonsid, **konto.at))["dokumenter"]
    assert (found["id"], found["slettet"], found["ukryptertStorrelse"]) == (id_, True, 1000)


async def test_deleted_by_correlation_id(client: Client, konto: Konto) -> None:
    korrelasjonsid, other = str(uuid4()), str(uuid4())
    ids = [
        (await client.call("upload", **konto.document(some(1000), korrelasjonsid=of)))["id"]
        for of in (korrelasjonsid, korrelasjonsid, other)
    ]
    assert await client.call("deleteByKorrelasjonsid", korrelasjonsid=korrelasjonsid, **konto.at) == 204
    while not all(one["slettet"] for one in await listed(client, konto, korrelasjonsid)):
        await asyncio.sleep(0.05)
    assert {one["id"] for one in await listed(client, konto, korrelasjonsid)} == set(ids[:2])
    assert [one["slettet"] for one in await listed(client, konto, other)] == [False]
    assert await client.call("deleteByKorrelasjonsid", korrelasjonsid=str(uuid4()), **konto.at) == 204


async def listed(client: Client, konto: Konto, korrelasjonsid: str) -> list[dict[str, Any]]:
    found = await client.call("search", korrelasjonsid=korrelasjonsid, **konto.at)
    return list(found["dokumenter"])


async def test_search_in_pages(client: Client, konto: Konto) -> None:
    korrelasjonsid = str(uuid4())
    asked = konto.document(some(10), korrelasjonsid=korrelasjonsid)
    ids = {(await client.call("upload", **asked))["id"] for _ in range(5)}
    seen: list[str] = []
    for fra in (0, 2, 4):
        page = await client.call("search", korrelasjonsid=korrelasjonsid, fra=fra, til=2, **konto.at)
        assert page["totaltAntallTreff"] == 5
        seen += [one["id"] for one in page["dokumenter"]]
    assert len(seen) == 5
    assert set(seen) == ids


async def test_everybody_that_a_document_can_be_exposed_to_is_understood(
    client: Client, konto: Konto, system: System
) -> None:
    everybody = [
        {"type": "PERSON", "fnr": "12858010053"},
        {"type": "ORGANISASJON", "orgnr": system.provdal["orgnr"]},
        {"type": "ORGANISASJON", "orgnr": system.provdal["orgnr"], "ressursType": "BYGGESAKER"},
        {"type": "INTEGRASJON", "id": system.provdal["integrasjonId"]},
        {"type": "AUTORISASJON", "privilegium": "DOKUMENTLAGER.LAST_OPP", "ressurs": konto.at["kontoId"]},
        {"type": "MATRIKKELENHET", "kommunenummer": "9999", "gardsnummer": "1", "bruksnummer": "2"},
    ]
    content = some(1000)
    id_ = (await client.call("upload", **konto.document(content, eksponertFor=everybody)))["id"]
    assert await downloaded(client, id_) == measured(content), "the privilege on the account is the uploader's"
    await client.call_as(system, system.provdal)
    assert await downloaded(client, id_) == measured(content)


async def test_to_others_it_is_not_there(client: Client, konto: Konto, system: System) -> None:
    id_ = (await client.call("upload", **konto.document(some(1000))))["id"]
    await client.call_as(system, system.provdal)
    for what in ("download", "metadata"):
        with pytest.raises(Failed) as refused:
            await client.call(what, id=id_)
        assert refused.value.status == 404
    for what, asked in (("upload", konto.document(some(10))), ("delete", {"id": id_} | konto.at)):
        with pytest.raises(Failed) as refused:
            await client.call(what, **asked)
        assert refused.value.status == 403


async def test_what_is_wrong_with_an_upload_is_said(client: Client, konto: Konto) -> None:
    content = some(2_000_000)
    for wrong, status, text in (
        ({"ttl": 0}, 400, "ikke er passert"),
        ({"mimetype": "pdf"}, 400, "mimetype"),
        ({"sikkerhetsniva": 2}, 400, "sikkerhetsniva"),
        ({"eksponertFor": [{"type": "PERSON", "fnr": "1285801005"}]}, 400, "fnr"),
        ({"kontoId": str(uuid4())}, 403, "Mangler privilegiet"),
        ({"fiksOrgId": str(uuid4())}, 404, "konto"),
    ):
        with pytest.raises(Failed) as refused:
            await client.call("upload", **konto.document(content) | wrong)
        assert refused.value.status == status, str(refused.value)
        assert str(refused.value).startswith(f"HTTP-error during upload ({status}): ")
        assert text in str(refused.value)


@large
async def test_what_is_wrong_with_an_upload_that_takes_long_is_said_too(
    client: Client, konto: Konto, tmp_path: Path
) -> None:
    """The client hears of no answer before it has sent all: here 20 s after it was refused."""
    pipe = tmp_path / "slow"
    os.mkfifo(pipe)

    def slowly() -> None:
        with pipe.open("wb", buffering=0) as content:
            for _ in range(200):
                content.write(bytes(1 << 16))
                time.sleep(0.1)

    sending = asyncio.create_task(asyncio.to_thread(slowly))
    with pytest.raises(Failed) as refused:
        await client.call("upload", **konto.document(b"") | {"file": str(pipe), "ttl": 0})
    assert (refused.value.status, "ikke er passert" in str(refused.value)) == (400, True)
    await sending


async def test_a_wrong_password_is_not_authenticated(client: Client, konto: Konto, system: System) -> None:
    await client.call_as(system, system.testvik, integrasjonPassord="feil")
    for what, asked in (("upload", konto.document(some(2_000_000))), ("download", {"id": str(uuid4())})):
        with pytest.raises(Failed) as refused:
            await client.call(what, **asked)
        assert (refused.value.status, refused.value.type) == (401, "DokumentlagerHttpException")
