"""Appending to the log: an event counts once every in-sync replica has it, and not before.

librdkafka and not aiokafka: it takes a record that was not acknowledged in time out of its queue, so that
``Unavailable`` is an answer that stays true. A record that was on its way when the broker fell may be on the log all
the same; only an idempotency key settles that.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra import metrics
from infra.kafka import kafka_settings
from infra.keks import Keks
from infra.keys import Keys
from schemas.catalogue import event_type, key_of
from schemas.codec import encode
from schemas.envelope import Envelope, Headers, Position
from streams.broker_errors import TOO_LARGE, refusal
from streams.domain.errors import TooLarge, Unavailable
from streams.sealing import sealed

MESSAGE_TIMEOUT = 1.5
STALLED_AFTER = 1.0
GIVEN_UP_AFTER = 1.85
"""Seconds after which nothing more is waited for: librdkafka looks once a second only for what has timed out."""
POLLED_EVERY = 0.001
"""Seconds between looks for reports while any is awaited. No thread waits for them: it would fight the event loop for
the interpreter's lock at every record. Measured on one core with 32 callers: 1,400 records a second against 870.
"""
POLLED_IDLE = 0.5
"""Seconds between looks for what librdkafka has to log."""
UNANSWERED = {KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
"""What a record comes to of which the broker says nothing: librdkafka gives it up, or we do."""
QUEUE = 20_000
LARGEST = 1_000_000
"""Bytes of a record, headers included, at most."""
LARGEST_FACT = 900_000
"""Bytes of the value of a fact. What is decided about it repeats some of it, and must find room for more headers."""
ANY = -1
"""The partition that the key gives."""

SETTINGS = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "linger.ms": 0,  # what comes while five requests are on their way is sent together all the same
    "message.timeout.ms": int(MESSAGE_TIMEOUT * 1000),
    "message.max.bytes": LARGEST,
    "topic.metadata.propagation.max.ms": 1000,  # a topic that is not there must show before the record times out
    "socket.timeout.ms": 1500,
    "request.timeout.ms": 1500,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 250,
    "retry.backoff.ms": 50,
    "queue.buffering.max.messages": QUEUE,
    "topic.metadata.refresh.interval.ms": 30_000,
}


class Log:
    """The way onto the log. One a process; start it in the event loop that appends.

    Events with personal text are sealed on their way, under ``keys``, which need ``keks``.
    """

    def __init__(self, bootstrap: str, keks: Keks | None = None) -> None:
        self.keys = Keys(keks, self)
        self._settings = SETTINGS | kafka_settings(bootstrap)
        self._outstanding: OrderedDict[int, float] = OrderedDict()
        self._taken: set[str] = set()
        self._sent = 0

    async def start(self) -> None:
        """Connect in the background; a broker that is away shows at the first append."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(self._settings)
        self._poll()

    async def stop(self) -> None:
        """Wait until everything that was handed over is acknowledged or refused."""
        while self._outstanding:
            await asyncio.sleep(0.01)
        self._next_poll.cancel()

    async def append(self, event: object, about: Envelope) -> Position:
        """Append one event and return where it lies, once it is durable.

        Raises Unavailable, within two seconds, when the broker does not acknowledge it; nothing is appended later.
        Where a key must be made first, that is appended before, and may take as long. Raises TooLarge or NotTaken when
        the log never takes it.
        """
        [event] = await sealed(self.keys, [(event, about)])
        topic, value = event_type(event).topic, encode(event)
        if len(value) > LARGEST_FACT:
            metrics.APPEND_FAILURES.labels(topic, "refused").inc()
            raise TooLarge(TOO_LARGE)
        return await self.send(topic, key_of(about.stream), value, about.headers())

    async def append_all(self, events: Iterable[tuple[object, Envelope]]) -> None:
        """Append several events, in order within each stream. Raises as ``append`` if any of them was refused."""
        told = list(events)
        sayable = zip(await sealed(self.keys, told), (at for _, at in told), strict=True)
        waiting = [
            self._hand_over(event_type(e).topic, key_of(at.stream), encode(e), at.headers()) for e, at in sayable
        ]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def send(
        self, topic: str, key: str | bytes, value: bytes | None, headers: Headers, partition: int = ANY
    ) -> Position:
        """Append a record that is encoded already; otherwise as ``append``."""
        return await self._hand_over(topic, key, value, headers, partition)

    @property
    def stalled(self) -> bool:
        """Whether the oldest record on its way has waited so long that new ones had better be refused at once."""
        return self._waited > STALLED_AFTER

    @property
    def _waited(self) -> float:
        """Seconds since the oldest record that is on its way was handed over."""
        return time.monotonic() - next(iter(self._outstanding.values())) if self._outstanding else 0.0

    def _hand_over(
        self, topic: str, key: str | bytes, value: bytes | None, headers: Headers, partition: int = ANY
    ) -> asyncio.Future[Position]:
        if self.stalled:
            self._producer.poll(0)  # it may be this process that stood still: the reports may lie ready
        if self.stalled:
            metrics.APPEND_FAILURES.labels(topic, "unavailable").inc()
            raise Unavailable("Loggen svarer ikke; ingenting er tatt imot. Prøv igjen")
        outcome: asyncio.Future[Position] = self._loop.create_future()
        self._sent += 1
        number = self._sent

        def report(error: KafkaError | None, message: Message) -> None:
            self._settle(outcome, number, error, Position(topic, message.partition() or 0, message.offset() or 0))

        try:
            self._producer.produce(topic, value, key, partition, headers=list(headers), on_delivery=report)
        except BufferError as fault:
            metrics.APPEND_FAILURES.labels(topic, "full").inc()
            raise Unavailable("Loggen tar ikke imot mer akkurat nå; ingenting er tatt imot. Prøv igjen") from fault
        except KafkaException as fault:
            metrics.APPEND_FAILURES.labels(topic, "refused").inc()
            raise refusal(fault.args[0], topic, topic in self._taken) from fault
        self._outstanding[number] = time.monotonic()
        if len(self._outstanding) == 1:
            self._next_poll.cancel()
            self._poll_after(POLLED_EVERY)
        return outcome

    def _poll(self) -> None:
        try:
            self._producer.poll(0)
            if self._waited > GIVEN_UP_AFTER:
                self._producer.purge(blocking=False)
        finally:
            self._poll_after(POLLED_EVERY if self._outstanding else POLLED_IDLE)

    def _poll_after(self, seconds: float) -> None:
        self._next_poll = self._loop.call_later(seconds, self._poll)

    def _settle(self, outcome: asyncio.Future[Position], number: int, error: KafkaError | None, at: Position) -> None:
        took = time.monotonic() - self._outstanding.pop(number)
        if error is None:
            self._taken.add(at.topic)
            metrics.APPEND_SECONDS.labels(at.topic).observe(took)
        else:
            reason = "unavailable" if error.code() in UNANSWERED else "refused"
            metrics.APPEND_FAILURES.labels(at.topic, reason).inc()
        if outcome.cancelled():  # its caller went away
            return
        if error is None:
            outcome.set_result(at)
        else:
            outcome.set_exception(refusal(error, at.topic, at.topic in self._taken))
