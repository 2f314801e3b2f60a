"""Reads a topic as a whole, once, up to where it ends now. For who looks for something; nobody folds by it."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Consumer, Message, TopicPartition

from streams.domain.errors import Unavailable
from streams.log import kafka_settings


def messages_of(bootstrap: str, name: str) -> Iterator[Message]:
    """Every record of the topic, oldest first within each partition. Raises Unavailable when the log falls silent."""
    consumer = Consumer(kafka_settings(bootstrap) | {"group.id": "fiks.whole", "enable.auto.commit": False})
    try:
        ends = {}
        for partition in consumer.list_topics(name, timeout=10).topics[name].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
            if high > low:
                ends[partition] = high
        consumer.assign([TopicPartition(name, partition, 0) for partition in ends])
        while ends:
            messages = consumer.consume(500, timeout=10.0)
            if not messages:
                raise Unavailable(f"the log stopped answering while {name} was read")
            for message in messages:
                if message.error() is None:
                    yield message
                    if (message.offset() or 0) + 1 >= ends.get(message.partition() or 0, 0):
                        ends.pop(message.partition() or 0, None)
    finally:
        consumer.close()
