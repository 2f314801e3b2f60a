"""One gateway for the tests of this folder."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.gateway import Caller, lasting_tokens, running_gateway
from tests.support.stack import OwnKafka, temporary_folder


@pytest_asyncio.fixture(scope="package")
async def caller() -> AsyncIterator[Caller]:
    """A client of a gateway with a Kafka of its own and no PostgreSQL: receiving must not need it."""
    with temporary_folder() as folder, lasting_tokens():
        server = OwnKafka(folder)
        await server.start()
        async with running_gateway(server.bootstrap, folder / "state") as caller:
            yield caller
        await server.stop()
