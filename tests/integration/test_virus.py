"""One suite over the real clamd and over a stand-in for it, by TCP and by Unix socket; and what fails in between."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from infra.virus import PATIENCE, SLOWEST, Clamd, Outcome, Scan, Scanner, Verdict, scanner
from tests.support.clamd import EICAR, LIMIT, SIGNATURE, real_clamd, stand_in
from tests.support.ports import free_port
from tests.support.stack import temporary_folder


@pytest_asyncio.fixture(scope="module", params=["clamd", "stand-in"])
async def addresses(request: pytest.FixtureRequest) -> AsyncIterator[list[str]]:
    with temporary_folder() as folder:
        async with real_clamd(folder) if request.param == "clamd" else stand_in(folder) as addresses:
            yield addresses


@pytest.fixture(params=["tcp", "unix"])
def clamd(addresses: list[str], request: pytest.FixtureRequest) -> Scanner:
    return scanner(next(address for address in addresses if address.startswith(request.param)))


async def verdict(of: Scanner, *chunks: bytes) -> Verdict:
    async with of.scanning() as scan:
        for chunk in chunks:
            await scan.feed(chunk)
        return await scan.verdict()


async def test_clean(clamd: Scanner) -> None:
    assert await verdict(clamd, b"et brev") == Verdict(Outcome.CLEAN)
    assert await verdict(clamd) == Verdict(Outcome.CLEAN)
    assert await verdict(clamd, b"", b"a", b"", b"b" * (LIMIT - 1)) == Verdict(Outcome.CLEAN)


@pytest.mark.parametrize("size", [1, 7, 65536])
async def test_infected(clamd: Scanner, size: int) -> None:
    content = b"foran " * 1000 + EICAR + b" bak"
    if size == 1:
        content = content[5900:]
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    assert await verdict(clamd, *chunks) == Verdict(Outcome.INFECTED, SIGNATURE)


async def test_larger_than_clamd_takes(clamd: Scanner) -> None:
    """However much more comes: the reply is found although clamd no longer listens."""
    for chunks in ([b"x" * (LIMIT + 1)], [b"x" * 65536] * 17, [b"x" * 65536] * 500):
        assert await verdict(clamd, *chunks) == Verdict(Outcome.TOO_LARGE)


async def test_many_at_once(clamd: Scanner) -> None:
    contents = [EICAR if number % 3 == 0 else b"rent" for number in range(12)]
    found = await asyncio.gather(*(verdict(clamd, content) for content in contents))
    assert [one.outcome is Outcome.INFECTED for one in found] == [content == EICAR for content in contents]


async def test_broken_off(clamd: Scanner) -> None:
    """Whoever leaves in the middle leaves clamd as it was."""
    async with clamd.scanning() as scan:
        await scan.feed(EICAR)
    with pytest.raises(LookupError):
        async with clamd.scanning() as scan:
            await scan.feed(EICAR)
            raise LookupError
    assert await verdict(clamd, b"rent") == Verdict(Outcome.CLEAN)


async def test_what_clamd_has_not_looked_at_in_full_is_not_clean() -> None:
    with temporary_folder() as folder:
        async with real_clamd(folder, largest_file=LIMIT // 2) as addresses:
            assert await verdict(Clamd(addresses[0]), b"x" * (LIMIT - 1)) == Verdict(Outcome.TOO_LARGE)


async def test_larger_than_its_engine_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever clamd replies."""
    monkeypatch.setattr("infra.virus.LARGEST", 100)
    with temporary_folder() as folder:
        async with stand_in(folder) as addresses:
            clamd = Clamd(addresses[0])
            assert await verdict(clamd, b"x" * 60, b"x" * 40) == Verdict(Outcome.CLEAN)
            assert await verdict(clamd, b"x" * 60, b"x" * 41) == Verdict(Outcome.TOO_LARGE)


async def hangs(reader: StreamReader, writer: StreamWriter) -> None:
    await asyncio.sleep(60)


