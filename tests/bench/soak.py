"""Whether the processes of a whole system grow while letters come in for a long time, each read back at once through a
gateway: their memory, open files and threads once they are warm, and at the end. Kafka is beside them, as a peer that
fills its caches as long as it is let.

Run: ``python -m tests.bench.soak MINUTES RATE``, letters a second; 20 minutes and 60 where nothing is said.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, NamedTuple

import psutil
import uvloop
from aiohttp import ClientError, ClientSession, TCPConnector

from infra.local.record import Record
from tests.bench.arguments import asked
from tests.bench.report import Report
from tests.chaos.load import caller
from tests.support.gateway import BOUNDARY, form, metadata, pdf
from tests.support.local_system import System, local_system

LETTER = form(metadata("brev.pdf"), [('filename="brev.pdf"', pdf())])
KIND = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
WARM = 0.25
"""The part of the time after which the processes are warm."""
RENEWED = 100.0
"""Seconds that a token is used."""
MOST_AT_ONCE = 100
"""Letters on their way: behind them others wait, as a sender would."""
WATCHED = ("gateway-1", "gateway-2", "worker-1", "worker-2", "kafka")


class Taken(NamedTuple):
    """What a process holds; memory in MiB."""

    memory: float
    files: int
    threads: int


class Senders:
    """Those who send letters, and how that went."""

    def __init__(self, system: System, session: ClientSession) -> None:
        self._system, self._session = system, session
        self._headers: dict[str, str] = {}
        self._konto = ""
        self.sent = self.refused = 0

    async def renew(self) -> None:
        """A fresh token."""
        self._headers, known = await caller(self._system.addresses["issuer"], self._system.files)
        self._konto = f"{self._system.addresses['gateway']}/api/v2/kontoer/{known['kontoId']}/forsendelser"

    async def send(self) -> None:
        """One letter, and what has happened to it."""
        try:
            async with self._session.post(self._konto, data=LETTER, headers=self._headers | KIND) as answer:
                answer.raise_for_status()
                said: Any = await answer.json()
            history = f"{self._system.addresses['gateway']}/api/v2/forsendelser/{said['id']}/hendelser"
            async with self._session.get(history, headers=self._headers) as answer:
                answer.raise_for_status()
                await answer.read()
            self.sent += 1
        except ClientError:
            self.refused += 1

    async def go_on(self, until: float, rate: int) -> None:
        """So many letters a second, evenly; fewer while too many are on their way."""
        room, begun, number = asyncio.Semaphore(MOST_AT_ONCE), time.monotonic(), 0

        async def one() -> None:
            try:
                await self.send()
            finally:
                room.release()

        async with asyncio.TaskGroup() as sending:
            while time.monotonic() < until:
                await room.acquire()
                sending.create_task(one())
                number += 1
                await asyncio.sleep(begun + number / rate - time.monotonic())

    async def keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEWED)
            await self.renew()


async def bench(minutes: float, rate: int) -> None:
    """Fails where a process of ours grew by more than a quarter once it was warm."""
    report = Report("soak")
    async with local_system() as system, ClientSession(connector=TCPConnector(limit=0)) as session:
        senders = Senders(system, session)
        await senders.renew()
        renewing = asyncio.create_task(senders.keep_renewing())
        begun = time.monotonic()
        await senders.go_on(begun + WARM * minutes * 60, rate)
        warm = taken(system)
        await senders.go_on(begun + minutes * 60, rate)
        end = taken(system)
        renewing.cancel()
    report.add("letters", senders.sent, "letters")
    report.add("refused", senders.refused, "letters", to="letters")
    for name in WATCHED:
        for what, unit in (("memory", "MiB"), ("files", "files"), ("threads", "threads")):
            report.add(f"{name}_{what}_warm", getattr(warm[name], what), unit)
            report.add(f"{name}_{what}", getattr(end[name], what), unit, to=f"{name}_{what}_warm")
    report.finish()
    if grown := [name for name in WATCHED if name != "kafka" and end[name].memory > 1.25 * warm[name].memory]:
        sys.exit(f"grew by more than a quarter: {', '.join(grown)}")


def taken(system: System) -> dict[str, Taken]:
    """By process. Of one that was started anew nothing can be told."""
    found = {}
    for name, condition in Record(system.files).read()["processes"].items():
        if name in WATCHED:
            assert condition["restarts"] == 0, f"{name} was started anew"
            process = psutil.Process(condition["pid"])
            memory = process.memory_info().rss / 2**20
            found[name] = Taken(memory, process.num_fds(), process.num_threads())
    return found


if __name__ == "__main__":
    minutes, rate = asked("soak", "MINUTES RATE", r"(\d+(\.\d+)? \d+)?") or ("20", "60")
    uvloop.run(bench(float(minutes), int(rate)))
