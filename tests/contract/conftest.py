"""One whole system with messages for the contract tests of a module."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.fiks_io_java import Java, Konto, Post, fiks_io_post
from tests.support.published_client import FIKS_IO


@pytest_asyncio.fixture(scope="module")
async def post() -> AsyncIterator[Post]:
    """The whole local system, with messages."""
    async with fiks_io_post() as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def testvik(post: Post) -> Konto:
    """An account of Testvik."""
    return await post.konto(post.system.testvik, "Fagsystem")


@pytest_asyncio.fixture(scope="module")
async def provdal(post: Post) -> Konto:
    """An account of Prøvdal."""
    return await post.konto(post.system.provdal, "Arkiv")


@pytest_asyncio.fixture
async def postkasse(post: Post) -> Konto:
    """An account of Prøvdal that nobody listens to."""
    return await post.konto(post.system.provdal, "Postkasse")


@pytest_asyncio.fixture(scope="module")
async def java(post: Post) -> AsyncIterator[Java]:
    """A JVM with the published client 3.5.0."""
    async with post.java(FIKS_IO) as made:
        yield made
