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
    """A worker process."""
    environment = os.environ | {"FIKS_KAFKA": settings.kafka, "FIKS_POSTGRES": settings.postgres}
    environment["FIKS_STATE"] = str(settings.state)
    program = f"{WORK}asyncio.run(work(Settings(), {roles}))"
    made = await asyncio.create_subprocess_exec(*leashed((sys.executable, "-c", program)), env=environment)
    try:
        yield
    finally:
        made.terminate()
        await made.wait()
