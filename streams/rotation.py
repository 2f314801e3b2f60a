"""Rotation of the key that wraps the data keys: a new generation wraps all of them, and no content is touched.

Once nothing is wrapped with an old generation it can be dropped: then copies of wrapped keys, wherever they linger
(Kafka's files, PostgreSQL's heap and write-ahead log, backups), can be opened by nobody.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from infra.database import ANSWER, Pool
from infra.keks import Keks
from infra.keys import Table, say
from streams.log import Log

AT_ONCE = 1000

OLDER = "select name, wrapped from nokkel where name > $1 and generation <> $2 order by name limit $3"
USED = "select distinct generation from nokkel"


class Rotation:
    """What an operator can do to the generations. ``table`` is read through ``pool``."""

    def __init__(self, keks: Keks, log: Log, pool: Pool, table: Table) -> None:
        self._keks, self._log, self._pool, self._table = keks, log, pool, table

    async def rewrap(self) -> int:
        """Wrap every data key with the newest generation. Returns how many had an older one.

        Raises Unavailable when something is away; the next call goes on. A key that is destroyed meanwhile stays so.
        """
        done = 0
        while count := await self._round():
            done += count
        return done

    async def retire(self) -> set[int]:
        """Drop the generations that wrap nothing any more, but for the newest. Returns their numbers."""
        await self._table.catch_up()
        known = await self._keks.generations()
        used = {row["generation"] for row in await self._read(USED)}
        if unused := known - used - {max(known)}:
            await self._keks.forget(unused)
        return unused

    async def _round(self) -> int:
        """Once through the table, after it has caught up: others may have wrapped with the old generation until now."""
        await self._table.catch_up()
        newest, last, count = max(await self._keks.generations()), "", 0
        while rows := await self._read(OLDER, last, newest, AT_ONCE):
            keys = await self._keks.unwrap({row["name"]: row["wrapped"] for row in rows})
            again = {name: await self._keks.wrap(name, key) for name, key in keys.items()}
            await asyncio.gather(*(say(self._log, name, wrapped) for name, wrapped in again.items()))
            last, count = rows[-1]["name"], count + len(rows)
        return count

    async def _read(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """The rows of a statement that may have to read the whole table, and has all the time that it takes."""
        async with self._pool.acquire(timeout=ANSWER) as connection, connection.transaction():
            await connection.execute("set local statement_timeout = 0")
            return await connection.fetch(statement, *args)
