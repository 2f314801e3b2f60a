"""The connection to PostgreSQL, and which of its errors mean that it is away and not that we are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
from asyncpg.exceptions import InternalClientError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection, Pool = asyncpg.Connection, asyncpg.Pool

SESSION = {
    # A worker that is frozen inside a transaction must not keep its partition: PostgreSQL cuts it off.
    "idle_in_transaction_session_timeout": "3s",
    "lock_timeout": "2s",
    "statement_timeout": "30s",
}

INFRASTRUCTURE: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # also what a closed connection raises, and what hides the true cause
    InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UndefinedTableError,  # tables that somebody dropped: a rebuild brings them back
    asyncpg.InvalidSchemaNameError,
)


def pool_of(dsn: str, most: int, *, least: int = 1, timeout: float = 60) -> Pool:
    """Connections that give up rather than hold others up; await it, or enter it. ``timeout`` is that of connecting.

    Use it for statements and transactions alone: a connection comes back as it was left, which saves a round trip.
    """
    return asyncpg.create_pool(
        dsn, min_size=least, max_size=most, timeout=timeout, server_settings=SESSION, reset=_leave
    )


async def _leave(_connection: Connection) -> None:
    """Nothing of a transaction outlives it, so there is nothing to reset."""
