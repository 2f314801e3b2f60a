"""A folder whose disk or server does not answer: who asks for what lies there waits, or is told so, and nobody else.

A pipe takes the place of a file: whoever opens it hangs until somebody writes to it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from infra.blobs import IDENTITY, SMALL, Blobs
from streams.domain.errors import Unavailable
from tests.support.chunks import chunks_of

PATIENCE = 20.0
"""Seconds after which a loop that does not come to its end is held up."""
MANY = 100
"""More than there are threads."""


def come_to_their_end(hung: Path, *acts: Callable[[], Awaitable[None]]) -> None:
    """Do these in a loop of their own, the first before ``hung`` hangs; what hangs goes on afterwards."""

    async def all_of_them() -> None:
        await acts[0]()
        _hang(hung)
        for act in acts[1:]:
            await act()

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(asyncio.run, all_of_them())
        try:
            running.result(PATIENCE)
        finally:
            with suppress(OSError):  # where nobody hangs any more
                let_go = os.open(hung, os.O_WRONLY | os.O_NONBLOCK)
                hung.unlink()
                os.close(let_go)


def _hang(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


async def begun(*works: Awaitable[object]) -> list[asyncio.Future[object]]:
    """Each has come as far as it comes without waiting."""
    running = [asyncio.ensure_future(one) for one in works]
    await asyncio.sleep(0)
    return running


async def given_up(running: list[asyncio.Future[object]]) -> None:
    for one in running:
        one.cancel()
    assert all(
        isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*running, return_exceptions=True)
    )


async def content(blobs: Blobs, name: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.get(name)])


def test_a_file_that_hangs_holds_up_nobody_who_does_not_want_it(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path.as_uri())

    async def stored() -> None:
        await blobs.put("a1", chunks_of(b"x"))

    async def hangs_alone() -> None:
        hanging = await begun(blobs.begin("hung", 1), content(blobs, "hung"))
        assert await content(blobs, "a1") == b"x"
        await blobs.put("a2", chunks_of(b"y"))
        assert await blobs.begin("a2", 1) == (b"y", 1)
        await given_up(hanging)

    async def leaves_threads_to_others() -> None:
        hanging = await begun(*(blobs.begin("hung", 1) for _ in range(MANY)))
        assert await asyncio.to_thread(int) == 0
        await given_up(hanging)

    come_to_their_end(tmp_path / "hung", stored, hangs_alone, leaves_threads_to_others)


@pytest.mark.parametrize("size", [1, 2 * SMALL])
def test_a_store_that_does_not_tell_which_it_is_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    blobs = Blobs(tmp_path.as_uri())

    async def known() -> None:
        await blobs.put("a1", chunks_of(b"x"))

    async def away() -> None:
        monkeypatch.setattr("infra.blobs.PATIENCE", 0.1, raising=False)  # what answers may take its time
        monkeypatch.setattr("infra.blobs.DOUBT", 0.1, raising=False)
        for ask in (blobs.require(), blobs.put("a2", chunks_of(bytes(size))), blobs.create("a3", b"x")):
            with pytest.raises(Unavailable):
                await ask
        puts = (blobs.put(f"b{number}", chunks_of(bytes(size))) for number in range(MANY))
        assert {type(one) for one in await asyncio.gather(*puts, return_exceptions=True)} == {Unavailable}
        assert await content(blobs, "a1") == b"x"

    come_to_their_end(tmp_path / IDENTITY, known, away)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a1"], "nor does it come later"
