"""`fiks up | down | status | logs`: the local system from the terminal. Decides nothing: it starts, asks and shows."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import click
import psutil

from infra.local.record import HELD, Record
from infra.settings import Settings

WELL = ("healthy", "done")
STOP_PATIENCE = 120.0
POLL = 0.1
SILENCE = 10.0
"""Seconds of waiting after which it is said for what."""
HANGING = 60.0
"""Seconds for which `up` waits where all that is late is up and does not answer: it may again."""
OLD_LOGS = 5
"""Runs whose logs are kept beside those of the running one."""
STACK: tuple[str, ...] = (sys.executable, "-m", "infra.local.stack")


def adopt_running_stack() -> None:
    """Let commands typed by hand find the stack of this folder: its settings hold unless the environment has another.

    What the stack itself was asked for is not another: where a port was taken it got one that was free, and the
    password of PostgreSQL is its own.
    """
    record = _record()
    if (guard := record.holder()) is None:
        return
    asked = _environment_of(guard)
    for name, value in record.read().get("environment", {}).items():
        if os.environ.get(name) in (None, asked.get(name)):
            os.environ[name] = value


@click.command()
def up() -> None:
    """Start the local system in the background and wait until it is healthy.

    A port that is taken is replaced by a free one, and it is said which. A process that ends is started again; one that
    hangs is shown as unhealthy and left alone. Interrupted, only the waiting ends: the system goes on.
    """
    record = _record()
    started = _start(record) if record.holder() is None else None
    if started is None:
        click.echo("The local system is running already.")
    try:
        _show_until_well(record, started)
    except KeyboardInterrupt:
        click.echo("\nIt goes on in the background: fiks status shows how it is, fiks down stops it.", err=True)
        raise
    content = record.read()
    _show_replaced(content.get("replaced", {}))
    _show_addresses(content["addresses"])


@click.command()
def down() -> None:
    """Stop the local system and wait until all of it is gone."""
    record = _record()
    guard = record.holder()
    if guard is None:
        click.echo("The local system is not running.")
        return
    with contextlib.suppress(ProcessLookupError):  # killed: then the supervisor is stopping by itself
        os.kill(guard, signal.SIGTERM)
    give_up = time.monotonic() + STOP_PATIENCE
    while record.holder() == guard:
        if time.monotonic() > give_up:
            raise click.ClickException(
                f"it did not stop within {STOP_PATIENCE:g} s: see {record.logs}, or kill -9 {guard}"
            )
        time.sleep(POLL)
    click.echo("Stopped.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything, with all addresses, as JSON.")
def status(as_json: bool) -> None:
    """Show how the local system is. Exit code 0 only if all of it is healthy, no projection lost its tables, and no
    worker stands still at what a newer release wrote.
    """
    record = _record()
    running = record.holder() is not None
    content = record.read() if running else {}
    addresses = content.get("addresses", {})
    lost, blocked = (_lost(addresses["postgres"]), _blocked(addresses["metrics"])) if addresses else ([], {})
    healthy = running and _is_well(content) and not lost and not blocked
    if as_json:
        said = {"running": running, "healthy": healthy, "lost": lost, "blocked": blocked}
        click.echo(json.dumps(said | content, indent=2))
    elif running:
        for name, condition in content.get("processes", {}).items():
            click.echo(_line(name, condition))
        for name in lost:
            click.echo(f"{name:<12} tables are gone: fiks rebuild {name}")
        for name, roles in blocked.items():
            click.echo(f"{name:<12} needs a newer release, which wrote what is next for {', '.join(roles)}")
        _show_addresses(addresses)
    else:
        click.echo("The local system is not running: start it with fiks up.")
    sys.exit(0 if healthy else 1)


@click.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
def logs(name: str | None, follow: bool) -> None:
    """Print the logs of the local system, or those of NAME."""
    folder = _record().logs
    found = sorted(folder.glob(f"{name or '*'}.log"))
    if not found:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise click.ClickException(f"no log of that name in {folder}; there are: {known}")
    for lines in _reading(found):
        for line in lines:
            click.echo(line, nl=False)
        if not follow:
            return
        time.sleep(POLL)


def _environment_of(pid: int) -> dict[str, str]:
    """As it was started. Asked of the kernel, since a file would have to keep passwords."""
    try:
        return psutil.Process(pid).environ()
    except psutil.Error:
        return {}


def _record() -> Record:
    return Record(Settings().state.absolute())


def _start(record: Record) -> subprocess.Popen[bytes]:
    record.logs.mkdir(parents=True, exist_ok=True)
    for path in record.logs.glob("*.log"):
        _put_aside(path)
    with (record.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            STACK, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _put_aside(log: Path) -> None:
    """``NAME.log`` becomes ``NAME.log.1``, and so on; the oldest makes room."""
    for number in range(OLD_LOGS - 1, 0, -1):
        old = Path(f"{log}.{number}")
        if old.exists():
            old.rename(f"{log}.{number + 1}")
    log.rename(f"{log}.1")


def _show_until_well(record: Record, started: subprocess.Popen[bytes] | None) -> None:
    """One line a process, when it is well. Raises ClickException with the reason if the stack gives up."""
    begin, shown = time.monotonic(), set[str]()
    guard = started.pid if started else record.holder()
    waiting = _Waiting()
    while True:
        ended = started.poll() is not None if started else record.holder() != guard
        content = _told_by(guard, record)
        for name, condition in content.get("processes", {}).items():
            if condition["status"] in WELL and name not in shown:
                shown.add(name)
                click.echo(f"{_line(name, condition)}  {time.monotonic() - begin:5.1f} s")
        if _is_well(content):
            return
        if ended and started and started.returncode == HELD:
            started, guard = None, record.holder()  # another `fiks up` was faster: wait for that one
        elif ended:
            raise click.ClickException(_failure(record, content))
        waiting.look(content)
        time.sleep(POLL)


class _Waiting:
    """What is waited for: said where that takes long, and given up where nothing but a hanging process is left."""

    def __init__(self) -> None:
        self._late: dict[str, str] = {}
        self._since = time.monotonic()
        self._said = False

    def look(self, content: Mapping[str, Any]) -> None:
        """Raises ClickException when it is given up."""
        found = {name: condition["status"] for name, condition in content.get("processes", {}).items()}
        late = {name: status for name, status in found.items() if status not in (*WELL, "waiting")}
        now = time.monotonic()
        if late != self._late:
            self._late, self._since, self._said = late, now, False
        waited = now - self._since
        if late and waited > SILENCE and not self._said:
            self._said = True
            click.echo("waiting for " + ", ".join(f"{name} ({status})" for name, status in late.items()))
        if set(late.values()) == {"unhealthy"} and waited > HANGING:
            raise click.ClickException(
                f"{', '.join(late)} did not answer for {HANGING:g} s: see fiks logs; fiks down and fiks up begin anew"
            )


def _told_by(guard: int | None, record: Record) -> dict[str, Any]:
    """What stack.json says of the run under this guard; nothing where it speaks of another, which is gone."""
    content = record.read()
    return content if content.get("guard") == guard else {}


def _is_well(content: Mapping[str, Any]) -> bool:
    processes = content.get("processes", {})
    return bool(processes) and all(condition["status"] in WELL for condition in processes.values())


def _lost(postgres: str) -> list[str]:
    """The projections whose tables are gone. None where PostgreSQL does not tell, which shows by itself."""
    import asyncpg  # here and not above: no other command needs it, and all are quick

    from infra.database import INFRASTRUCTURE

    async def ask() -> list[str]:
        connection = await asyncpg.connect(postgres, timeout=5)
        try:
            return [row["name"] for row in await connection.fetch("select name from lost order by name")]
        finally:
            await connection.close()

    try:
        return asyncio.run(ask())
    except INFRASTRUCTURE:
        return []


def _blocked(metrics: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Of each worker that stands still, how many partitions by role. Nothing of one that does not answer, which shows
    by itself.
    """
    from infra.metrics import WORKER_BLOCKED, values_of  # here and not above, as in _lost

    found: dict[str, dict[str, int]] = {}
    for name, address in metrics.items():
        with (
            contextlib.suppress(OSError, HTTPException),
            urllib.request.urlopen(address, timeout=5) as answer,  # noqa: S310  # an address of our own
        ):
            values = values_of(WORKER_BLOCKED, answer.read().decode())
            if roles := {labels["role"]: int(value) for labels, value in values if value}:
                found[name] = roles
    return found


