"""A step moves checkpoints from where they are believed to be, and writes what goes with that, or does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from infra.database import Connection
from streams import checkpoints
from streams.checkpoints import Step
from tests.support.workers import install_tables

NAME, TOPIC = "reader", "fiks.svarut"
ALSO = ("told as (insert into told select $7::int from agreed)",)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """To a database in which the reader has read 5 records of partition 0 and 7 of partition 1."""
    made = await asyncpg.connect(database)
    await install_tables(made)
    await made.execute("create table told (number int)")
    for partition, at in ((0, 5), (1, 7)):
        await made.execute("insert into checkpoint values ($1, 1, $2, $3, $4)", NAME, TOPIC, partition, at)
    yield made
    await made.close()


def step(partition: int, at: int, to: int, version: int = 1) -> Step:
    return Step(NAME, version, TOPIC, partition, at, to)


async def positions(connection: Connection) -> list[int]:
    rows = await connection.fetch("select next_offset from checkpoint where name = $1 order by partition", NAME)
    return [row["next_offset"] for row in rows]


async def told(connection: Connection) -> list[int]:
    return [row["number"] for row in await connection.fetch("select number from told")]


async def test_all_move_and_what_goes_with_them_is_written(connection: Connection) -> None:
    assert await checkpoints.step(connection, [step(1, 7, 9), step(0, 5, 6)], ALSO, 1)
    assert await positions(connection) == [6, 9]
    assert await told(connection) == [1]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(step(1, 6, 9), id="lies-further"),
        pytest.param(step(1, 8, 9), id="lies-before"),
        pytest.param(step(1, 7, 9, version=2), id="of-another-version"),
        pytest.param(step(2, 0, 1), id="is-not-there"),
    ],
)
async def test_nothing_is_done_where_one_is_elsewhere(connection: Connection, other: Step) -> None:
    assert not await checkpoints.step(connection, [step(0, 5, 6), other], ALSO, 1)
    assert await positions(connection) == [5, 7]
    assert await told(connection) == []


@pytest.mark.parametrize("unless", [True, False])
async def test_nothing_is_done_under_a_condition_of_the_caller_s(connection: Connection, unless: bool) -> None:
    assert await checkpoints.step(connection, [step(0, 5, 6)], ALSO, 1, unless=str(unless)) is not unless
    assert await positions(connection) == [5 if unless else 6, 7]
    assert await told(connection) == ([] if unless else [1])


@pytest.mark.parametrize("commits", [True, False])
async def test_it_waits_for_who_holds_the_lock_and_sees_what_that_did(
    connection: Connection, database: str, commits: bool
) -> None:
    other = await asyncpg.connect(database)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("update checkpoint set next_offset = 6 where name = $1 and partition = 0", NAME)
    stepping = asyncio.create_task(checkpoints.step(connection, [step(0, 5, 8)], ALSO, 1))
    while not await other.fetchval("select exists (select from pg_locks where not granted)"):
        await asyncio.sleep(0.01)
    await (transaction.commit if commits else transaction.rollback)()
    assert await stepping is not commits
    assert (await positions(other))[0] == (6 if commits else 8)
    assert await told(other) == ([] if commits else [1])
    await other.close()


async def test_of_many_who_step_from_the_same_place_one_does(connection: Connection, database: str) -> None:
    pool = await asyncpg.create_pool(database, min_size=8, max_size=8)

    async def one(number: int) -> bool:
        async with pool.acquire() as own:
            return await checkpoints.step(own, [step(0, 5, 6), step(1, 7, 8)], ALSO, number)

    outcomes = await asyncio.gather(*map(one, range(8)))
    assert sum(outcomes) == 1
    assert await told(connection) == [outcomes.index(True)]
    await pool.close()
