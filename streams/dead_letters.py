"""Dead letters: records that could not be read, kept beside their topic with the reason, until they are replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka import ConsumerRecord
from confluent_kafka import Consumer, Message, TopicPartition

from infra import metrics
from schemas.codec import decode
from schemas.envelope import Headers
from schemas.topics import TOPICS
from streams.domain.errors import NotFound, Unavailable
from streams.log import Log, kafka_settings

HEADER = "fiks_dlq_"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: the record as it was, who could not read it and why. ``number`` is ``partition-offset``."""

    number: str
    topic: str
    partition: int
    offset: int
    role: str
    reason: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class DeadLetters:
    """Appends dead letters and puts them back."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(self, role: str, record: ConsumerRecord[bytes, bytes], reason: str) -> None:
        """Keep the record on the dead-letter topic. May be repeated after a crash, with the same position."""
        about = {
            "role": role,
            "reason": reason[:500],
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
        }
        headers = [*record.headers, *((HEADER + name, value.encode()) for name, value in about.items())]
        await self._log.send(TOPICS[record.topic].dead_letters, record.key or b"", record.value, headers)
        metrics.DLQ_RECORDS.labels(record.topic, reason.partition(":")[0]).inc()

    async def replay(self, letter: DeadLetter) -> None:
        """Append the record to its topic again, as it was; every fold ignores what it has met before.

        Raises Unreadable or NotYetKnown while this release cannot read it either: it would only come back.
        """
        decode(letter.value)
        await self._log.send(letter.topic, letter.key or b"", letter.value, letter.headers)


def read_all(bootstrap: str, topic: str) -> Iterator[DeadLetter]:
    """Every dead letter of a topic, oldest first within each partition."""
    name = TOPICS[topic].dead_letters
    consumer = Consumer(kafka_settings(bootstrap) | {"group.id": "fiks.dlq", "enable.auto.commit": False})
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
                    yield _letter(message)
                    if (message.offset() or 0) + 1 >= ends.get(message.partition() or 0, 0):
                        ends.pop(message.partition() or 0, None)
    finally:
        consumer.close()


async def find(bootstrap: str, topic: str, number: str) -> DeadLetter:
    """One dead letter by its number. Raises NotFound."""
    for letter in await asyncio.to_thread(lambda: list(read_all(bootstrap, topic))):
        if letter.number == number:
            return letter
    raise NotFound(f"{topic} has no dead letter {number}; `fiks dlq list {topic}` shows which there are")


def _letter(message: Message) -> DeadLetter:
    headers: Headers = list(message.headers() or [])  # type: ignore[arg-type]  # names are text, values bytes
    about = {name.removeprefix(HEADER): value.decode() for name, value in headers if name.startswith(HEADER)}
    return DeadLetter(
        number=f"{message.partition()}-{message.offset()}",
        topic=about["topic"],
        partition=int(about["partition"]),
        offset=int(about["offset"]),
        role=about["role"],
        reason=about["reason"],
        key=message.key(),
        value=message.value(),
        headers=[(name, value) for name, value in headers if not name.startswith(HEADER)],
    )
