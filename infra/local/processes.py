"""One process: what it is (Process), and one running instance (Running). Knows nothing of other processes or of order.

Linux only: the leash and pidfd are. The kernel ends a leashed process when the *thread* that started it ends, so
start processes from a thread that lives as long as they shall, such as the main thread.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.local.account import Account

LEASH = Path(__file__).with_name("leash.py")

Check = Callable[[], Awaitable[bool]]
Preparation = Callable[[], Awaitable[None]]


def plain_environment() -> dict[str, str]:
    """What a foreign server may see of ours: nothing that could change its configuration (PGDATA, KAFKA_OPTS...)."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TZ") if name in os.environ}


@dataclass(frozen=True)
class Process:
    """A process to run: a server, healthy when `ready` says so, or a `step`, done when it exits with 0."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=plain_environment)
    needs: tuple[str, ...] = ()
    port: int | None = None
    """Where it must listen itself to be healthy: on a port that several share, an answer alone proves nothing."""
    ready: Check | None = None
    prepare: Preparation | None = None
    is_derived: bool = False
    """What it keeps can be made anew from what others keep: it is prepared before every start and not the first alone,
    and the steps that need it are done again.
    """
    step: bool = False
    account: Account | None = None
    cwd: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 60.0
    """Seconds it may take to become healthy, or as a step to end."""


class Running:
    """A started process. It is in a session of its own, so a Ctrl-C in the terminal reaches only who started it."""

    def __init__(self, process: Process, log: Path) -> None:
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                leashed(process.argv, process.account),
                env=dict(process.env),
                cwd=process.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process = process

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    async def exited(self) -> int:
        """Wait for the end, without polling, and end what it started and left; the exit code."""
        if self._popen.poll() is None:
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            descriptor = os.pidfd_open(self.pid)
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        code = self._popen.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return code

    async def stop(self, grace: float = 20.0) -> int:
        """Ask it to end, and kill it after `grace` seconds."""
        self.send(self.process.stop_signal)
        try:
            async with asyncio.timeout(grace):
                return await self.exited()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        self.send(signal.SIGKILL)
        return await self.exited()

    async def healthy(self) -> bool:
        process = self.process
        if self.exit_code is not None or (process.port and not _listens(self.pid, process.port)):
            return False
        return process.ready is None or await process.ready()

    async def wait_until_healthy(self) -> None:
        """Raises Died if it ends first, TimeoutError when its patience is over."""
        async with asyncio.timeout(self.process.patience):
            while not await self.healthy():
                if self.exit_code is not None:
                    raise Died(self.process, self.exit_code)
                await asyncio.sleep(0.05)


def _listens(pid: int, port: int) -> bool:
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(found.status == psutil.CONN_LISTEN and found.laddr.port == port for found in connections)


class Died(Exception):
    """A server ended, or a step failed."""

    def __init__(self, process: Process, exit_code: int) -> None:
        super().__init__(f"{process.name} ended with {exit_code}: see its log (fiks logs {process.name})")


class CommandFailed(Exception):
    """A command that prepares a process failed; the message carries the end of what it printed."""


async def run(
    *argv: str,
    text: str = "",
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path = Path("/"),
) -> None:
    """Run a command to its end, on a leash, with `text` as its input. Raises CommandFailed with its last lines."""
    child = await asyncio.create_subprocess_exec(
        *leashed(argv, account),
        env=dict(env if env is not None else plain_environment()),
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await child.communicate(text.encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        tail = "\n".join(output.decode(errors="replace").splitlines()[-15:])
        raise CommandFailed(f"{argv[0]} ended with {child.returncode}:\n{tail}")


def leashed(argv: tuple[str, ...], account: Account | None = None) -> tuple[str, ...]:
    """The command that runs ``argv`` and is killed when this process dies, by whatever means."""
    who = f"{account.uid}:{account.gid}" if account else "-"
    return (sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), who, *argv)
