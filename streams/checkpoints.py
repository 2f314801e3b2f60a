"""The checkpoint of a reader of the log: one row a partition, locked by whoever writes. Nothing else guards them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord, TopicPartition

from infra.database import Connection

START = """
    insert into checkpoint (name, version, topic, partition)
    select $1, $2, * from unnest($3::text[], $4::int[]) on conflict do nothing
"""
LOAD = """
    select c.topic, c.partition, c.next_offset from checkpoint c
    join unnest($3::text[], $4::int[]) as wanted (topic, partition) using (topic, partition)
    where c.name = $1 and c.version = $2
"""
LOCK = """
    select next_offset from checkpoint where name = $1 and version = $2 and topic = $3 and partition = $4 for update
"""
MOVE = """
    update checkpoint set next_offset = $5 where name = $1 and version = $2 and topic = $3 and partition = $4
"""


async def load(
    connection: Connection, name: str, partitions: Sequence[TopicPartition], version: int = 1
) -> Mapping[TopicPartition, int]:
    """The next offset of each partition; one that was never read starts at 0."""
    columns = [[one.topic for one in partitions], [one.partition for one in partitions]]
    await connection.execute(START, name, version, *columns)
    rows = await connection.fetch(LOAD, name, version, *columns)
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def lock(connection: Connection, name: str, topic: str, partition: int, version: int = 1) -> int | None:
    """The next offset, with its row locked until the transaction ends; None when there is no such row."""
    offset: int | None = await connection.fetchval(LOCK, name, version, topic, partition)
    return offset


async def move(
    connection: Connection, name: str, record: ConsumerRecord[bytes, bytes], next_offset: int, version: int = 1
) -> None:
    """Say that everything below ``next_offset`` in the record's partition was applied."""
    await connection.execute(MOVE, name, version, record.topic, record.partition, next_offset)
