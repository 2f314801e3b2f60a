"""This release's tables, and worker processes that fill them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from infra.database import Connection
from infra.local.processes import leashed
from infra.migrate import migrate
from infra.settings import Settings
from projections import versions
from projections.projection import projections

WORK = """
import asyncio
from infra import logs
from infra.settings import Settings
from projections.worker import ROLES, SWEEPER, work
from streams.agents import Carrier

roles = {roles}
missing, load = {{*roles}} - {{SWEEPER}}, Carrier.load

async def told(carrier, partitions):
    positions = await load(carrier, partitions)
    missing.discard(carrier.work.role)
    if not missing:
        print("begun", flush=True)
    return positions

Carrier.load = told
logs.configure()  # they go to standard error
asyncio.run(work(Settings(), roles))
"""
"""A worker that says when it has claimed partitions in every role that reads any."""


async def install_tables(connection: Connection) -> None:
    """Make this release's tables in an empty database."""
    await migrate(connection)  # type: ignore[arg-type]
    for projection in projections().values():
        async with connection.transaction():
            await versions.install(connection, projection)


async def prepare(dsn: str) -> None:
    """The same by its address."""
    connection = await asyncpg.connect(dsn)
    await install_tables(connection)
    await connection.close()


@asynccontextmanager
async def working(settings: Settings, roles: str = "ROLES") -> AsyncIterator[None]:
    """A worker process, once it has begun, whoever else is at work there: no call waits for it to start."""
    environment = os.environ | {"FIKS_KAFKA": settings.kafka, "FIKS_POSTGRES": settings.postgres}
    environment["FIKS_STATE"] = str(settings.state)
    made = await asyncio.create_subprocess_exec(
        *leashed((sys.executable, "-c", WORK.format(roles=roles))), env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert made.stdout
        assert await made.stdout.readline() == b"begun\n"
        yield
    finally:
        made.terminate()
        await made.wait()
