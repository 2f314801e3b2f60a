"""What the tests of the log and its workers share: a Kafka of each module's own, since some put bad records on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest_asyncio

from infra.database import Connection
from streams import topics
from tests.support.backbone import Backbone, backbone
from tests.support.stack import OwnKafka, temporary_folder
from tests.support.workers import install_tables


@pytest_asyncio.fixture(scope="module")
async def own_kafka() -> AsyncIterator[OwnKafka]:
    """A Kafka with the topics of the catalogue, which the module may hurt."""
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        topics.apply(server.bootstrap, 1)
        yield server
        await server.stop()


@pytest_asyncio.fixture
async def system(own_kafka: OwnKafka, database: str, tmp_path: Path) -> AsyncIterator[Backbone]:
    """A log and a new database."""
    async with backbone(own_kafka.bootstrap, database, tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def tables(database: str) -> AsyncIterator[Connection]:
    """A connection to a database that has the tables of this release, and nothing in them."""
    made = await asyncpg.connect(database)
    await install_tables(made)
    yield made
    await made.close()
