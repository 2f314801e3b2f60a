"""The blob store: whole or not at all, and nothing left of what was given up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.blobs import SMALL, Blobs
from streams.domain.errors import NotFound, Unavailable

SIZES = (0, 1, SMALL, SMALL + 1, 12 * SMALL + 7)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs((tmp_path / "blo bs").as_uri())


def left(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "blo bs").iterdir()]


async def chunks(content: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def read(blobs: Blobs, name: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.get(name)])


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_can_be_got(blobs: Blobs, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)

    await blobs.put("a1", chunks(content))

    assert await read(blobs, "a1") == content
    assert await blobs.get_range("a1", size // 2, 10) == content[size // 2 : size // 2 + 10] if size else True
    assert left(tmp_path) == ["a1"]


async def test_many_at_once(blobs: Blobs, tmp_path: Path) -> None:
    await asyncio.gather(*(blobs.put(f"n{number}", chunks(b"%d" % number)) for number in range(200)))

    assert [await read(blobs, f"n{number}") for number in range(200)] == [b"%d" % number for number in range(200)]
    assert len(left(tmp_path)) == 200


@pytest.mark.parametrize("size", SIZES[1:])
async def test_nothing_is_left_when_the_content_breaks_off(blobs: Blobs, tmp_path: Path, size: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in chunks(bytes(size)):
            yield chunk
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await blobs.put("a1", broken())

    assert left(tmp_path) == []


@pytest.mark.parametrize("size", SIZES[1:])
async def test_nothing_is_left_when_we_are_cancelled(blobs: Blobs, tmp_path: Path, size: int) -> None:
    stuck = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for chunk in chunks(bytes(size)):
            yield chunk
        stuck.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(blobs.put("a1", endless()))
    await stuck.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert left(tmp_path) == []


async def test_nothing_is_left_when_we_are_cancelled_while_it_is_written(blobs: Blobs, tmp_path: Path) -> None:
    puts = [asyncio.create_task(blobs.put(f"n{number}", chunks(b"x"))) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for put in puts[::2]:
        put.cancel()
    await asyncio.gather(*puts, return_exceptions=True)
    await blobs.put("last", chunks(b"x"))  # behind all that was under way

    assert sorted(left(tmp_path)) == sorted(["last", *(f"n{number}" for number in range(1, 20, 2))])


async def test_a_blob_is_there_as_a_whole_or_not_at_all(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "blo bs" / "n0").mkdir()  # where nothing can be renamed to

    with pytest.raises(Unavailable):
        await blobs.put("n0", chunks(b"x"))

    assert left(tmp_path) == ["n0"]


async def test_deleted_and_unknown_blobs_are_not_found(blobs: Blobs) -> None:
    await blobs.put("a1", chunks(b"x"))
    await blobs.delete(["a1", "a2"])

    with pytest.raises(NotFound):
        await read(blobs, "a1")
    with pytest.raises(NotFound):
        await blobs.get_range("a1", 0, 1)
