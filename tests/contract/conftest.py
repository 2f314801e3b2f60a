"""One gateway, or one whole system, for the contract tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.dokumentlager import Lager, running_lager
from tests.support.fiks_io_java import Java, Konto, Post, fiks_io_post
from tests.support.fiks_io_konto import Io, running_io
from tests.support.gateway import Caller, running_gateway
from tests.support.published_client import FIKS_IO
from tests.support.stack import OwnKafka, temporary_folder


@pytest_asyncio.fixture(scope="module")
async def caller() -> AsyncIterator[Caller]:
    """A client of a gateway with a Kafka of its own and no PostgreSQL: receiving must not need it."""
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        async with running_gateway(server.bootstrap, folder / "state") as caller:
            yield caller
        await server.stop()


@pytest_asyncio.fixture(scope="module")
async def lagre() -> AsyncIterator[tuple[Lager, Lager]]:
    """A caller of two gateways of a whole system with Dokumentlager."""
    with temporary_folder() as folder:
        async with running_lager(folder) as callers:
            yield callers


@pytest.fixture
def lager(lagre: tuple[Lager, Lager]) -> Lager:
    """The caller of one of them."""
    return lagre[0]


@pytest_asyncio.fixture(scope="module")
async def io() -> AsyncIterator[Io]:
    """Two organisations with an account of Fiks IO each, in a whole system."""
    with temporary_folder() as folder:
        async with running_io(folder) as made:
            yield made


@pytest_asyncio.fixture(scope="module")
async def post() -> AsyncIterator[Post]:
    """The whole local system, with messages."""
    async with fiks_io_post() as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def testvik(post: Post) -> Konto:
    """An account of Testvik."""
    return await post.konto(post.system.testvik, "Fagsystem")


@pytest_asyncio.fixture(scope="module")
async def provdal(post: Post) -> Konto:
    """An account of Prøvdal."""
    return await post.konto(post.system.provdal, "Arkiv")


@pytest_asyncio.fixture
async def postkasse(post: Post) -> Konto:
    """An account of Prøvdal that nobody listens to."""
    return await post.konto(post.system.provdal, "Postkasse")


@pytest_asyncio.fixture(scope="module")
async def java(post: Post) -> AsyncIterator[Java]:
    """A JVM with the published client 3.5.0."""
    async with post.java(FIKS_IO) as made:
        yield made
