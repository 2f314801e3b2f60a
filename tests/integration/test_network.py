"""The piece of network that chaos cuts does what it says; otherwise chaos would prove nothing by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.support.network import Link
from tests.support.ports import free_port

A_MOMENT = 0.2


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Link, list[bytes]]]:
    """A server behind a link that answers each line with itself, and the lines that it saw."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                seen.append(line)
                writer.write(line)
        writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    link = Link(port)
    await link.open()
    try:
        yield link, seen
    finally:
        await link.close()
        server.close()


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until_seen(seen: list[bytes], wanted: list[bytes]) -> None:
    async with asyncio.timeout(10):
        while seen != wanted:
            await asyncio.sleep(0.01)


async def test_what_is_sent_while_it_is_cut_arrives_when_it_is_mended() -> None:
    async with echo() as (link, seen), connected(link) as (reader, writer):
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        link.cut()
        writer.write(b"two\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), A_MOMENT)
        assert seen == [b"one\n"]
        link.mend()
        assert await reader.readline() == b"two\n"


async def test_what_was_sent_before_it_was_closed_arrives_all_the_same() -> None:
    """As what a client gave up lies in the network and still reaches the server."""
    async with echo() as (link, seen):
        async with connected(link) as (reader, writer):
            writer.write(b"in time\n")
            assert await reader.readline() == b"in time\n"
            link.cut()
            writer.write(b"late\n")
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(A_MOMENT)
        assert seen == [b"in time\n"]
        link.mend()
        await until_seen(seen, [b"in time\n", b"late\n"])


async def test_a_connection_that_is_made_while_it_is_cut_waits() -> None:
    async with echo() as (link, seen):
        link.cut()
        async with connected(link) as (reader, writer):
            writer.write(b"new\n")
            await asyncio.sleep(A_MOMENT)
            assert not seen
            link.mend()
            assert await reader.readline() == b"new\n"


async def test_breaking_off_loses_what_is_on_its_way() -> None:
    async with echo() as (link, seen):
        async with connected(link) as (reader, writer):
            writer.write(b"one\n")
            assert await reader.readline() == b"one\n"
            link.cut()
            writer.write(b"lost\n")
            await asyncio.sleep(A_MOMENT)
            link.break_off()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        link.mend()
        async with connected(link) as (reader, writer):
            writer.write(b"two\n")
            assert await reader.readline() == b"two\n"
        assert seen == [b"one\n", b"two\n"]
