"""`fiks rebuild` as whoever runs it sees it: what it shows on the way, and that it goes on after a kill."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import psutil
import pytest
from confluent_kafka import Producer

from infra.local.processes import leashed
from projections.projecting import Projecting
from projections.projection import projections
from projections.versions import checkpoints
from schemas.codec import encode
from streams.dead_letters import DeadLetters
from tests.support.backbone import TOPIC, Backbone, about, mottatt
from tests.support.eventually import eventually, eventually_found

EVENTS = 24_000
"""More than one batch holds."""
NAME = "svarut_status"
UNKNOWN = "-:--:--"
SHOWN = re.compile(rf"rebuilding svarut_status .*?([\d,]+) of ([\d,]+) (\d:\d\d:\d\d) ({UNKNOWN}|\d:\d\d:\d\d)")
"""Events so far, events in all, the time that it took, and the time that is left, once that can be said."""


@pytest.fixture
def many(system: Backbone) -> None:
    """So many letters on the log, unsealed as before sealing began."""
    producer = Producer({"bootstrap.servers": system.settings.kafka, "linger.ms": 20})
    for _ in range(EVENTS):
        event = mottatt()
        at = about(event)
        producer.produce(TOPIC, encode(event), at.stream, headers=list(at.headers()))
        producer.poll(0)
    producer.flush()


async def run(system: Backbone, *options: str, out: int) -> asyncio.subprocess.Process:
    environment = {
        "FIKS_KAFKA": system.settings.kafka,
        "FIKS_POSTGRES": system.settings.postgres,
        "FIKS_STATE": str(system.settings.state),
        "TERM": "xterm",
        "COLUMNS": "150",
    }
    command = leashed((sys.executable, "-m", "gateway.cli", "rebuild", NAME, *options))
    return await asyncio.create_subprocess_exec(*command, env=os.environ | environment, stdout=out, stderr=out)


class Terminal:
    """What a process writes on a terminal, as it comes."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self.text = ""
        asyncio.get_running_loop().add_reader(self._ours, self._read)

    def _read(self) -> None:
        self.text += os.read(self._ours, 1 << 16).decode()

    @property
    def progress(self) -> list[tuple[int, int, str]]:
        """What was shown, once it had been counted: events so far, events in all, and the time that is left."""
        plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", self.text)
        shown = [(_number(one[1]), _number(one[2]), one[4]) for one in SHOWN.finditer(plain)]
        return [one for one in shown if one[1] > 0]

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)
        os.close(self.theirs)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


@asynccontextmanager
async def terminal() -> AsyncIterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


async def built(system: Backbone) -> int:
    """How many events the unfinished version has applied."""
    return sum((await checkpoints(system.connection, NAME, 2)).values())


@asynccontextmanager
async def held_up(system: Backbone) -> AsyncIterator[None]:
    """Nothing of the fullest partition goes into the version that is being built."""

    async def has_begun() -> bool:
        return bool(await checkpoints(system.connection, NAME, 2))

    await eventually_found(has_begun)
    holding = await asyncpg.connect(system.settings.postgres)
    async with holding.transaction():
        lock = "select from checkpoint where name = $1 and version = 2 and partition = 0 for update"
        assert await holding.fetch(lock, NAME)
        yield
    await holding.close()


def family(pid: int) -> Iterator[psutil.Process]:
    process = psutil.Process(pid)
    yield from (process, *process.children(recursive=True))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("victim", ["all of it", "one of its processes"])
async def test_a_rebuild_that_is_killed_goes_on_where_it_was_and_ends_right(system: Backbone, victim: str) -> None:
    async with terminal() as screen:
        first = await run(system, "--processes", "2", out=screen.theirs)
        async with held_up(system):

            async def is_under_way() -> bool:
                return await built(system) > 0

            await eventually_found(is_under_way)
            await eventually(lambda: any(done for done, *_ in screen.progress))
            whole = list(family(first.pid))
            assert len(whole) == 3
            whole[0 if victim == "all of it" else 1].send_signal(signal.SIGKILL)
            assert await first.wait() != 0
            await eventually(lambda: not any(one.is_running() for one in whole))
        if victim != "all of it":
            assert "run the same command again" in screen.text
    had = await built(system)
    assert had > 0

    async with terminal() as screen:
        assert await (await run(system, out=screen.theirs)).wait() == 0
        await eventually(lambda: "svarut_status is live as version 2" in screen.text)
        shown = screen.progress
    dones, totals, left = zip(*shown, strict=True)
    assert min(totals) > max(EVENTS, had)  # other tests' letters are on the log too
    assert list(dones) == sorted(dones)
    assert had <= dones[0] < dones[-1] <= totals[-1]
    assert left[-1] != UNKNOWN

    works = [Projecting([projections()[NAME]], DeadLetters(system.log), system.log.keys)]
    async with system.worker(works), terminal() as screen:  # what came after the switch, or was left for it
        assert await (await run(system, "--check", out=screen.theirs)).wait() == 0
        await eventually(lambda: "rows compared, 0 differ" in screen.text)
    assert await system.connection.fetchval("select count(*) from read.svarut_status") > EVENTS
