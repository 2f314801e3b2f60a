"""One system with Dokumentlager for the tests of this folder: a document, upload or account each is its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.context import SCANNER
from infra.virus import Clamd
from tests.support.clamd import stand_in
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


@pytest_asyncio.fixture
async def scanned(lager: Lager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lager]:
    """The same, while its gateway has a virus scanner."""
    async with stand_in(tmp_path) as (address, _):
        scanner = Clamd(address)
        monkeypatch.setattr(type(lager.app[SCANNER]), "scanning", lambda _self: scanner.scanning())
        yield lager
