"""PostgreSQL that neither answers nor goes away."""

from __future__ import annotations

import asyncio
import shutil
import signal
from uuid import uuid4

import psutil
import pytest

from gateway.leases import Leases
from infra.database import INFRASTRUCTURE, pool_of
from tests.support.stack import OwnPostgres, temporary_folder


async def test_who_asks_one_that_is_frozen_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_folder() as folder:
        postgres = OwnPostgres(folder)
        await postgres.start()
        pool = await pool_of(postgres.dsn, 2)
        assert await pool.fetchval("select 1") == 1
        [server] = [
            one
            for one in psutil.Process().children()
            if str(folder) in " ".join(one.cmdline()) and "postgres" in one.name()
        ]
        family = [server, *server.children(recursive=True)]
        for one in family:
            one.send_signal(signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr("infra.database.ANSWER", 0.3)
            for _ in range(3):  # more often than there are connections
                with pytest.raises(TimeoutError):
                    await pool.fetch("select 1")
            leases = Leases(pool, uuid4())
            for asking in (leases.release([], [uuid4()]), leases.adopt(uuid4())):
                with pytest.raises(TimeoutError):
                    await asking
        for one in family:
            one.send_signal(signal.SIGCONT)
        assert await asyncio.gather(*(pool.fetchval("select 1") for _ in range(3))) == [1, 1, 1]
        await pool.close()
        await postgres.stop()


async def test_one_whose_disk_is_gone_is_away() -> None:
    with temporary_folder() as folder:
        postgres = OwnPostgres(folder)
        await postgres.start()
        pool = await pool_of(postgres.dsn, 1)
        await pool.execute("create table letters (id int); insert into letters values (1)")
        shutil.rmtree(folder / "postgres" / "data")
        with pytest.raises(INFRASTRUCTURE):
            await pool.execute("truncate letters")
        await pool.close()
        await postgres.kill()
