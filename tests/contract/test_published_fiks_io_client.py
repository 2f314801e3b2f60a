"""The published client of Fiks IO for Java, unchanged, against the whole local system: what a vendor's code sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from infra.local.requirements import Missing
from tests.support.fiks_io_java import TYPE, Java, Klient, Konto, Post, fiks_io_post
from tests.support.published_client import FIKS_IO


@pytest_asyncio.fixture(scope="module")
async def post() -> AsyncIterator[Post]:
    async with fiks_io_post() as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def testvik(post: Post) -> Konto:
    return await post.konto(post.system.testvik)


@pytest_asyncio.fixture(scope="module")
async def provdal(post: Post) -> Konto:
    return await post.konto(post.system.provdal)


@pytest_asyncio.fixture(scope="module")
async def java(post: Post) -> AsyncIterator[Java]:
    try:
        async with post.java(FIKS_IO) as made:
            yield made
    except Missing as fault:
        pytest.skip(str(fault))


@pytest_asyncio.fixture(scope="module")
async def sender(java: Java, testvik: Konto) -> Klient:
    """The client of Testvik, which listens."""
    klient = await java.open(testvik)
    await klient("listen")
    return klient


@pytest_asyncio.fixture(scope="module")
async def receiver(java: Java, provdal: Konto) -> Klient:
    """The client of Prøvdal, which listens."""
    klient = await java.open(provdal)
    await klient("listen")
    return klient


async def test_send(sender: Klient, receiver: Klient, provdal: Konto, tmp_path: Path) -> None:
    file = tmp_path / "brev.txt"
    file.write_bytes(b"hei")
    print(await sender("konto", kontoId=provdal.kontoId))
    print(await sender.send(provdal, file, korrelasjon="k1", headere={"a": "b"}))
    [one] = await receiver.next()
    print(one)
    print(await receiver("stream", id=one["id"]))
    print(await receiver("file", id=one["id"], to=str(tmp_path/"x.zip")))
    print(await receiver("svar", id=one["id"], type=TYPE + ".svar"))
    await receiver("ack", id=one["id"])
    print(await sender.next())
