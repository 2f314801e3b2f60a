"""What passes through a gateway is not kept in it, however large and however slow the reader."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout
from cryptography.x509 import load_pem_x509_certificate

from fiks_cms.envelope import Encryptor
from tests.support.dokumentlager import Lager, form, gateway_process, said_of
from tests.support.memory import resident

MEGA = 1 << 20
MEGABYTES = 300
PIECE = os.urandom(MEGA)
MOST = 32 * MEGA
CERTIFICATE = "/dokumentlager/api/v1/public-key"


@pytest_asyncio.fixture
async def alone(lager: Lager) -> AsyncIterator[tuple[Lager, int]]:
    """A gateway as a process of its own, which has served a document, and its id."""
    async with gateway_process(lager) as (caller, process):
        await caller.download(await caller.uploaded(PIECE * 2))
        answer = await caller.upload(form(said_of(), await caller.encrypted(PIECE * 2)), query="?kryptert=true")
        assert answer.status == 201
        yield caller, process.pid


async def settled(pid: int) -> int:
    """Bytes of memory of the process, once it has taken no more for twenty looks."""
    most, looks = resident(pid), 0
    while looks < 20:
        await asyncio.sleep(0.05)
        now = resident(pid)
        most, looks = (now, 0) if now > most else (most, looks + 1)
    return most


async def large(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    head, end = form(said_of(), b"\0").rsplit(b"\0", 1)
    yield head
    async for chunk in content:
        yield chunk
    yield end


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(MEGABYTES):
        yield PIECE


async def test_a_reader_who_stops_takes_little_memory(alone: tuple[Lager, int]) -> None:
    lager, pid = alone
    answer = await lager.upload(large(pieces()))
    assert answer.status == 201
    before = await settled(pid)

    async with (
        ClientSession(timeout=ClientTimeout(total=None), read_bufsize=1 << 16) as session,
        session.get(f"{lager.url}/dokumentlager/nedlasting/{answer.json['id']}", headers=lager.headers) as got,
    ):
        assert got.status == 200
        assert await got.content.readexactly(MEGA) == PIECE
        assert await settled(pid) - before < MOST
        for _ in range(MEGABYTES - 1):
            assert await got.content.readexactly(MEGA) == PIECE


async def test_a_large_encrypted_upload_takes_little_memory(alone: tuple[Lager, int]) -> None:
    lager, pid = alone
    encryptor = Encryptor([load_pem_x509_certificate((await lager.ask("GET", CERTIFICATE)).body)])
    before, peak = await settled(pid), 0

    async def encrypted() -> AsyncIterator[bytes]:
        nonlocal peak
        async for piece in pieces():
            yield encryptor.update(piece)
            peak = max(peak, resident(pid))
        yield encryptor.finish()

    answer = await lager.upload(large(encrypted()), query="?kryptert=true")
    assert (answer.status, answer.json["ukryptertStorrelse"]) == (201, MEGABYTES * MEGA)
    assert max(peak, await settled(pid)) - before < MOST
