"""One system with two gateways for the tests of this folder: what one takes away for good is its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.dokumentlager import Lager, running_lager
from tests.support.gateway import lasting_tokens
from tests.support.stack import temporary_folder


@pytest_asyncio.fixture(scope="package")
async def lagre() -> AsyncIterator[tuple[Lager, Lager]]:
    """A caller of two gateways of a whole system, which tell every refusal one by one, and read what the log has before
    they answer a manager, however busy the machine.
    """
    with temporary_folder() as folder, lasting_tokens(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.refusals.DENIED_OF_A_KIND", 1_000_000)
        patch.setattr("gateway.auth.memory.PATIENCE", 60.0)
        async with running_lager(folder) as callers:
            yield callers
