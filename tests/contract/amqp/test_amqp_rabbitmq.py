"""The same words to RabbitMQ and to us: the same frames come back, where the contract cares. RabbitMQ is the oracle.

What we mean to do otherwise stands in ``DIFFERENT``, with both answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aio_pika
import pytest
import pytest_asyncio
from pamqp import body, commands, header
from pamqp.base import Frame as Method

from gateway.amqp.codec import BODY, HEADER, frame
from gateway.amqp.deliveries import Melding
from tests.support.amqp import (
    KONTO_ID,
    MASKIN,
    MELDING,
    NO_QUEUE,
    OTHER_KONTO,
    OTHER_QUEUE,
    QUEUE,
    STRANGE_QUEUE,
    running_amqp,
)
from tests.support.amqp_raw import Raw
from tests.support.amqp_sides import SENDER, Side, side_of

Basic, Queue, Channel, Connection = commands.Basic, commands.Queue, commands.Channel, commands.Connection
TELLING = (
    *("delivery_tag", "redelivered", "exchange", "routing_key", "message_count", "consumer_count", "consumer_tag"),
    *("queue", "reply_code", "class_id", "method_id"),
)
"""What the contract cares about in a method; the words of an error are each server's own."""


@dataclass
class Client:
    """Says the script, and writes down what comes back."""

    side: Side
    heard: list[Any] = field(default_factory=list)
    raw: Raw | None = None
    connections: list[Raw] = field(default_factory=list)

    async def open(self, *channels: int, secret: str | None = None, vhost: str = "/", heartbeat: int = 0) -> None:
        """A connection with these channels."""
        self.raw = await Raw.connected(self.side.port)
        self.connections.append(self.raw)
        self.note(await self.raw.log_in(str(MASKIN), secret or self.side.secret(), heartbeat, vhost))
        for channel in channels:
            await self.say(Channel.Open(), on=channel, answers=1)

    async def say(self, *methods: Method, on: int = 1, answers: int = 0, messages: int = 0) -> None:
        """Say methods; so many answers and messages come of them, in some order."""
        for method in methods:
            self.now.say(method, on)
        await self.hear(answers, messages)

    async def send(self, octets: bytes, answers: int = 0) -> None:
        self.now.writer.write(octets)
        await self.hear(answers)

    async def put(self, number: int, konto_id: UUID = KONTO_ID, messages: int = 0, size: int = 7) -> None:
        """Put messages into a queue; so many come here."""
        for _ in range(number):
            await self.side.put(konto_id, Melding(MELDING.headers, b"x" * size, MELDING.expiration))
        await self.hear(messages=messages)

    async def hear(self, answers: int = 0, messages: int = 0) -> None:
        """Answers are noted apart from messages: which come first is each server's own affair."""
        said, handed = [], []
        while len(said) < answers or len(handed) < messages:
            heard = await self.now.hear()
            into = handed if isinstance(heard, Basic.Deliver) else said
            into.append(_noted(heard))
            if isinstance(heard, Basic.Deliver | Basic.GetOk):
                into[-1] += await self._content()
        self.heard.append((said, handed))

    async def drop(self) -> None:
        await self.now.drop()

    async def until_waiting(self, number: int) -> None:
        """What a lost connection had in hand is in its old place after a moment, at either server. Not noted."""
        while (await self.now.ask(Queue.Declare(queue=QUEUE, passive=True), 1)).message_count != number:
            await asyncio.sleep(0.01)

    def note(self, heard: Any) -> None:
        self.heard.append(heard if isinstance(heard, set) else _noted(heard))

    async def _content(self) -> tuple[Any, ...]:
        properties, sizes = await self.now.hear(), []
        assert isinstance(properties, header.ContentHeader)
        while sum(sizes) < properties.body_size:
            piece = await self.now.hear()
            assert isinstance(piece, body.ContentBody)
            sizes.append(len(piece.value))
        of = properties.properties
        return (of.headers, of.expiration, of.delivery_mode, sizes)

    @property
    def now(self) -> Raw:
        assert self.raw
        return self.raw


def _noted(heard: Any) -> tuple[Any, ...]:
    if not isinstance(heard, Method):
        return (type(heard).__name__,)
    telling = {name: value for name, value in heard if name in TELLING}
    if str(telling.get("consumer_tag", "")).startswith("amq.ctag-"):
        telling["consumer_tag"] = "amq.ctag-"
    return (heard.name, telling)


# --- The script ------------------------------------------------------------------------------------------------------


