"""The database is made anew, or put back to what it was, under a running worker: all comes back from the log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.topics import NOKKEL
from tests.support.backbone import Backbone
from tests.support.eventually import eventually_found
from tests.support.records import distinct
from tests.support.stack import with_database
from tests.support.workers import install_tables

MANY = 30
"""Letters or keys, so that every partition has some, and those that come later lie on a few of them."""


class Server:
    """The server of a system's database, whose content is exchanged."""

    def __init__(self, system: Backbone) -> None:
        self._system, self._dsn = system, system.settings.postgres
        self._name = urlsplit(self._dsn).path.removeprefix("/")

    async def back_up(self) -> None:
        """Keep what the database holds now. No worker may have it open."""
        await self._system.connection.close()
        await self._said(f"create database backup_{self._name} template {self._name}")
        await self._connect()

    async def lose(self) -> None:
        """An empty database with this release's tables is there now."""
        await self._exchange("template0")
        await install_tables(self._system.connection)

    async def restore(self) -> None:
        """What was kept is there now, and nothing that came later."""
        await self._exchange(f"backup_{self._name}")
        await self._said(f"drop database backup_{self._name}")

    async def _exchange(self, template: str) -> None:
        name = self._name
        await self._said(f"drop database {name} with (force)", f"create database {name} template {template}")
        await self._connect()

    async def _connect(self) -> None:
        self._system.connection = await asyncpg.connect(self._dsn)

    async def _said(self, *statements: str) -> None:
        connection = await asyncpg.connect(with_database(self._dsn, "postgres"))
        for one in statements:
            await connection.execute(one)
        await connection.close()


Happens = Callable[[Server], Awaitable[None]]
FORGETS = pytest.mark.parametrize("happens", [Server.lose, Server.restore])


@FORGETS
async def test_what_a_database_forgot_comes_back_by_itself(system: Backbone, happens: Happens) -> None:
    async with filled(system, happens) as (server, ids, late):
        kept, gone = await keys_of(system)
        before = await known(system)

        await happens(server)

        await is_all_there(system, ids, late)
        await eventually_found(lambda: are_known(system, kept, gone))
        await eventually_found(lambda: is_known(system, before))


@FORGETS
async def test_what_comes_as_the_database_forgot_is_decided_once_and_old_keys_are_not_passed_over(
    system: Backbone, happens: Happens
) -> None:
    async with filled(system, happens) as (server, ids, late):
        kept, gone = await keys_of(system)
        sending = asyncio.create_task(keep_sending(system, until := asyncio.Event()))

        await happens(server)

        until.set()
        ids += [*await sending, *await system.send(MANY)]
        late.extend(await overdue(system, 3))
        await is_all_there(system, ids, late)
        await eventually_found(lambda: are_known(system, kept, gone))
    said = Counter((one.key, dict(one.headers)["ce_type"]) for one in distinct(system.records()))
    assert {said[str(one).encode(), b"ForsendelseAkseptert"] for one in [*ids, *late]} == {1}
    assert {said[str(one).encode(), b"FristUtlopt"] for one in late} == {1}


@asynccontextmanager
async def filled(system: Backbone, happens: Happens) -> AsyncIterator[tuple[Server, list[UUID], list[UUID]]]:
    """A worker that has carried some letters, of which some ended by their deadline, and before them, where a backup
    will be put back, what that knows.
    """
    server, ids = Server(system), list[UUID]()
    if happens is Server.restore:
        async with working(system):
            ids += await system.send(MANY)
            await is_all_there(system, ids, [])
        await server.back_up()
    async with working(system):
        ids += await system.send(MANY)
        await is_all_there(system, ids, late := await overdue(system, 3))
        yield server, ids, late


@asynccontextmanager
async def working(system: Backbone) -> AsyncIterator[None]:
    """A worker process with all roles, which must not end: nothing is wrong with it."""
    worker = await system.worker_process()
    assert worker.stderr is not None
    log = asyncio.create_task(worker.stderr.read())
    try:
        yield
        assert worker.returncode is None
    finally:
        if worker.returncode is None:
            worker.terminate()
        print((await log).decode()[-20_000:])
        await worker.wait()


async def overdue(system: Backbone, count: int) -> list[UUID]:
    """Letters whose deadline passes at once."""
    return await system.send(count, lesefrist_timer=0)


async def keep_sending(system: Backbone, until: asyncio.Event) -> list[UUID]:
    """The letters that were sent until then."""
    ids: list[UUID] = []
    while not until.is_set():
        ids += await system.send(1)
        await asyncio.sleep(0.01)
    return ids


async def is_all_there(system: Backbone, ids: list[UUID], late: list[UUID]) -> None:
    """Wait until every letter has ended, as far as it goes by itself, and all on the log is decided and projected."""

    async def have_ended() -> bool:
        sent, printed = await system.statuser(ids), await system.statuser(late)
        return sent["SENDT_ALTINN"] == len(ids) and printed["SENDT_PRINT"] == len(late)

    await eventually_found(have_ended)
    await system.until_quiet()


async def keys_of(system: Backbone) -> tuple[set[str], set[str]]:
    """Keys, half of which were destroyed again, once the table knows."""
    names = [f"test:{uuid4()}" for _ in range(MANY)]
    kept, gone = set(names[::2]), set(names[1::2])
    await asyncio.gather(*map(system.log.keys.create, names))
    await asyncio.gather(*map(system.log.keys.destroy, gone))
    await eventually_found(lambda: are_known(system, kept, gone))
    return kept, gone


async def are_known(system: Backbone, kept: set[str], gone: set[str]) -> bool:
    """Whether the table has all keys that there are, and none that is not."""
    there = {row["name"] for row in await system.connection.fetch("select name from nokkel")}
    destroyed = {row["name"] for row in await system.connection.fetch("select name from nokkel_slettet")}
    said = {one.key.decode(): one.value for one in system.records(NOKKEL.name) if one.key != b"~"}
    return (
        kept <= there
        and gone <= destroyed
        and there == {name for name, value in said.items() if value and name not in destroyed}
    )


async def known(system: Backbone) -> dict[str, Any]:
    """What the deciders and the projections know."""
    return {
        table: [tuple(row) for row in await system.connection.fetch(f"select * from {table} order by 1, 2, 3")]
        for table in ("journal", "frist", "read.svarut_status")
    }


async def is_known(system: Backbone, before: dict[str, Any]) -> bool:
    """Whether they know the same again."""
    return await known(system) == before
