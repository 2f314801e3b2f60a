"""The supervisor with small real processes: order, restart, giving up, and no one left."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local.processes import Process, Running
from infra.local.supervisor import ATTEMPTS, Condition, StartFailed, Supervisor


class Trace:
    """A file in which processes tell what they do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def server(self, name: str, *, needs: tuple[str, ...] = ()) -> Process:
        script = f"trap 'echo stop {name} >> {self._path}; exit' TERM; echo start {name} >> {self._path}; {WAIT}"
        return Process(name, ("sh", "-c", script), needs=needs, ready=self._has(f"start {name}"))

    def step(self, name: str, *, needs: tuple[str, ...] = (), then: str = "exit 0") -> Process:
        return Process(name, ("sh", "-c", f"echo {name} >> {self._path}; {then}"), needs=needs, step=True)

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()

    def _has(self, line: str) -> Callable[[], asyncio.Future[bool]]:
        async def check() -> bool:
            return line in self.lines()

        return check  # type: ignore[return-value]


WAIT = "while :; do sleep 0.05; done"


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path / "trace")


@asynccontextmanager
async def supervised(folder: Path, *processes: Process) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(processes, folder / "logs", lambda _: None)
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    yield supervisor
    stop.set()
    await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_each_starts_when_what_it_needs_is_healthy_and_all_stop_in_reverse(tmp_path: Path, trace: Trace) -> None:
    log, table = trace.server("log"), trace.server("table", needs=("log",))
    step = trace.step("step", needs=("table",))
    gateway = trace.server("gateway", needs=("step",))
    async with supervised(tmp_path, log, table, step, gateway) as supervisor:
        await until(lambda: supervisor.well)
    assert trace.lines() == [
        *("start log", "start table", "step", "start gateway"),
        *("stop gateway", "stop table", "stop log"),
    ]


async def test_a_dead_one_is_restarted_and_the_others_are_left_alone(tmp_path: Path, trace: Trace) -> None:
    async with supervised(tmp_path, trace.server("one"), trace.server("two")) as supervisor:
        await until(lambda: supervisor.well)
        before = dict(supervisor.conditions)
        victim = before["one"].pid
        assert victim
        os.kill(victim, signal.SIGKILL)
        await until(lambda: supervisor.conditions["one"].pid not in (victim, None))
        await until(lambda: supervisor.conditions["one"].status == "healthy")
        assert supervisor.conditions["one"].restarts == 1
        assert supervisor.conditions["two"] == before["two"]


@pytest.mark.parametrize(("steady", "waited_for"), [(1000.0, [1, 2, 3, 4]), (0.0, [0, 0, 0, 0])])
async def test_one_that_falls_again_and_again_is_started_ever_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steady: float, waited_for: list[int]
) -> None:
    """Unless it has lived for a while: then it falls for another reason."""
    failures: list[int] = []

    def back_off(number: int) -> float:
        failures.append(number)
        return 0.0

    monkeypatch.setattr("infra.local.supervisor.STEADY", steady)
    monkeypatch.setattr("infra.local.supervisor.back_off", back_off)
    async with supervised(tmp_path, Process("one", ("sh", "-c", WAIT))) as supervisor:
        for number in range(1, 5):
            await until(lambda: supervisor.conditions["one"].status == "healthy")
            victim = supervisor.conditions["one"].pid
            assert victim
            os.kill(victim, signal.SIGKILL)
            await until(lambda number=number: len(failures) == number)  # type: ignore[misc]
    assert failures == waited_for


async def test_what_can_be_made_anew_is_prepared_before_every_start_and_its_steps_follow(
    tmp_path: Path, trace: Trace
) -> None:
    prepared = 0

    async def prepare() -> None:
        nonlocal prepared
        prepared += 1

    table = replace(trace.server("table"), prepare=prepare, is_derived=True)
    log = replace(trace.server("log"), prepare=prepare)
    steps = trace.step("migrate", needs=("table",)), trace.step("seed", needs=("log",))
    async with supervised(tmp_path, table, log, *steps) as supervisor:
        await until(lambda: supervisor.well)
        assert prepared == 2
        for name in ("table", "log"):
            victim = supervisor.conditions[name].pid
            assert victim
            os.kill(victim, signal.SIGKILL)
            await until(lambda name=name: supervisor.conditions[name].restarts == 1)  # type: ignore[misc]
            await until(lambda name=name: supervisor.conditions[name].status == "healthy")  # type: ignore[misc]
        await until(lambda: trace.lines().count("migrate") == 2)
        await until(lambda: supervisor.conditions["migrate"].status == "done")
    assert (prepared, trace.lines().count("seed")) == (3, 1)


