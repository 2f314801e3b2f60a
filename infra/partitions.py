"""Where on a topic a key lies."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(stream: str, partitions: int) -> int:
    """The partition that a stream lies on: Kafka's default partitioner over the key."""
    hashed: int = murmur2(stream.encode())
    return (hashed & 0x7FFFFFFF) % partitions