def _failure(record: Record, content: Mapping[str, Any]) -> str:
    reason: str | None = content.get("failure")
    if content.get("stopped"):
        return "it was stopped meanwhile, by fiks down or a signal"
    if reason is None:
        return f"the supervisor ended: see {record.logs / 'supervisor.log'}"
    log = record.logs / f"{reason.split(' ', maxsplit=1)[0].rstrip(':')}.log"
    tail = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n".join([reason, *(f"  {line}" for line in tail)])


def _line(name: str, condition: Mapping[str, Any]) -> str:
    restarts = f"  restarted {condition['restarts']} times" if condition["restarts"] else ""
    return f"{name:<12} {condition['status']:<10}{restarts}"


def _show_replaced(replaced: Mapping[str, tuple[int, int]]) -> None:
    """The ports that are not where they were wanted."""
    for setting, (wanted, got) in replaced.items():
        click.echo(f"{setting} {wanted} is taken: {got} instead")


def _show_addresses(addresses: Mapping[str, Any]) -> None:
    for name, address in addresses.items():
        for label, value in address.items() if isinstance(address, dict) else [("", address)]:
            click.echo(f"{f'{name} {label}'.strip():<20} {value}")


def _reading(paths: list[Path]) -> Iterator[list[str]]:
    """All that stands in the files, and each time it is asked again what was added; lines bear the file's name."""
    with_names = len(paths) > 1
    files = [(path.stem, path.open(errors="replace")) for path in paths]
    while True:
        yield [f"{name:<12} | {line}" if with_names else line for name, file in files for line in file]
