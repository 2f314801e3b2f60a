"""PostgreSQL that neither answers nor goes away."""

from __future__ import annotations

import asyncio
import shutil
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from gateway.leases import Leases
from infra.database import BY_KEY, INFRASTRUCTURE, SESSION, pool_of
from tests.support.stack import OwnPostgres, temporary_folder


async def test_who_asks_one_that_is_frozen_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_folder() as folder:
        postgres = OwnPostgres(folder)
        await postgres.start()
        pool = await pool_of(postgres.dsn, 2)
        assert await pool.fetchval("select 1") == 1
        postgres.pause()
        with monkeypatch.context() as patch:
            patch.setattr("infra.database.ANSWER", 0.3)
            for _ in range(3):  # more often than there are connections
                with pytest.raises(TimeoutError):
                    await pool.fetch("select 1")
            leases = Leases(pool, uuid4())
            for asking in (leases.release([], [uuid4()]), leases.adopt(uuid4())):
                with pytest.raises(TimeoutError):
                    await asking
        postgres.resume()
        assert await asyncio.gather(*(pool.fetchval("select 1") for _ in range(3))) == [1, 1, 1]
        await pool.close()
        await postgres.stop()


async def test_one_whose_disk_is_gone_is_away() -> None:
    with temporary_folder() as folder:
        postgres = OwnPostgres(folder)
        await postgres.start()
        pool = await pool_of(postgres.dsn, 1)
        await pool.execute("create table letters (id int); insert into letters values (1)")
        postgres.pause()  # it would write more while that is removed
        shutil.rmtree(folder / "postgres" / "data")
        postgres.resume()
        with pytest.raises(INFRASTRUCTURE):
            await pool.execute("truncate letters")
        await pool.close()
        await postgres.kill()


async def test_what_was_begun_while_a_database_took_nothing_is_not_used_once_it_does(database: str) -> None:
    """A session stays as it was begun, for as long as the pool would keep it."""
    name = urlsplit(database).path.lstrip("/")
    async with pool_of(database, 2) as other:
        await other.execute(f"alter database {name} set default_transaction_read_only = on")
        async with pool_of(database, 2) as pool:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await pool.execute("create table letters (id int)")
            await other.execute(f"alter database {name} reset default_transaction_read_only")
            await pool.execute("create table letters (id int)")


async def test_a_row_is_looked_up_by_its_key_however_small_the_table_was_at_first(database: str) -> None:
    find = "explain select t.* from unnest($1::int[]) as u (id) join thing t using (id)"
    change = "explain update thing t set name = 'b' from unnest($1::int[]) as u (id) where t.id = u.id"
    used = {}
    for session in (SESSION, BY_KEY):
        async with pool_of(database, 1, session=session) as pool:
            await pool.execute("create temporary table thing (id int primary key, name text)")
            await pool.execute("insert into thing select number, 'a' from generate_series(1, 300) as of (number)")
            await pool.execute("analyze thing")
            plans = [str(await pool.fetch(statement, [1, 2, 3])) for statement in (find, change)]
            used[session is BY_KEY] = ["Seq Scan on thing" in plan for plan in plans]
            await pool.execute("drop table thing")
    assert used == {False: [True, True], True: [False, False]}


async def test_a_statement_is_planned_once(database: str) -> None:
    asked = "select 1 from unnest($1::int[])"
    async with pool_of(database, 1, session=BY_KEY) as pool:
        for number in range(10):
            await pool.fetch(asked, [1] * number)
        counted = await pool.fetchrow(
            "select custom_plans, generic_plans from pg_prepared_statements where statement = $1", asked
        )
    assert tuple(counted) == (0, 10)
