"""Debian's RabbitMQ and amqp-consume, unpacked and not installed.

RabbitMQ's start script insists on a port mapper, which would outlive it: ours runs in the foreground and is stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from infra.local.processes import Check, Process, Running
from tests.support.debian import libraries_in, unpacked
from tests.support.ports import free_port

ERLANG = (
    "asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools ssl syntax-tools tftp tools"
)
PACKAGES = (
    "rabbitmq-server",
    "amqp-tools",
    "librabbitmq4",
    "libpopt0",
    *(f"erlang-{one}" for one in f"{ERLANG} xmerl".split()),
)
QUIET = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
PATIENCE = 120.0


async def packages() -> Path:
    """The folder of the packages. Skips the test where they cannot be had."""
    return await unpacked("rabbitmq", PACKAGES)


def user(name: str, password: str, *, reads: str = ".*", writes: str = ".*", configures: str = "^$") -> dict[str, Any]:
    """Definitions of a user who may read, write and make what matches."""
    salt = b"salt"
    hashed = b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    account = {"name": name, "password_hash": hashed, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}
    may = {"user": name, "vhost": "/", "configure": configures, "read": reads, "write": writes}
    return {"users": [account], "permissions": [may]}


def amqp_consume(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command, and the environment that it needs."""
    return [str(folder / "usr/bin/amqp-consume")], os.environ | {"LD_LIBRARY_PATH": libraries_in(folder)}


@asynccontextmanager
async def running_rabbitmq(folder: Path, definitions: dict[str, Any]) -> AsyncIterator[int]:
    """The port of a RabbitMQ of the test's own, in the clear, with the users and queues that are given."""
    unpacked_in = await packages()
    port, mapper_port = free_port(), free_port()
    erlang = _erlang(unpacked_in, folder)
    mapper = Process(
        "epmd",
        (str(next(erlang.glob("erts-*/bin/epmd"))), "-port", str(mapper_port), "-address", "127.0.0.1"),
        port=mapper_port,
    )
    (script,) = unpacked_in.glob("usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server")
    (folder / "definitions.json").write_text(json.dumps(definitions))
    env = _environment(erlang, folder, port) | {"ERL_EPMD_PORT": str(mapper_port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    broker = Process("rabbitmq", (str(script),), env=env, ready=_answers(port), patience=PATIENCE)
    started: list[Running] = []
    try:
        for process in (mapper, broker):
            started.append(Running(process, folder / f"{process.name}.log"))
            await started[-1].wait_until_healthy()
        yield port
    finally:
        for one in reversed(started):
            if one.exit_code is None:
                await one.stop()


def _erlang(packages: Path, folder: Path) -> Path:
    """Erlang's root, with a start script of the test's own: Debian's says where it must be installed."""
    erlang, script = packages / "usr/lib/erlang", folder / "bin" / "erl"
    script.parent.mkdir()
    text = (erlang / "bin" / "erl").read_text()
    script.write_text(text.replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={erlang}"))
    script.chmod(0o755)
    return erlang


def _environment(erlang: Path, folder: Path, port: int) -> dict[str, str]:
    for name in ("conf-env", "enabled_plugins"):
        (folder / name).write_text("" if name == "conf-env" else "[].\n")
    said = (f"listeners.tcp.1 = 127.0.0.1:{port}", f"load_definitions = {folder / 'definitions.json'}")
    (folder / "rabbitmq.conf").write_text("\n".join(said) + "\n")
    (folder / "advanced.config").write_text("[].\n")
    return {
        "PATH": f"{folder / 'bin'}:{erlang / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"fiks{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "conf-env"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": QUIET,
    }


def _answers(port: int) -> Check:
    async def ready() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        await asyncio.sleep(0.2)
        return False

    return ready
