"""Who holds what of the queues, and who may take it over: a holder lives as long as its session says so."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.leases import ANSWERED, Held, Leases, alive
from infra.database import INFRASTRUCTURE, Pool, pool_of
from infra.migrate import migrate
from projections import versions
from projections.fiks_io import fiks_io
from tests.support.eventually import eventually, eventually_found
from tests.support.stack import OwnPostgres, temporary_folder


class Store(NamedTuple):
    """Where leases are, and a holder of one."""

    dsn: str
    pool: Pool
    holder: UUID
    held: Held

    def of(self, holder: UUID) -> Leases:
        return Leases(self.pool, holder)


FROZEN = """
import asyncio, sys, uuid
from gateway import leases

async def live():
    leases.SILENCE, leases.BEAT = 3.0, 0.2
    async with leases.alive(sys.argv[1], uuid.UUID(sys.argv[2]), {leases.CHANNEL: lambda *_: None}) as life:
        print("alive", flush=True)
        await life.ended()

asyncio.run(live())
"""
"""A process that shows that a holder lives."""
FLOOD = "select pg_notify('fiks_io', gen_random_uuid()::text) from generate_series(1, 2000)"


@pytest_asyncio.fixture
async def store(database: str) -> AsyncIterator[Store]:
    connection = await asyncpg.connect(database)
    await migrate(connection)
    async with connection.transaction():
        await versions.install(connection, fiks_io)
    await connection.close()
    async with pool_of(database, 2) as pool:
        made = Store(database, pool, uuid4(), Held(uuid4(), uuid4(), uuid4()))
        await made.of(made.holder).renew([made.held])
        yield made


async def test_what_one_who_lives_has_is_not_taken_over(store: Store) -> None:
    """Who takes it for dead may have stood still since it looked."""
    heir = store.of(uuid4())
    async with alive(store.dsn, store.holder, {}):
        assert await heir.is_alive(store.holder)
        assert await heir.adopt(store.holder) == []
        assert store.holder in await heir.others()
        assert await store.of(store.holder).held(-1) == [store.held]


async def test_who_comes_back_knows_whether_it_was_taken_for_dead(store: Store) -> None:
    heir = store.of(uuid4())
    async with alive(store.dsn, store.holder, {}) as first:
        assert first.is_new
    async with alive(store.dsn, store.holder, {}) as again:
        assert not again.is_new
    await eventually_found(lambda: _is_dead(heir, store.holder))
    assert [one.held for one in await heir.adopt(store.holder)] == [store.held]
    assert await heir.others() == set()
    async with alive(store.dsn, store.holder, {}) as woken:
        assert woken.is_new
        assert await store.of(store.holder).held(-1) == []


async def _is_dead(heir: Leases, holder: UUID) -> bool:
    """PostgreSQL may not have noticed yet that the session is gone."""
    return not await heir.is_alive(holder)


@pytest.mark.parametrize("number", [0, 1, 200, 201, 450])
async def test_whom_a_holder_has_answered_is_told_however_many_they_are(store: Store, number: int) -> None:
    """Nobody, too: so a holder shows that it is there."""
    messages, told = [uuid4() for _ in range(number)], list[str]()
    async with alive(store.dsn, store.holder, {ANSWERED: lambda *said: told.append(said[-1])}):
        await store.of(other := uuid4()).say_answered(messages)
        await eventually(lambda: told and sum(len(one.split()) - 1 for one in told) == number)
    assert {one.split()[0] for one in told} == {str(other)}
    assert [id_ for one in told for id_ in one.split()[1:]] == [str(one) for one in messages]


async def test_a_session_that_says_nothing_is_ended_and_its_holder_hears_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.leases.SILENCE", 3.0)
    monkeypatch.setattr("gateway.leases.BEAT", 1000.0)
    async with alive(store.dsn, store.holder, {}) as life:
        await life.ended()
        await eventually_found(lambda: _is_dead(store.of(uuid4()), store.holder))


async def test_a_frozen_holder_is_dead_though_postgresql_is_stuck_in_what_it_tells_it(store: Store) -> None:
    argv = (sys.executable, "-c", FROZEN, store.dsn, str(store.holder))
    frozen = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert frozen.stdout
    assert await frozen.stdout.readline()
    frozen.send_signal(signal.SIGSTOP)
    for _ in range(50):
        await store.pool.execute(FLOOD)
    while await store.of(uuid4()).is_alive(store.holder):
        await asyncio.sleep(0.1)
    frozen.kill()
    await frozen.wait()


async def test_a_sign_of_life_that_is_not_answered_ends_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.leases.ANSWER", 1e-9)
    async with alive(store.dsn, store.holder, {}) as life:
        with pytest.raises(INFRASTRUCTURE):
            await life.ended()


@pytest.mark.parametrize(("dead_for", "certain"), [(1000.0, True), (0.0, False)])
async def test_who_said_nothing_for_too_long_is_certain_of_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, dead_for: float, certain: bool
) -> None:
    monkeypatch.setattr("gateway.leases.DEAD_FOR", dead_for)
    async with alive(store.dsn, store.holder, {}) as life:
        assert life.is_certain is certain


async def test_a_crash_forgets_leases_and_what_is_doubted_together_and_all_before_it_is_doubted_then() -> None:
    with temporary_folder() as folder:
        postgres = OwnPostgres(folder)
        await postgres.start()
        try:
            assert await doubted_after(postgres.dsn, {0: 7, 1: 0}, {0: 8, 1: 1}) == {0: 7, 1: 0}
            await postgres.restart()
            assert await doubted_after(postgres.dsn, {0: 9, 1: 2}) == {0: 9, 1: 2}
        finally:
            await postgres.stop()


async def doubted_after(dsn: str, *ends: dict[int, int]) -> dict[int, int]:
    """What is doubted once gateways have come that found the log to end there. Nobody holds a lease before."""
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    assert not await connection.fetchval("select exists (select from lease)")
    async with pool_of(dsn, 2) as pool:
        leases = Leases(pool, uuid4())
        for one in ends:
            await leases.doubt(one)
        await leases.renew([Held(uuid4(), uuid4(), uuid4())])
    found = dict(await connection.fetch("select partition, next_offset from doubt"))
    await connection.close()
    return found


async def test_an_upgrade_doubts_nothing(store: Store) -> None:
    """What was handed out before it has its leases."""
    await store.pool.execute("drop table doubt; delete from migration where name = '0010_doubt'")
    connection = await asyncpg.connect(store.dsn)
    assert await migrate(connection) == ["0010_doubt"]
    await connection.close()
    await store.of(store.holder).doubt({3: 9})
    assert set(await store.pool.fetch("select next_offset from doubt")) == {(0,)}
