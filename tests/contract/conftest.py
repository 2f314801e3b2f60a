"""One gateway for the contract tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.dokumentlager import Lager, running_lager
from tests.support.fiks_io_konto import Io, running_io
from tests.support.gateway import Caller, running_gateway
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
