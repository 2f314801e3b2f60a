"""One system with Dokumentlager for the tests of this folder: a document, upload or account each is its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.dokumentlager import Lager, running_lager
from tests.support.gateway import lasting_tokens
from tests.support.stack import temporary_folder


@pytest_asyncio.fixture(scope="package")
async def lagre() -> AsyncIterator[tuple[Lager, Lager]]:
    """A caller of two gateways of a whole system with Dokumentlager."""
    with temporary_folder() as folder, lasting_tokens():
        async with running_lager(folder) as callers:
            yield callers


@pytest.fixture
def lager(lagre: tuple[Lager, Lager]) -> Lager:
    """The caller of one of them."""
    return lagre[0]
