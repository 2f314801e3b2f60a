"""One whole local system for the published clients of this folder."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.local_system import System, local_system


@pytest_asyncio.fixture(scope="package")
async def system() -> AsyncIterator[System]:
    async with local_system() as system:
        yield system
