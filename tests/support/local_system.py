"""The whole local system as `fiks up` starts it, on a state folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from infra.local.record import Record
from tests.support.ports import wanted_port
from tests.support.stack import temporary_folder


class System(NamedTuple):
    """A running system, and who may call it. ``files`` is its state folder, ``environment`` that of its commands."""

    addresses: dict[str, str]
    testvik: dict[str, str]
    provdal: dict[str, str]
    files: Path
    environment: dict[str, str]

    async def fiks(self, command: str, *options: str, code: int = 0) -> str:
        """What the command says, which ends with that code."""
        return await _fiks(command, self.environment, *options, code=code)


@asynccontextmanager
async def local_system() -> AsyncIterator[System]:
    """Started and seeded; stopped and removed at the end."""
    with temporary_folder() as state:
        # Gateways share their port with whoever listens there too, so another system's default port will not do.
        environment = os.environ | {"FIKS_STATE": str(state), "FIKS_GATEWAY_PORT": str(wanted_port())}
        try:
            await _fiks("up", environment)
            # Not of `fiks status`, which fails where one look at one process took too long.
            addresses = Record(state).read()["addresses"]
            testvik, provdal = json.loads((state / "seed.json").read_text())
            yield System(addresses, testvik, provdal, state, environment)
        finally:
            await _fiks("down", environment)


async def _fiks(command: str, environment: dict[str, str], *options: str, code: int = 0) -> str:
    argv = (sys.executable, "-m", "gateway.cli", command, *options)
    process = await asyncio.create_subprocess_exec(
        *argv, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()
