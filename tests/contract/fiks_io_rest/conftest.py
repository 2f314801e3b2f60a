"""One system with Fiks IO for the tests of this folder: what one changes for good is an account of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.fiks_io_konto import Io, running_io
from tests.support.gateway import lasting_tokens
from tests.support.stack import temporary_folder


@pytest_asyncio.fixture(scope="package")
async def io() -> AsyncIterator[Io]:
    """Two organisations with an account of Fiks IO each, in a whole system."""
    with temporary_folder() as folder, lasting_tokens():
        async with running_io(folder) as made:
            yield made