async def consume_and_acknowledge(client: Client) -> None:
    await client.open(1)
    await client.put(2)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="min"), answers=1, messages=2)
    await client.put(1, messages=1)
    await client.say(Basic.Ack(1), Basic.Ack(2), Basic.Ack(3), Basic.Cancel("min"), answers=1)
    await client.say(Queue.Declare(queue=QUEUE, passive=True), answers=1)
    await client.say(Connection.Close(200, "", 0, 0), on=0, answers=1)


async def show_a_new_secret(client: Client) -> None:
    await client.open(1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="min"), answers=1)
    await client.say(Connection.UpdateSecret(client.side.secret(), "utløper"), on=0, answers=1)
    await client.put(1, messages=1)
    await client.say(Basic.Ack(1), Basic.Cancel("min"), answers=1)


async def hear_heartbeats_and_send_none(client: Client) -> None:
    """Heartbeats come, and then the end of the connection; what was in hand is another's, as redelivered."""
    await client.open(1, heartbeat=1)
    await client.put(1)
    await client.say(Basic.Get(queue=QUEUE), answers=1)
    kinds = set()
    with suppress(ConnectionError):  # as RabbitMQ ends it
        while (heard := await client.now.hear()) is not None:
            kinds.add(type(heard).__name__)
    client.note(kinds)
    await client.open(1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="min"), answers=1, messages=1)
    await client.say(Basic.Ack(1), Basic.Cancel("min"), answers=1)


async def consumers_named_by_the_server(client: Client) -> None:
    await client.open(1)
    await client.say(Basic.Consume(queue=QUEUE), answers=1)
    await client.put(1, messages=1)
    await client.say(Basic.Cancel("ukjent"), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="amq.ctag-fra-før"), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="amq.ctag-fra-før"), answers=1)


async def prefetch(client: Client) -> None:
    await client.open(1)
    await client.put(6)
    await client.say(Basic.Qos(0, 2, False), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=2)
    await client.say(Basic.Ack(1), messages=1)
    await client.say(Basic.Ack(3, True), messages=2)
    await client.say(Basic.Ack(0, True), messages=1)


async def limit_of_a_channel(client: Client) -> None:
    await client.open(1)
    await client.put(4)
    await client.say(Basic.Qos(0, 2, True), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=2)
    await client.say(Basic.Consume(queue=OTHER_QUEUE, consumer_tag="b"), answers=1)
    await client.say(Basic.Ack(1), messages=1)
    await client.say(Basic.Qos(0, 0, True), answers=1, messages=1)


async def give_back(client: Client) -> None:
    await client.open(1)
    await client.put(3)
    await client.say(Basic.Qos(0, 3, False), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=3)
    await client.say(Basic.Nack(2, False, True), messages=1)
    await client.say(Basic.Reject(1, True), messages=1)
    await client.say(Basic.Nack(3, False, False), Basic.Reject(4, False), Basic.Ack(5))
    await client.say(Queue.Declare(queue=QUEUE, passive=True), answers=1)


async def recover(client: Client) -> None:
    await client.open(1)
    await client.put(3)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=3)
    await client.say(Basic.Ack(2), Basic.Recover(True), answers=1, messages=2)


async def get(client: Client) -> None:
    await client.open(1)
    await client.put(2)
    await client.say(Basic.Get(queue=QUEUE), answers=1)
    await client.say(Basic.Get(queue=QUEUE, no_ack=True), answers=1)
    await client.say(Basic.Get(queue=QUEUE), answers=1)
    await client.say(Basic.Nack(1, False, True), Channel.Flow(True), answers=1)
    await client.say(Basic.Get(queue=QUEUE), answers=1)
    await client.say(Basic.Ack(3), Channel.Flow(True), answers=1)
    await client.say(Basic.Get(queue=QUEUE), answers=1)


async def without_acknowledgement(client: Client) -> None:
    await client.open(1)
    await client.put(3)
    await client.say(Basic.Qos(0, 1, False), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a", no_ack=True), answers=1, messages=3)
    await client.say(Queue.Declare(queue=QUEUE, passive=True), answers=1)


async def close_a_channel_with_messages_in_hand(client: Client) -> None:
    await client.open(1, 2)
    await client.put(3)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=3)
    await client.say(Basic.Ack(2), Channel.Close(200, "", 0, 0), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="b"), on=2, answers=1, messages=2)


async def lose_the_connection(client: Client) -> None:
    await client.open(1)
    await client.put(3)
    await client.say(Basic.Qos(0, 2, False), answers=1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=2)
    await client.drop()
    await client.open(1)
    await client.until_waiting(3)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=3)


