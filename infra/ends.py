"""Where the log ends right now. Many questions at a time cost the broker one."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from infra.kafka import kafka_settings
from infra.shared import Shared
from schemas.topics import Topic
from streams.domain.errors import Unavailable

ATTEMPTS = (0.5, 1.5)
"""Seconds that each attempt may take: two seconds in all.

On a busy machine, the first question of a new client now and then waits for a wake-up that never comes (librdkafka
2.16.1; test_ends.py), and the same question asked again is answered at once.
"""
LEADER_WAIT = 20.0
OUTDATED = (
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError._NOENT,
)
"""Answers to a client that knows an earlier leader, or none: a broker that stood still is led by nobody for a moment.
The client never asks anew for this question (librdkafka 2.x), so another one is asked.
"""
ANOTHER_AFTER = 1.0
"""Seconds that a client is used at least, however soon it is refused: each has threads of its own."""


class Ends:
    """The end offsets of the partitions of ``topic``."""

    def __init__(self, bootstrap: str, topic: Topic) -> None:
        self.topic = topic.name
        self._bootstrap = bootstrap
        self._admin = AdminClient(kafka_settings(self._bootstrap))
        self._another_at = -math.inf
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        self._question = {TopicPartition(topic.name, number): latest for number in range(topic.partitions)}
        self._asked = Shared(self._ask)

    async def now(self) -> dict[int, int]:
        """The next offset of each partition, at some moment after the call. Raises Unavailable."""
        return await self._asked.answer()

    async def _ask(self) -> dict[int, int]:
        for seconds in ATTEMPTS:
            try:
                answers = self._admin.list_offsets(self._question, request_timeout=seconds)
                found = await asyncio.gather(*(asyncio.wrap_future(answer) for answer in answers.values()))
                told_all(found)
                return {at.partition: one.offset for at, one in zip(answers, found, strict=True)}
            except Unavailable as fault:
                why: Exception = fault
            except KafkaException as fault:
                why = fault
                if fault.args[0].code() in OUTDATED and time.monotonic() >= self._another_at:
                    self._admin = AdminClient(kafka_settings(self._bootstrap))
                    self._another_at = time.monotonic() + ANOTHER_AFTER
        raise Unavailable("Loggen svarer ikke akkurat nå. Prøv igjen") from why


def told_all(answers: Iterable[ListOffsetsResultInfo]) -> None:
    """Raises Unavailable when some end is none: of a broker that says nothing in time the client tells -1001."""
    if any(one.offset < 0 for one in answers):
        raise Unavailable("Loggen svarer ikke akkurat nå. Prøv igjen")


def watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first and the next offset of a partition, for those that do not run in a loop of their own.

    A broker that has just come back, or made the topic, may not lead it yet: that passes. Raises Unavailable.
    """
    deadline = time.monotonic() + LEADER_WAIT
    while True:
        try:
            told = consumer.get_watermark_offsets(partition, timeout=10)
            if told is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            return told
        except KafkaException as fault:
            if time.monotonic() > deadline:
                raise Unavailable(f"Kafka does not say where {partition.topic} ends: {fault}") from fault
            time.sleep(0.1)