async def takes_all_and_says_nothing(reader: StreamReader, writer: StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def closes_at_once(reader: StreamReader, writer: StreamWriter) -> None:
    pass


async def closes_in_the_middle(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readexactly(30)


async def says_nonsense(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readuntil(b"\0")
    writer.write(b"stream: \xff OK? ERROR\0")
    await writer.drain()
    await reader.read()


async def says_too_much(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readuntil(b"\0")
    writer.write(b"stream: OK" * 100_000)
    await writer.drain()


@pytest.mark.parametrize(
    "conversation",
    [hangs, takes_all_and_says_nothing, closes_at_once, closes_in_the_middle, says_nonsense, says_too_much],
)
@pytest.mark.parametrize("at", [0, 1], ids=["tcp", "unix"])
async def test_a_clamd_in_trouble_is_unavailable(conversation: object, at: int) -> None:
    with temporary_folder() as folder:
        async with stand_in(folder, conversation) as addresses:
            clamd = Clamd(addresses[at], patience=0.3)
            assert await verdict(clamd, *[b"x" * 65536] * 100) == Verdict(Outcome.UNAVAILABLE)


class Clock:
    """The loop's, which a test puts ahead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        time = loop.time
        self.ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: time() + self.ahead)


@pytest_asyncio.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


MORE = b"x" * (16 << 20)
"""Than a socket holds."""


class Slow:
    """A clamd that takes MORE whenever it ``may``, and judges when it may once more."""

    def __init__(self) -> None:
        self.may = asyncio.Semaphore(0)

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\0")
        await self.may.acquire()
        while length := int.from_bytes(await reader.readexactly(4)):
            await reader.readexactly(length)
            await self.may.acquire()
        writer.write(b"stream: OK\0")
        await writer.drain()


async def fed(scan: Scan, slow: Slow, clock: Clock, seconds: float) -> None:
    """MORE of it, which is taken after so many seconds."""
    feeding = asyncio.create_task(scan.feed(MORE))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not feeding.done(), "it waits for the scanner"
    clock.ahead += seconds
    slow.may.release()
    await feeding


async def test_what_clamd_lets_us_wait_for_is_one_sum(clock: Clock) -> None:
    """However it is shared: the client that sent the last of it waits for all that lies in buffers, and gives up after
    a minute of silence."""
    slow = Slow()
    with temporary_folder() as folder:
        async with stand_in(folder, slow) as addresses, Clamd(addresses[1]).scanning() as scan:
            await fed(scan, slow, clock, PATIENCE - 10)
            await fed(scan, slow, clock, PATIENCE - 10)
            slow.may.release()
            assert await scan.verdict() == Verdict(Outcome.UNAVAILABLE)


async def test_to_be_let_in_and_to_have_it_taken_are_one_sum(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, loop = Slow(), asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def slowly(*args: Any, **more: Any) -> Any:
        clock.ahead += PATIENCE - 10
        return await look_up(*args, **more)

    monkeypatch.setattr(loop, "getaddrinfo", slowly)
    with temporary_folder() as folder:
        async with stand_in(folder, slow) as addresses, Clamd(addresses[0]).scanning() as scan:
            await fed(scan, slow, clock, PATIENCE - 10)
            slow.may.release()
            assert await scan.verdict() == Verdict(Outcome.UNAVAILABLE)


async def test_a_large_content_may_take_its_time(clock: Clock) -> None:
    """As long as clamd takes a megabyte a second."""
    slow = Slow()
    with temporary_folder() as folder:
        async with stand_in(folder, slow) as addresses, Clamd(addresses[1]).scanning() as scan:
            for _ in range(10):
                await fed(scan, slow, clock, len(MORE) / SLOWEST - 1)
            slow.may.release()
            assert await scan.verdict() == Verdict(Outcome.CLEAN)
    assert clock.ahead > PATIENCE


async def test_taking_the_last_of_it_and_judging_it_are_one_sum(clock: Clock) -> None:
    slow = Slow()
    with temporary_folder() as folder:
        async with stand_in(folder, slow) as addresses, Clamd(addresses[1]).scanning() as scan:
            await fed(scan, slow, clock, PATIENCE - 10)
            judging = asyncio.create_task(scan.verdict())
            for _ in range(3):
                await asyncio.sleep(0)
            clock.ahead += PATIENCE - 10
            slow.may.release()
            assert await judging == Verdict(Outcome.UNAVAILABLE)


async def test_nobody_there() -> None:
    for address in (f"tcp://127.0.0.1:{free_port()}", "unix:///finnes/ikke.ctl", "tcp://finnes-ikke.invalid:3310"):
        assert await verdict(Clamd(address), b"x") == Verdict(Outcome.UNAVAILABLE)


async def test_by_a_name_with_several_addresses() -> None:
    with temporary_folder() as folder:
        async with stand_in(folder) as addresses:
            clamd = Clamd(addresses[0].replace("127.0.0.1", "localhost"))
            assert await verdict(clamd, EICAR) == Verdict(Outcome.INFECTED, SIGNATURE)


async def test_off() -> None:
    assert await verdict(scanner(None), EICAR) == Verdict(Outcome.OFF)
