"""Unfinished uploads in a folder and in S3: found by another process, whatever broke off and whoever was first."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.opplasting import PIECE, Ferdig, Opplasting, Said
from gateway.opplastinger import GIVEN_UP, Opplastinger
from gateway.tus import Checksum, Refused
from infra.blobs import Blobs
from infra.keks import InTheClear, Keks
from schemas.errors import Unreadable
from streams.domain.errors import Gone, NotFound

KONTO = UUID(int=7)
SAID = Said(PIECE + 10, False, "metadata e30=")


@pytest.fixture(params=["folder", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "folder":
        yield (tmp_path / "blobs").as_uri()
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    secrets = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-north-1"}
    for name, value in (secrets | {"AWS_ENDPOINT": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    bucket = f"b{uuid4()}"
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    server.stop()


@pytest.fixture
def keks(tmp_path: Path) -> Keks:
    return Keks(tmp_path / "keks", InTheClear())


@pytest.fixture
def stores(url: str, keks: Keks) -> tuple[Opplastinger, Opplastinger]:
    """Those of two processes."""
    return Opplastinger(Blobs(url), keks), Opplastinger(Blobs(url), keks)


async def chunks(content: bytes, fault: Exception | None = None) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(content), 70_000):
        yield content[at : at + 70_000]
    if fault:
        raise fault


async def found(store: Opplastinger, upload: Opplasting) -> Opplasting:
    again = await store.find(KONTO, upload.id)
    assert isinstance(again, Opplasting)
    return again


async def read(store: Opplastinger, upload: Opplasting) -> bytes:
    return b"".join([chunk async for chunk in store.content(await found(store, upload))])


async def test_what_came_by_one_is_there_for_the_other(stores: tuple[Opplastinger, Opplastinger]) -> None:
    one, other = stores
    content = os.urandom(PIECE + 10)
    upload = await one.begin(KONTO, SAID)
    assert await found(other, upload) == upload

    with pytest.raises(Unreadable):
        await other.append(upload, chunks(content[: PIECE + 3], Unreadable("brutt")), None)

    upload = await found(one, upload)
    assert (upload.offset, upload.is_whole) == (PIECE + 3, False)
    assert await one.append(upload, chunks(content[PIECE + 3 :]), None) == len(content)
    assert await read(other, upload) == content
    assert (await found(other, upload)).is_whole


async def test_of_two_at_the_same_place_one_is_heard(stores: tuple[Opplastinger, Opplastinger]) -> None:
    upload = await stores[0].begin(KONTO, SAID)
    outcomes = await asyncio.gather(
        *(store.append(upload, chunks(name * 100), None) for store, name in zip(stores, (b"a", b"b"), strict=True)),
        return_exceptions=True,
    )
    assert [getattr(one, "status", one) for one in outcomes] in ([100, 409], [409, 100])
    assert await read(stores[0], upload) == (b"a" if outcomes[0] == 100 else b"b") * 100


async def test_nothing_is_kept_that_does_not_add_up(stores: tuple[Opplastinger, Opplastinger], url: str) -> None:
    store, content = stores[0], os.urandom(PIECE + 10)
    upload = await store.begin(KONTO, SAID)
    right, wrong = (Checksum("sha256", hashlib.sha256(one).digest()) for one in (content, b""))

    with pytest.raises(Refused, match="Sjekksummen"):
        await store.append(upload, chunks(content), wrong)
    with pytest.raises(Unreadable):
        await store.append(upload, chunks(content[:-1], Unreadable("brutt")), right)
    assert await Blobs(url).sizes(upload.folder) == {"opprettet": (await Blobs(url).sizes(upload.folder))["opprettet"]}
    assert await store.append(upload, chunks(content), right) == len(content)
    assert await read(store, upload) == content


async def test_a_length_is_told_once(stores: tuple[Opplastinger, Opplastinger]) -> None:
    one, other = stores
    upload = await one.begin(KONTO, Said(None, True, ""))
    await one.measure(upload, 3)
    await other.measure(upload, 3)
    with pytest.raises(Refused):
        await other.measure(upload, 4)
    assert (await found(other, upload)).length == 3


async def test_it_is_decided_once_and_then_cleared(stores: tuple[Opplastinger, Opplastinger], url: str) -> None:
    one, other = stores
    upload = await one.begin(KONTO, SAID)
    await one.append(upload, chunks(bytes(PIECE + 10)), None)

    assert sorted(await asyncio.gather(one.decide(upload, b"ett"), other.decide(upload, b"annet"))) == [False, True]
    assert not await one.decide(upload, GIVEN_UP)
    assert await one.outcome(upload) == await other.outcome(upload) in {b"ett", b"annet"}
    assert (await found(other, upload)).is_decided
    await other.finish(upload, ferdig := Ferdig(uuid4(), PIECE + 10))

    assert await one.find(KONTO, upload.id) == ferdig
    assert set(await Blobs(url).sizes(upload.folder)) == {"utfall", "ferdig"}
    assert not await one.decide(upload, b"enda et")


async def test_one_that_is_given_up(stores: tuple[Opplastinger, Opplastinger], url: str) -> None:
    one, other = stores
    upload = await one.begin(KONTO, SAID)
    assert await one.decide(upload, GIVEN_UP)
    await one.clear(upload)
    for call in (other.find(KONTO, upload.id), other.outcome(upload)):
        with pytest.raises(Gone):
            await call
    assert await Blobs(url).sizes(upload.folder) == {"utfall": 0}
    with pytest.raises(NotFound):
        await one.find(UUID(int=8), upload.id)


async def test_one_whose_key_was_retired(stores: tuple[Opplastinger, Opplastinger], keks: Keks) -> None:
    upload = await stores[0].begin(KONTO, SAID)
    await keks.add()
    assert await found(stores[1], upload) == upload
    await keks.forget({1})
    with pytest.raises(Gone, match="Begynn på en ny"):
        await stores[1].find(KONTO, upload.id)
