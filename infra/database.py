"""The connection to PostgreSQL, and which of its errors mean that it is away, or refuses, and not that we are wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

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

BY_KEY = SESSION | {
    # A statement is planned once a connection, whatever it is given, and never for a scan or a hash of a whole table: a
    # plan that was made while the table was small lives for minutes in which it may have grown a lot.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Of who asks the same few things again and again, nearly all of rows that are looked up by key or index."""

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
    asyncpg.InvalidCatalogNameError,  # a database that is being made anew
    asyncpg.InvalidAuthorizationSpecificationError,  # it does not let us in: another password, say
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a database that takes no connections
    asyncpg.ReadOnlySQLTransactionError,  # a standby, before it is promoted
    asyncpg.PostgresSystemError,  # its disk fails, or is gone
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
)


ANSWER = 15.0
"""Seconds in which PostgreSQL must answer what is asked by a pool itself, the wait for a connection included. One that
is frozen would say nothing for ever, and keep whoever asks waiting as long.
"""


class _Pool(asyncpg.Pool):
    """Raises TimeoutError where no answer comes; the connection comes back by itself, should PostgreSQL do."""

    async def fetch(self, *args: Any, **named: Any) -> Any:
        return await _answered(super().fetch(*args, **named))

    async def fetchrow(self, *args: Any, **named: Any) -> Any:
        return await _answered(super().fetchrow(*args, **named))

    async def fetchval(self, *args: Any, **named: Any) -> Any:
        return await _answered(super().fetchval(*args, **named))

    async def execute(self, *args: Any, **named: Any) -> Any:
        return await _answered(super().execute(*args, **named))


async def _answered(asking: Coroutine[Any, Any, Any]) -> Any:
    """The answer, if it comes in time. Who asked is not waited for: a query that is cancelled asks PostgreSQL too."""
    task = asyncio.create_task(asking)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait({task}, timeout=ANSWER)
    finally:
        if not task.done():
            task.cancel()
    if task.done():
        return task.result()
    raise TimeoutError("PostgreSQL does not answer")


def pool_of(dsn: str, most: int, *, least: int = 1, timeout: float = 60, session: Mapping[str, str] = SESSION) -> Pool:
    """Connections that give up rather than hold others up; await it, or enter it. ``timeout`` is that of connecting,
    ``session`` SESSION or BY_KEY.

    Use it for statements and transactions alone: a connection comes back as it was left, which saves a round trip.
    """

    async def look(connection: Connection) -> None:
        if getattr(connection.get_settings(), "default_transaction_read_only", "off") == "on":
            # It was begun while the database took nothing, and stays so whatever becomes of that.
            await pool.expire_connections()

    pool = _Pool(
        dsn,
        init_size=None,
        min_size=least,
        max_size=most,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        connect=None,
        setup=look,
        init=None,
        reset=_leave,
        loop=None,
        timeout=timeout,
        server_settings=dict(session),
    )
    return pool


async def _leave(_connection: Connection) -> None:
    """Nothing of a transaction outlives it, so there is nothing to reset."""
