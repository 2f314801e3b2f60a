"""`up`, `status`, `logs`, `down` as a user runs them, with real Kafka and PostgreSQL; kill -9 leaves nothing."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest

from infra.migrate import migrate
from tests.support.ports import wanted_port
from tests.support.stack import temporary_folder

ROOT = Path(__file__).parents[2]


class Fiks:
    """The commands on a state folder of their own, on ports that nobody else uses."""

    def __init__(self, state: Path) -> None:
        self._env = os.environ | {
            "FIKS_STATE": str(state),
            "FIKS_KAFKA": f"127.0.0.1:{wanted_port()}",
            "FIKS_POSTGRES": f"postgresql://fiks@127.0.0.1:{wanted_port()}/fiks",
        }

    def __call__(self, *command: str, code: int = 0, **env: str) -> str:
        done = self._run(*command, **env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        argv = (sys.executable, "-m", "tests.support.stack", *command)
        return subprocess.run(
            argv, check=False, env=self._env | env, cwd=ROOT, capture_output=True, text=True, timeout=120
        )

    def begin(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """A command whose end is not waited for."""
        argv = (sys.executable, "-m", "tests.support.stack", *command)
        output, environment = subprocess.PIPE, self._env | env
        return subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True)

    @contextmanager
    def following(self, name: str) -> Iterator[Iterator[str]]:
        """The lines of a log, as `logs --follow` prints them."""
        with self.begin("logs", name, "--follow") as printing:
            assert printing.stdout
            try:
                yield printing.stdout
            finally:
                printing.terminate()

    def bad_status(self) -> dict[str, Any]:
        """The status, which must not be well."""
        content: dict[str, Any] = json.loads(self("status", "--json", code=1))
        return content

    def status(self) -> dict[str, Any]:
        """The status, once all is well: what answers late on a busy machine is not, until the next look at it."""
        while (done := self._run("status", "--json")).returncode:
            time.sleep(0.1)
        content: dict[str, Any] = json.loads(done.stdout)
        return content


@pytest.fixture
def fiks() -> Iterator[Fiks]:
    with temporary_folder() as folder:
        commands = Fiks(folder / "state")
        yield commands
        commands("down")


def test_a_day_of_the_stack(fiks: Fiks) -> None:
    fiks("status", code=1)
    assert "step         done" in fiks("up")

    status = fiks.status()
    assert status["running"]
    assert status["healthy"]
    assert status["addresses"].keys() == {
        *("gateway", "docs", "schema_registry", "kafka", "postgres", "issuer", "idporten", "stand_ins", "metrics"),
        *("amqp", "authority", "gateway_tls", "analyst"),
    }
    assert asyncio.run(one(status["environment"]["FIKS_POSTGRES"])) == 1

    assert "running already" in fiks("up")
    assert fiks.status() == status

    assert "database system is ready" in fiks("logs", "postgres")
    with fiks.following("postgres") as lines:
        assert any("database system is ready" in line for line in lines)
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            asyncio.run(one(status["addresses"]["postgres"].replace("/fiks?", "/followed?")))
        assert any('"followed" does not exist' in line for line in lines)
    assert "there are: family, kafka, postgres" in fiks("logs", "nonsense", code=1)

    whole = family(status["guard"])
    fiks("down")
    assert_gone(whole)
    assert not fiks.bad_status()["running"]
    assert "not running" in fiks("down")


def test_up_says_which_ports_it_replaced(fiks: Fiks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        said = fiks("up", FIKS_GATEWAY_PORT=str(taken))
    got = urlsplit(fiks.status()["addresses"]["gateway"]).port
    assert f"gateway_port {taken} is taken: {got} instead" in said.splitlines()
    assert "kafka" not in fiks.status()["replaced"]


def test_status_tells_of_tables_that_are_gone(fiks: Fiks) -> None:
    fiks("up")
    assert fiks.status()["lost"] == []
    asyncio.run(with_a_projection_without_tables(fiks.status()["addresses"]["postgres"]))

    said = fiks.bad_status()
    assert (said["lost"], said["healthy"]) == (["audit"], False)
    assert "fiks rebuild audit" in fiks("status", code=1)


def test_up_says_what_the_machine_lacks_and_leaves_nothing(fiks: Fiks) -> None:
    said = fiks("up", code=1, PATH="/nowhere")
    assert "kafka: Kafka needs a JDK 17 or newer and Apache Maven" in said
    assert "Install them" in said
    assert not fiks.bad_status()["running"]


def test_whoever_waits_for_a_system_that_is_stopped_is_told_so(fiks: Fiks, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexec /bin/sleep 1000\n")  # so that it is never up
    java.chmod(0o755)
    with fiks.begin("up", PATH=str(tmp_path)) as starting:
        while "processes" not in fiks.bad_status():
            assert starting.poll() is None
        with fiks.begin("up") as waiting:
            assert waiting.stdout
            assert "running already" in waiting.stdout.readline()
            fiks("down")
            told = [(*command.communicate(timeout=60), command.returncode) for command in (starting, waiting)]
    for said, _, code in told:
        assert "Error: it was stopped meanwhile, by fiks down or a signal" in said
        assert code == 1

    lines = [line.partition(" ")[2] for line in fiks("logs", "supervisor").splitlines()]
    assert lines[0].startswith("starting the system in ")
    assert lines[1:] == ["stopping, as told by SIGTERM", "stopped"]


def test_a_kill_leaves_nothing_and_the_next_up_recovers(fiks: Fiks) -> None:
    for victim in ("guard", "supervisor"):
        fiks("up")
        status = fiks.status()
        assert status["healthy"]
        whole = family(status["guard"])
        assert {"java", "postgres", "sleep"} <= set(names(whole))
        os.kill(status[victim], signal.SIGKILL)
        assert_gone(whole)
        fiks("status", code=1)


async def one(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        result: int = await connection.fetchval("select 1")
        return result
    finally:
        await connection.close()


async def with_a_projection_without_tables(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
        await connection.execute("insert into projection (name, live, logic) values ('audit', 1, 1)")
    finally:
        await connection.close()


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def names(processes: list[psutil.Process]) -> Iterator[str]:
    """Of those that are still there: PostgreSQL's come and go."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            yield process.name()


def assert_gone(processes: list[psutil.Process]) -> None:
    """All have ended within half a minute (a zombie has: its new parent has yet to ask for it)."""
    deadline = time.monotonic() + 30
    while left := [process for process in processes if _lives(process)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
