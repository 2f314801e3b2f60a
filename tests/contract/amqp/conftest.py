"""One RabbitMQ, and one server of ours on a log and a database, for the tests of this folder."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.amqp import Amqp
from tests.support.amqp_sides import Side, our_side, rabbitmq_side


@pytest_asyncio.fixture(scope="package")
async def rabbitmq() -> AsyncIterator[Side]:
    async with rabbitmq_side() as side:
        yield side


@pytest_asyncio.fixture(scope="package")
async def system(kafka: str, postgres: str) -> AsyncIterator[tuple[Side, Amqp]]:
    """Our server as a side, and all that stands around it."""
    async with our_side(kafka, postgres) as made:
        yield made
