"""Everything that lies on a topic, read by a client that is not ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from infra.ends import watermarks


class Record(NamedTuple):
    """A record as the log has it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def distinct(records: Iterable[Record]) -> list[Record]:
    """Each event once, where it first lies, however often it is repeated under its id, as by one that stood still and
    then carries a batch again.
    """
    found: dict[bytes, Record] = {}
    for one in records:
        found.setdefault(dict(one.headers)["ce_id"], one)
    return list(found.values())


def records_on(bootstrap: str, topic: str) -> list[Record]:
    """The records of all partitions up to the ends that they have now, in order within each."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {one: watermarks(consumer, TopicPartition(topic, one))[1] for one in partitions}
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    found: list[Record] = []
    while (left := sum(ends.values()) - len(found)) > 0:
        for one in consumer.consume(min(1000, left), timeout=1):  # it would wait for what does not come
            if one.error() is None and one.offset() < ends[one.partition()]:
                headers = list(one.headers() or [])
                found.append(
                    Record(topic, one.partition(), one.offset(), one.key() or b"", one.value() or b"", headers)
                )
    consumer.close()
    return sorted(found)