async def large_bodies(client: Client) -> None:
    await client.open(1)
    for size in (0, 131_064, 131_065, 400_000):
        await client.put(1, size=size)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a"), answers=1, messages=4)


async def without_answers(client: Client) -> None:
    await client.open(1)
    await client.put(1)
    await client.say(Basic.Consume(queue=QUEUE, consumer_tag="a", nowait=True), messages=1)
    await client.say(Basic.Cancel("a", nowait=True), Channel.Flow(True), answers=1)
    await client.put(1)
    await client.say(Basic.Get(queue=QUEUE), answers=1)


async def confirmations(client: Client) -> None:
    await client.open(1)
    await client.say(commands.Confirm.Select(), answers=1)


async def both_channels_have_tags_of_their_own(client: Client) -> None:
    await client.open(1, 2)
    await client.put(1)
    await client.put(1, OTHER_KONTO)
    await client.say(Basic.Get(queue=QUEUE), answers=1)
    await client.say(Basic.Get(queue=OTHER_QUEUE), on=2, answers=1)
    await client.say(Basic.Ack(1), Channel.Flow(True), answers=1)
    await client.say(Basic.Nack(1, False, True), Channel.Flow(True), on=2, answers=1)
    await client.say(Basic.Get(queue=OTHER_QUEUE), on=1, answers=1)


def channel_error(*methods: Method, content: bytes = b"") -> Callable[[Client], Awaitable[None]]:
    """The last of the methods closes the channel, which can be opened again; the connection lives."""

    async def script(client: Client) -> None:
        await client.open(1, 2)
        await client.say(*methods)
        await client.send(content, answers=1)
        await client.say(Channel.CloseOk(), Channel.Open(), answers=1)
        await client.say(Basic.Qos(0, 1, False), on=2, answers=1)

    return script


def connection_error(octets: bytes) -> Callable[[Client], Awaitable[None]]:
    """The octets close the connection."""

    async def script(client: Client) -> None:
        await client.open(1)
        await client.send(octets, answers=1)

    return script


def said(method: Method, channel: int = 1) -> bytes:
    return frame(1, channel, method.index.to_bytes(4, "big") + method.marshal())


CONTENT = frame(HEADER, 1, b"\0\x3c\0\0\0\0\0\0\0\0\0\3\0\0") + frame(BODY, 1, b"abc")

AGREE: dict[str, Callable[[Client], Awaitable[None]]] = {
    script.__name__: script
    for script in (
        *(
            consume_and_acknowledge,
            show_a_new_secret,
            hear_heartbeats_and_send_none,
            consumers_named_by_the_server,
            prefetch,
            limit_of_a_channel,
            give_back,
            recover,
            get,
        ),
        *(without_acknowledgement, close_a_channel_with_messages_in_hand, lose_the_connection, large_bodies),
        *(without_answers, confirmations, both_channels_have_tags_of_their_own),
    )
} | {
    "get from a queue of others": channel_error(Basic.Get(queue=STRANGE_QUEUE)),
    "consume a queue of others": channel_error(Basic.Consume(queue=STRANGE_QUEUE)),
    "consume what is not there": channel_error(Basic.Consume(queue=NO_QUEUE)),
    "look at what is not there": channel_error(Queue.Declare(queue=NO_QUEUE, passive=True)),
    "make a queue": channel_error(Queue.Declare(queue="ny", durable=True)),
    "bind a queue": channel_error(Queue.Bind(queue=QUEUE, exchange="amq.direct", routing_key="r")),
    "delete a queue": channel_error(Queue.Delete(queue=QUEUE)),
    "make an exchange": channel_error(commands.Exchange.Declare(exchange="ny")),
    "delete an exchange": channel_error(commands.Exchange.Delete(exchange="amq.direct")),
    "publish": channel_error(Basic.Publish(exchange="amq.direct", routing_key="r"), content=CONTENT),
    "acknowledge what never came": channel_error(Basic.Ack(5)),
    "acknowledge nothing": channel_error(Basic.Ack(0)),
    "give back what never came": channel_error(Basic.Nack(5)),
    "reject what never came": channel_error(Basic.Reject(5)),
    "a prefetch in octets": connection_error(said(Basic.Qos(5, 0, False))),
    "recover without requeue": connection_error(said(Basic.Recover(False))),
    "stop the flow": connection_error(said(Channel.Flow(False))),
    "a channel that is not open": connection_error(said(Basic.Ack(1), 7)),
    "a channel that is open": connection_error(said(Channel.Open())),
    "a body out of place": connection_error(frame(BODY, 1, b"abc")),
    "a header out of place": connection_error(frame(HEADER, 1, b"\0\x3c\0\0\0\0\0\0\0\0\0\3\0\0")),
    "a frame without its end": connection_error(said(Basic.Ack(1))[:-1] + b"\0"),
    "a frame that is too large": connection_error(b"\x03\0\1\0\2\0\1"),
}


