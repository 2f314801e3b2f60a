"""Reads what lies on a topic already, in bulk: no group, nothing is committed, and each record is told once.

librdkafka and not aiokafka: a record costs it half the time, and what nobody asks for, as the headers of a record that
is passed over, is never made. Whoever wants to hear at once of what is new follows with aiokafka from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.kafka import kafka_settings
from streams.reader import Hole

AT_ONCE = 500
"""Records that are told together, at most."""
PAUSE = 0.005
"""Seconds between looks for records while there are none. No thread waits for them: it would fight the event loop for
the interpreter's lock, which cost more than all that the client does.
"""

SETTINGS = {
    "group.id": "fiks.history",  # the client wants one; it is never joined
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # what was removed is missed, and never passed over
    "socket.timeout.ms": 8000,
    # What waits here takes several times its size on the log: it is unpacked, and each record is a thing of its own.
    "max.partition.fetch.bytes": 262_144,
    "queued.max.messages.kbytes": 4096,
    "fetch.queue.backoff.ms": 5,  # until a queue that was full is looked at again: a second by default
}


class PastRecord:
    """A record with the attributes that aiokafka gives it. What is not asked for is not made."""

    __slots__ = ("_message", "offset", "partition")

    def __init__(self, message: Message) -> None:
        self._message = message
        self.partition: int = message.partition()  # type: ignore[assignment]  # it is no error
        self.offset: int = message.offset()  # type: ignore[assignment]

    @property
    def topic(self) -> str:
        """The topic that it lies on."""
        return self._message.topic() or ""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        return self._message.timestamp()[1]

    @property
    def key(self) -> bytes | None:
        """Its key."""
        return self._message.key()

    @property
    def value(self) -> bytes | None:
        """Its value."""
        return self._message.value()

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Its headers, in their order."""
        return tuple(self._message.headers() or ())  # type: ignore[arg-type]


async def history(
    bootstrap: str, topic: str, begins: Mapping[int, int], ends: Mapping[int, int]
) -> AsyncGenerator[list[PastRecord], None]:
    """The records of each partition from where it ``begins`` until where it ``ends``, in order within each.

    A broker that goes away is waited for. Raises Hole when the log does not go back that far any more, and
    KafkaException when it does not let us read. Close it where it is left before its end.
    """
    behind = {partition: end for partition, end in ends.items() if begins[partition] < end}
    if not behind:
        return
    consumer = Consumer(kafka_settings(bootstrap) | SETTINGS)
    consumer.assign([TopicPartition(topic, partition, begins[partition]) for partition in behind])
    try:
        while behind:
            records = [_record(message) for message in consumer.consume(AT_ONCE, 0)]
            yield [one for one in records if one.offset < ends[one.partition]]
            for partition, offset in {one.partition: one.offset for one in records}.items():
                if offset + 1 >= ends[partition]:
                    behind.pop(partition, None)
            if not records:
                await asyncio.sleep(PAUSE)
    finally:
        consumer.close()


def _record(message: Message) -> PastRecord:
    if (fault := message.error()) is not None:
        if fault.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Hole(f"{message.topic()}/{message.partition()}: what is asked for was removed from the log: {fault}")
        raise KafkaException(fault)
    return PastRecord(message)
