"""Real servers for tests, through the same code as the product: a Kafka node or a PostgreSQL that a test may hurt.

They die with the test process, also by kill -9. Start them from the main thread (see infra.local.processes).
As a program it is `fiks up | down | status | logs` for a stack without our own processes.
"""

import asyncio
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import click
import psutil

from infra.local import commands
from infra.local.kafka import SHORT_RUN, KafkaNode
from infra.local.postgres import ROLE, PostgresNode
from infra.local.processes import Died, Process, Running
from infra.local.stack import Stack, main
from tests.support.network import Link
from tests.support.ports import free_port


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that an unprivileged account can come to, which pytest's tmp_path is not; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="fiks-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


FIRST_SEGMENT = f"{0:020}.log"
BATCH_HEAD = struct.Struct(">qi")
"""Of a file of Kafka's log: the first offset of a batch, and how many bytes follow (KIP-98)."""


class OwnServer:
    """A server of the test's own. Its data and its port stay the same from start to start."""

    def __init__(self, process: Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._running: Running | None = None

    @property
    def pid(self) -> int:
        return self._now.pid

    async def start(self) -> None:
        """Returns when it answers. Tries again if it ends: PostgreSQL does, while a killed one's backends leave."""
        if self._process.prepare:
            await self._process.prepare()
        for attempts_left in (4, 3, 2, 1, 0):
            self._running = Running(self._process, self._log)
            try:
                return await self._running.wait_until_healthy()
            except Died as death:
                if not attempts_left:
                    raise AssertionError(self._log.read_text()[-3000:]) from death
                await asyncio.sleep(0.5)

    async def kill(self) -> None:
        """SIGKILL."""
        await self._now.kill()

    async def stop(self) -> None:
        """Orderly. Harmless where it was killed or never started."""
        if self._running and self._running.exit_code is None:
            self.resume()
            await self._running.stop()

    async def restart(self) -> None:
        """Kill if it still runs, and start."""
        if self._now.exit_code is None:
            await self.kill()
        await self.start()

    def pause(self) -> None:
        """SIGSTOP of all its processes: it hangs, connections stay open."""
        self._now.send(signal.SIGSTOP)
        _until_still(self.pid)
        for child in self._children():  # none comes any more
            with suppress(psutil.NoSuchProcess):
                child.suspend()
            _until_still(child.pid)

    def resume(self) -> None:
        """SIGCONT."""
        for child in self._children():
            with suppress(psutil.NoSuchProcess):
                child.resume()
        self._now.send(signal.SIGCONT)

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)

    @property
    def _now(self) -> Running:
        assert self._running, f"{self._process.name} was not started"
        return self._running


def _until_still(pid: int) -> None:
    """Until all its threads are stopped, or have ended: one on another core goes on for a moment."""
    while not _is_still(pid):
        time.sleep(0.001)


def _is_still(pid: int) -> bool:
    try:
        states = [one.read_text().rpartition(")")[2].split()[0] for one in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return set(states) <= {"T", "Z"}


@dataclass(frozen=True)
class LinkedNode(KafkaNode):
    """A node that also listens where each of the links leads, and names the link to those who come that way."""

    links: tuple[Link, ...] = ()

    async def _configure(self, *options: str) -> None:
        await super()._configure(*options)
        named = [f"LINK{number}://127.0.0.1:" for number in range(len(self.links))]
        more = {
            "listeners": [f"{name}{link.target}" for name, link in zip(named, self.links, strict=True)],
            "advertised.listeners": [f"{name}{link.port}" for name, link in zip(named, self.links, strict=True)],
            "listener.security.protocol.map": [f"{name.partition(':')[0]}:PLAINTEXT" for name in named],
        }
        lines = [line.partition("=") for line in self._properties.read_text().splitlines()]
        self._properties.write_text(
            "".join(f"{name}={','.join([value, *more.get(name, ())])}\n" for name, _, value in lines)
        )


class OwnKafka(OwnServer):
    """`bootstrap` is its address, beside those of the `links` that lead to it. Its JVM compiles little, as most tests
    are over soon, unless it is `measured`.
    """

    def __init__(self, folder: Path, *, measured: bool = False, links: Sequence[Link] = ()) -> None:
        options = () if measured else (SHORT_RUN,)
        node = LinkedNode(folder / "kafka", free_port(), free_port(), options, tuple(links))
        super().__init__(node.process(), folder / "kafka.log")
        self.bootstrap = node.bootstrap
        self._data = node.folder / "data"

    def batches(self, topic: str, partition: int) -> list[int]:
        """The first offset of each batch of records, as producers sent them, in the first file of a partition."""
        content, at, found = (self._data / f"{topic}-{partition}" / FIRST_SEGMENT).read_bytes(), 0, list[int]()
        while at < len(content):
            offset, length = BATCH_HEAD.unpack_from(content, at)
            found.append(offset)
            at += BATCH_HEAD.size + length
        return found


class OwnPostgres(OwnServer):
    """`dsn` is its superuser in the database `fiks`, `analyst` one who only reads there; `folder` must let other users
    through (temporary_folder).
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        node = PostgresNode(folder / "postgres", self.port)
        super().__init__(node.process(), folder / "postgres.log")
        self._folder = node.folder
        self.dsn = node.dsn()
        self.analyst = node.analyst

    def over(self, link: Link) -> str:
        """`dsn` for who comes over the link."""
        return urlsplit(self.dsn)._replace(netloc=f"{ROLE}@127.0.0.1:{link.port}").geturl()

    async def lose(self) -> None:
        """SIGKILL, and all that it held is gone: when it is started, it is empty."""
        await self.kill()
        shutil.rmtree(self._folder / "data")


def with_database(dsn: str, name: str) -> str:
    """The same server and user, another database."""
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


class SmallStack(Stack):
    """Kafka, PostgreSQL, a step between, and a process with a child of its own that is on no leash."""

    def processes(self) -> tuple[Process, ...]:
        kafka, postgres, *_ = super().processes()
        return (
            kafka,
            postgres,
            Process("step", ("true",), needs=("postgres",), step=True),
            Process("family", ("sh", "-c", "sleep 1000 & wait"), needs=("step",)),
        )


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        sys.exit(main(SmallStack))
    commands.STACK = (sys.executable, "-m", "tests.support.stack", "run")
    click.Group(commands=[commands.up, commands.down, commands.status, commands.logs])()


@asynccontextmanager
async def own_database(postgres: str) -> AsyncIterator[str]:
    """DSN of a new database on a server, which is dropped at the end."""
    name = f"test_{uuid4().hex}"
    server = await asyncpg.connect(postgres)
    await server.execute(f"create database {name} template template0")
    yield with_database(postgres, name)
    await server.execute(f"drop database {name} with (force)")
    await server.close()
