"""Dead letters: records that could not be read, kept beside their topic with the reason, and that they were replayed.

Each role that meets such a record keeps it, since none knows of the others; whoever asks is shown one letter a record.
A replay is told by a record behind the letter, which has its key and place and no value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from aiokafka import ConsumerRecord
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra import metrics
from infra.ends import watermarks
from infra.kafka import kafka_settings
from infra.logs import logger
from schemas.envelope import LONGEST, Headers, Position
from schemas.topics import TOPICS
from streams.domain.errors import NotFound, Rejected, TooLarge, Unavailable
from streams.log import Log
from streams.records import recorded

log = logger(__name__)

OURS = {name: f"fiks_dlq_{name}" for name in ("topic", "partition", "offset", "role", "reason", "replayed")}
"""The headers by which is said what is said of a record. Of its own those are not kept that are called the same."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The record as it was, where it stood, and by role why it could not be read. Its value is None where it was too
    large to be kept once more, and it has no headers where these were; it still stands where it stood. ``replayed`` is
    the number of the place to which it was appended again, the last one, None before that.
    """

    topic: str
    partition: int
    offset: int
    reasons: Mapping[str, str]
    key: bytes | None
    value: bytes | None
    headers: Headers
    replayed: str | None = None

    @property
    def number(self) -> str:
        """The place where the record stood, ``partition-offset``: one of a kind in its topic."""
        return f"{self.partition}-{self.offset}"


class DeadLetters:
    """Appends dead letters and puts them back."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(self, role: str, record: ConsumerRecord[bytes, bytes], reason: str) -> None:
        """Keep the record on the dead-letter topic. May be repeated after a crash, with the same position."""
        about = _about(record.topic, record.partition, record.offset, role=role, reason=reason[:500])
        headers, key = [*_without_ours(record.headers), *about], record.key or b""
        try:
            await self._send(record.topic, key, record.value, headers)
        except TooLarge:
            try:
                await self._send(record.topic, key, None, headers)
            except TooLarge:
                await self._send(record.topic, key[:LONGEST], None, about)
        metrics.DLQ_RECORDS.labels(record.topic, reason.partition(":")[0]).inc()

    async def _send(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> None:
        await self._log.send(TOPICS[topic].dead_letters, key, value, headers)

    async def replay(self, letter: DeadLetter, *, again: bool = False) -> Position:
        """Append the record to its topic again, as it was, and tell where; what was met before changes no status.

        Raises Unreadable or NotYetKnown while this release cannot read it either: it would only come back. Raises
        Rejected when it was replayed before, unless it shall be ``again``.
        """
        if letter.replayed and not again:
            raise Rejected(f"{letter.number} was replayed before, it stands at {letter.replayed}; --again replays it")
        recorded(letter)
        key = letter.key or b""
        at = await self._log.send(letter.topic, key, letter.value, letter.headers)
        about = _about(letter.topic, letter.partition, letter.offset, replayed=f"{at.partition}-{at.offset}")
        await self._send(letter.topic, key, None, about)
        return at


def read_all(bootstrap: str, topic: str) -> list[DeadLetter]:
    """Every dead letter of a topic, oldest first within each partition, each record once. Raises Unavailable."""
    found: dict[str, DeadLetter] = {}
    for letter in letters(bootstrap, topic):
        known = found.get(letter.number)
        found[letter.number] = _both(known, letter) if known else letter
    return list(found.values())


def _both(known: DeadLetter, letter: DeadLetter) -> DeadLetter:
    """What two records say of one letter, in this order."""
    reasons, replayed = {**known.reasons, **letter.reasons}, letter.replayed or known.replayed
    return replace(letter if letter.reasons else known, reasons=reasons, replayed=replayed)


def _about(topic: str, partition: int, offset: int, **said: str) -> Headers:
    """The headers of a record of a dead-letter topic: where the record stood, and what is said of it."""
    where = {"topic": topic, "partition": str(partition), "offset": str(offset)}
    return [(OURS[name], value.encode()) for name, value in (said | where).items()]


def waiting(bootstrap: str, topic: str) -> int:
    """How many records of a topic are dead letters and were not replayed. Raises Unavailable."""
    replayed: dict[str, bool] = {}
    for letter in letters(bootstrap, topic):
        replayed[letter.number] = letter.replayed is not None or replayed.get(letter.number, False)
    return sum(not done for done in replayed.values())


def letters(bootstrap: str, topic: str) -> Iterator[DeadLetter]:
    """What is on the dead-letter topic, one after the other: of a record what each role says of it, and its replays.
    Raises Unavailable.
    """
    name = TOPICS[topic].dead_letters
    consumer = Consumer(kafka_settings(bootstrap) | {"group.id": "fiks.dlq", "enable.auto.commit": False})
    try:
        ends = {}
        for partition in _partitions(consumer, name):
            low, high = watermarks(consumer, TopicPartition(name, partition))
            if high > low:
                ends[partition] = high
        consumer.assign([TopicPartition(name, partition, 0) for partition in ends])
        while ends:
            message = consumer.poll(10.0)  # and not many at a time, which would wait for so many
            if message is None:
                raise Unavailable(f"the log stopped answering while {name} was read")
            if message.error() is None:
                if (letter := _letter(topic, message)) is not None:
                    yield letter
                else:
                    log.error("no dead letter of ours", topic=name, at=(message.partition(), message.offset()))
                if (message.offset() or 0) + 1 >= ends.get(message.partition() or 0, 0):
                    ends.pop(message.partition() or 0, None)
    finally:
        consumer.close()


def _partitions(consumer: Consumer, name: str) -> list[int]:
    try:
        return list(consumer.list_topics(name, timeout=10).topics[name].partitions)
    except KafkaException as fault:
        raise Unavailable(f"Kafka does not answer: {fault.args[0].str()}; is it running (`fiks status`)?") from fault


async def find(bootstrap: str, topic: str, number: str) -> DeadLetter:
    """One dead letter by its number. Raises NotFound."""
    for letter in await asyncio.to_thread(read_all, bootstrap, topic):
        if letter.number == number:
            return letter
    raise NotFound(f"{topic} has no dead letter {number}; `fiks dlq list {topic}` shows which there are")


def _without_ours(headers: Iterable[tuple[str, bytes]]) -> Headers:
    return [(name, value) for name, value in headers if name not in OURS.values()]


def _letter(topic: str, message: Message) -> DeadLetter | None:
    """None where it tells no place on that topic: it is none of ours."""
    headers = cast(Headers, message.headers() or [])
    said = dict(headers)
    try:
        about = {name: said[header].decode() for name, header in OURS.items() if header in said}
        partition, offset = int(about["partition"]), int(about["offset"])
    except (KeyError, ValueError, AttributeError):
        return None
    if about.get("topic") != topic:
        return None
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        reasons={about["role"]: about.get("reason", "")} if "role" in about else {},
        key=message.key(),
        value=message.value(),
        headers=_without_ours(headers),
        replayed=about.get("replayed"),
    )
