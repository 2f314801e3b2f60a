"""Starts processes when what they need is healthy, restarts those that die, stops all in reverse order.

Knows no product: it is given the list. What it sees it tells through `changed`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from infra.local.processes import CommandFailed, Died, Process, Running
from infra.local.requirements import Missing

ATTEMPTS = 3
"""Starts before a process that was never healthy is given up, and the stack with it."""
CHECK_EVERY = 5.0
"""Seconds between two looks at one that is healthy."""
STEADY = 10.0
"""Seconds that one must live once it is healthy, or its start counts as failed: one that falls again and again is
started ever more seldom, and is seen restarting.
"""


@dataclass(frozen=True)
class Condition:
    """How one process is."""

    status: Literal["waiting", "preparing", "starting", "healthy", "unhealthy", "restarting", "done", "stopped"] = (
        "waiting"
    )
    pid: int | None = None
    restarts: int = 0


class StartFailed(Exception):
    """A process could not be started; the message says which and why."""


def back_off(failures: int) -> float:
    """Seconds to wait after so many failed starts in a row."""
    return float(min(0.2 * 2**failures, 10.0))


class Supervisor:
    """Of one list of processes, each declared after what it needs."""

    def __init__(
        self, processes: Sequence[Process], logs: Path, changed: Callable[[Mapping[str, Condition]], None]
    ) -> None:
        _check_order(processes)
        self._processes = processes
        self._logs = logs
        self._changed = changed
        self._well = {process.name: asyncio.Event() for process in processes}
        self._running: dict[str, Running] = {}
        self.conditions = {process.name: Condition() for process in processes}

    async def run(self, stop: asyncio.Event) -> None:
        """Returns when `stop` was set and all is stopped. Raises StartFailed, then too after stopping all."""
        self._logs.mkdir(parents=True, exist_ok=True)
        keepers = {asyncio.create_task(self._keep(process)) for process in self._processes}
        stopping = asyncio.create_task(stop.wait())
        waiting: set[asyncio.Task[object]] = {stopping, *keepers}
        try:
            while not stopping.done():
                ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await self._stop_all()

    @property
    def well(self) -> bool:
        """Whether every process has been healthy or done."""
        return all(event.is_set() for event in self._well.values())

    async def _keep(self, process: Process) -> None:
        for need in process.needs:
            await self._well[need].wait()
        await self._prepare(process)
        failures = 0
        while True:
            running = self._start(process)
            try:
                await self._bring_up(running)
                if process.is_derived and self.conditions[process.name].restarts:
                    await self._do_again(process)
            except (Died, TimeoutError) as error:
                failures += 1
                if running.exit_code is None:
                    await running.kill()
                if failures >= ATTEMPTS and not self._well[process.name].is_set():
                    raise StartFailed(_why(process, error)) from error
            else:
                if process.step:
                    return
                since = time.monotonic()
                await self._watch(running)
                failures = failures + 1 if time.monotonic() < since + STEADY else 0
            restarts = self.conditions[process.name].restarts + 1
            self._note(process, status="restarting", pid=None, restarts=restarts)
            await asyncio.sleep(back_off(failures))
            if process.is_derived:
                with suppress(StartFailed):  # then it does not start either, and is tried again
                    await self._prepare(process)

    async def _do_again(self, process: Process) -> None:
        """The steps that need it: what they made may be lost with what it kept."""
        for step in self._processes:
            if step.step and process.name in step.needs:
                await self._bring_up(self._start(step))

    async def _prepare(self, process: Process) -> None:
        if process.prepare is None:
            return
        self._note(process, status="preparing")
        try:
            await process.prepare()
        except (Missing, CommandFailed, Died, OSError) as error:
            raise StartFailed(f"{process.name}: {error}") from error

    def _start(self, process: Process) -> Running:
        running = Running(process, self._logs / f"{process.name}.log")
        self._running[process.name] = running
        self._note(process, status="starting", pid=running.pid)
        return running

    async def _bring_up(self, running: Running) -> None:
        process = running.process
        if process.step:
            try:
                async with asyncio.timeout(process.patience):  # wait_for loses a cancellation that comes with the end
                    code = await running.exited()
            except TimeoutError:  # another is started when it is tried again
                await running.kill()
                raise
            if code != 0:
                raise Died(process, code)
        else:
            await running.wait_until_healthy()
        self._well[process.name].set()
        self._note(process, status="done" if process.step else "healthy", pid=None if process.step else running.pid)

    async def _watch(self, running: Running) -> None:
        """Tell how it is until it ends."""
        ended = asyncio.create_task(running.exited())
        try:
            while not (await asyncio.wait({ended}, timeout=CHECK_EVERY))[0]:
                self._note(running.process, status="healthy" if await running.healthy() else "unhealthy")
        finally:
            ended.cancel()

    async def _stop_all(self) -> None:
        """Each when all that need it have stopped."""
        stops: dict[str, asyncio.Task[None]] = {}
        for process in reversed(self._processes):
            needing = [stops[other.name] for other in self._processes if process.name in other.needs]
            stops[process.name] = asyncio.create_task(self._stop(process, needing))
        await asyncio.gather(*stops.values())

    async def _stop(self, process: Process, after: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*after)
        running = self._running.get(process.name)
        if running and running.exit_code is None:
            await running.stop()
        if not process.step:
            self._note(process, status="stopped", pid=None)

    def _note(self, process: Process, **changes: object) -> None:
        before = self.conditions[process.name]
        after = replace(before, **changes)  # type: ignore[arg-type]
        if after != before:
            self.conditions[process.name] = after
            self._changed(self.conditions)


def _why(process: Process, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"{process.name} was not healthy within {process.patience:g} s: see its log (fiks logs {process.name})"
    return str(error)


def _check_order(processes: Sequence[Process]) -> None:
    known: set[str] = set()
    for process in processes:
        if unknown := set(process.needs) - known:
            raise ValueError(f"{process.name} needs {', '.join(sorted(unknown))}: declare what it needs before it")
        known.add(process.name)