async def the_password_is_wrong(client: Client) -> None:
    await client.open(secret="galt galt")


async def the_virtual_host_is_another(client: Client) -> None:
    await client.open(vhost="annen")


for one in (the_password_is_wrong, the_virtual_host_is_another):
    AGREE[one.__name__] = one


def last(code: int | str) -> Callable[[list[Any]], bool]:
    """Whether the last answer closes something with that code, or is that method."""

    def holds(heard: list[Any]) -> bool:
        name, telling = next(step for step in reversed(heard) if step != ([], []))[0][-1]
        return code in (name, telling.get("reply_code"))

    return holds


async def acknowledge_twice(client: Client) -> None:
    await client.open(1)
    await client.put(1)
    await client.say(Basic.Get(queue=QUEUE), answers=1)
    await client.say(Basic.Ack(1), Basic.Ack(1), Channel.Flow(True), answers=1)


async def an_error_beside_a_consumer(client: Client) -> None:
    await client.open(1)
    await client.say(Basic.Consume(queue=QUEUE), answers=1)
    await client.say(Basic.Ack(5), answers=1)


def one_answer(method: Method) -> Callable[[Client], Awaitable[None]]:
    async def script(client: Client) -> None:
        await client.open(1)
        await client.say(method, answers=1)

    return script


async def a_channel_too_many(client: Client) -> None:
    await client.open(1)
    await client.say(Channel.Open(), on=33, answers=1)


DIFFERENT: dict[str, tuple[Callable[[Client], Awaitable[None]], int | str, int | str]] = {
    # RabbitMQ does not hold a client to what was agreed
    "a channel too many": (a_channel_too_many, "Channel.OpenOk", 504),
    # a published client that acknowledges twice would lose its consumer
    "acknowledge twice": (acknowledge_twice, 406, "Channel.FlowOk"),
    # it recovers from a lost connection, and never learns of a lost channel
    "an error beside a consumer": (an_error_beside_a_consumer, 406, 320),
    "a consumer of a lost connection": (one_answer(Basic.Consume(queue=NO_QUEUE, consumer_tag="amq.ctag-x")), 404, 320),
    # what is whose business
    "look at a queue of others": (one_answer(Queue.Declare(queue=STRANGE_QUEUE, passive=True)), "Queue.DeclareOk", 403),
    # a message ends by an event, and in no other way
    "purge the own queue": (one_answer(Queue.Purge(queue=QUEUE)), "Queue.PurgeOk", 403),
    "transactions": (one_answer(commands.Tx.Select()), "Tx.SelectOk", 403),
    # several gateways serve one account
    "read alone": (one_answer(Basic.Consume(queue=QUEUE, exclusive=True)), "Basic.ConsumeOk", 403),
}
"""What is done; how RabbitMQ answers, and how we do."""


# --- The two servers -------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def empty(rabbitmq: Side) -> AsyncIterator[Side]:
    """RabbitMQ with nothing in its queues."""
    yield rabbitmq
    connection = await aio_pika.connect(host="127.0.0.1", port=rabbitmq.port, login=SENDER, password=SENDER)
    async with connection, connection.channel() as channel:
        for queue in (QUEUE, OTHER_QUEUE):
            await (await channel.get_queue(queue)).purge()


@pytest.fixture
async def ours() -> AsyncIterator[Side]:
    async with running_amqp() as amqp:

        async def put(konto_id: UUID, melding: Melding) -> None:
            amqp.queues.put(konto_id, melding)

        yield side_of(amqp, put)


async def heard(script: Callable[[Client], Awaitable[None]], side: Side) -> list[Any]:
    """What comes back of the script."""
    client = Client(side)
    try:
        async with asyncio.timeout(60):
            await script(client)
    finally:
        for connection in client.connections:
            await connection.drop()
    return client.heard


@pytest.mark.parametrize("name", AGREE)
async def test_both_answer_alike(name: str, empty: Side, ours: Side) -> None:
    assert await heard(AGREE[name], ours) == await heard(AGREE[name], empty)


@pytest.mark.parametrize("name", DIFFERENT)
async def test_where_we_answer_otherwise(name: str, empty: Side, ours: Side) -> None:
    script, theirs, our_own = DIFFERENT[name]
    assert last(our_own)(await heard(script, ours))
    assert last(theirs)(await heard(script, empty))