async def test_a_step_that_hangs_when_it_is_done_again_is_not_left_behind(tmp_path: Path, trace: Trace) -> None:
    async def prepare() -> None:
        pass

    table = replace(trace.server("table"), prepare=prepare, is_derived=True)
    pids = tmp_path / "pids"
    once = f"echo $$ >> {pids}; [ $(wc -l < {pids}) != 2 ] || exec sleep 1000"
    step = replace(trace.step("migrate", needs=("table",), then=once), patience=1.0)
    async with supervised(tmp_path, table, step) as supervisor:
        await until(lambda: supervisor.well)
        victim = supervisor.conditions["table"].pid
        assert victim
        os.kill(victim, signal.SIGKILL)
        await until(lambda: trace.lines().count("migrate") == 3)
        hung = psutil.Process(os.getpid()).children(recursive=True)
        assert int(pids.read_text().split()[1]) not in {one.pid for one in hung if not gone(one)}


async def test_to_be_stopped_is_heard_also_as_a_step_ends(
    tmp_path: Path, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `fiks down` would wait for ever: of what a task waited for, and that it is cancelled, none may be lost."""

    async def prepare() -> None:
        pass

    table, step = replace(trace.server("table"), prepare=prepare, is_derived=True), trace.step("step", needs=("table",))
    supervisor, exited = Supervisor((table, step), tmp_path / "logs", lambda _: None), Running.exited
    keepers: list[asyncio.Task[None]] = []

    async def cancelled_meanwhile(one: Running) -> int:
        code = await exited(one)
        if one.process is step and trace.lines().count("step") == 2:
            keepers[0].cancel()
        return code

    monkeypatch.setattr(Running, "exited", cancelled_meanwhile)
    before = asyncio.all_tasks()
    running = asyncio.create_task(supervisor.run(asyncio.Event()))
    await until(lambda: supervisor.well)
    keepers += [task for task in asyncio.all_tasks() - before if "Supervisor._keep" in repr(task)]
    assert len(keepers) == 1, "that of the step has ended"
    victim = supervisor.conditions["table"].pid
    assert victim
    os.kill(victim, signal.SIGKILL)
    heard, _ = await asyncio.wait({running}, timeout=20)
    running.cancel()
    await asyncio.wait({running})
    assert heard


async def test_a_hanging_one_is_reported(tmp_path: Path, trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.supervisor.CHECK_EVERY", 0.05)
    answering = True

    async def answers() -> bool:
        return answering

    server = Process("one", ("sh", "-c", WAIT), ready=answers)
    async with supervised(tmp_path, server) as supervisor:
        await until(lambda: supervisor.conditions["one"].status == "healthy")
        answering = False
        await until(lambda: supervisor.conditions["one"].status == "unhealthy")
        answering = True
        await until(lambda: supervisor.conditions["one"].status == "healthy")


async def test_a_step_that_fails_is_tried_again_then_all_is_stopped(tmp_path: Path, trace: Trace) -> None:
    bad = trace.step("bad", needs=("one",), then="echo because; exit 7")
    seen: list[Condition] = []
    supervisor = Supervisor((trace.server("one"), bad), tmp_path / "logs", lambda all_: seen.append(all_["bad"]))
    with pytest.raises(StartFailed, match="bad ended with 7"):
        await supervisor.run(asyncio.Event())
    assert trace.lines() == ["start one", *["bad"] * ATTEMPTS, "stop one"]
    assert (tmp_path / "logs/bad.log").read_text() == "because\n" * ATTEMPTS


async def test_one_that_never_gets_healthy_is_given_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    hanging = Process("hanging", ("sh", "-c", WAIT), ready=never, patience=0.1)
    with pytest.raises(StartFailed, match=r"hanging was not healthy within 0\.1 s"):
        await Supervisor((hanging,), tmp_path / "logs", lambda _: None).run(asyncio.Event())


async def test_a_port_held_by_another_is_no_sign_of_health(tmp_path: Path, unused_tcp_port: int) -> None:
    async def always() -> bool:
        return True

    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", unused_tcp_port)
    async with other:
        deaf = Process("deaf", ("sh", "-c", WAIT), port=unused_tcp_port, ready=always, patience=0.2)
        with pytest.raises(StartFailed, match="deaf was not healthy"):
            await Supervisor((deaf,), tmp_path / "logs", lambda _: None).run(asyncio.Event())


async def test_what_a_process_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    parent = Process("parent", ("sh", "-c", "sleep 1000 & wait"))
    async with supervised(tmp_path, parent) as supervisor:
        await until(lambda: supervisor.well)
        shell = psutil.Process(supervisor.conditions["parent"].pid)
        await until(lambda: len(shell.children()) == 1)
        (child,) = shell.children()
        shell.kill()
        await until(lambda: gone(child))


def gone(process: psutil.Process) -> bool:
    """A zombie does nothing any more: its parent has yet to ask for it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
