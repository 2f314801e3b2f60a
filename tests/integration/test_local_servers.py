"""The local Kafka and PostgreSQL: real, guarded by a password, hurt and healed."""

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

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
