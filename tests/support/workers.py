"""This release's tables, and worker processes that fill them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg

from infra.database import Connection
from infra.local.processes import leashed
from infra.migrate import migrate
from infra.settings import Settings
from projections import versions
from projections.projection import projections
from tests.support.eventually import eventually_found

WORK = "import asyncio; from infra.settings import Settings; from projections.worker import ROLES, work; "


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
    """A worker process, once it has begun to decide about the configuration: no call waits for it to start."""
    environment = os.environ | {"FIKS_KAFKA": settings.kafka, "FIKS_POSTGRES": settings.postgres}
    environment["FIKS_STATE"] = str(settings.state)
    program = f"{WORK}asyncio.run(work(Settings(), {roles}))"
    made = await asyncio.create_subprocess_exec(*leashed((sys.executable, "-c", program)), env=environment)
    try:
        await eventually_found(partial(_has_begun, settings.postgres))
        yield
    finally:
        made.terminate()
        await made.wait()


async def _has_begun(dsn: str) -> bool:
    """Whether some worker has claimed partitions as that decider, by the checkpoints that it makes then."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetch("select from checkpoint where name = 'decider:konfigurasjon'"))
    finally:
        await connection.close()
