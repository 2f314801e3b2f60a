"""Everything that lies on a topic, read by a client that is not ours."""

from __future__ import annotations

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

STARTING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


class Record(NamedTuple):
    """A record as the log has it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """Where the partition ends. A broker that has just started may not know for a moment that it leads it."""
    for _ in range(50):
        try:
            end: int = consumer.get_watermark_offsets(partition, timeout=10)[1]
            return end
        except KafkaException as fault:
            if fault.args[0].code() not in STARTING:
                raise
            time.sleep(0.1)
    raise TimeoutError(f"the broker does not lead {partition}")


def records_on(bootstrap: str, topic: str) -> list[Record]:
    """The records of all partitions up to the ends that they have now, in order within each."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = {one: _end(consumer, TopicPartition(topic, one)) for one in partitions}
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    found: list[Record] = []
    while len(found) < sum(ends.values()):
        for one in consumer.consume(1000, timeout=1):
            if one.error() is None and one.offset() < ends[one.partition()]:
                headers = list(one.headers() or [])
                found.append(
                    Record(topic, one.partition(), one.offset(), one.key() or b"", one.value() or b"", headers)
                )
    consumer.close()
    return sorted(found)
