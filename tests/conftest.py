"""Servers and databases for all tests: one Kafka and one PostgreSQL a run, one database a test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from infra.keks import InTheClear, Keks
from tests.support.stack import OwnKafka, OwnPostgres, own_database, temporary_folder

# A test never judges by a clock, nor does what makes its data.
settings.register_profile("fiks", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fiks")


class BySystem(LoadFileScheduling):
    """A file is run by one process, and so is a folder whose files share a system (tests/contract/dokumentlager)."""

    def _split_scope(self, nodeid: str) -> str:
        return "/".join(super()._split_scope(nodeid).split("/")[:3])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> BySystem:
    return BySystem(config, log)


@pytest.fixture(scope="session", autouse=True)
def keks() -> Iterator[None]:
    """One file of key-encryption keys for all tests: they share a Kafka, and so the data keys that lie there."""
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        file = folder / "keks.json"
        asyncio.run(Keks(file, InTheClear()).begin())
        patch.setenv("FIKS_KEK_FILE", str(file))
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka() -> AsyncIterator[str]:
    """Bootstrap servers of a Kafka that all tests share: name topics and groups so that they are your own."""
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        yield server.bootstrap
        await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[str]:
    """DSN of a superuser on a PostgreSQL that all tests share. Its password is in a passfile that the DSN names."""
    with temporary_folder() as folder:
        server = OwnPostgres(folder)
        await server.start()
        yield server.dsn
        await server.stop()


@pytest_asyncio.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """DSN of an empty database of the test's own."""
    async with own_database(postgres) as dsn:
        yield dsn
