"""Reads the queue of an account over AMQP 0-9-1: connects again whenever the connection is lost, with a new token."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from aiormq import Connection
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelNotFoundEntity, ProbableAuthenticationError
from yarl import URL

from fiks_io.api import Integrasjon
from fiks_io.errors import Denied, Lost, Unavailable
from fiks_io.maskinporten import Token

log = logging.getLogger(__name__)

NAME = "Fiks IO klient (Python)"
HEARTBEAT = 30
"""Seconds."""
CONNECTING = 30.0
"""Seconds that it may take until messages can come."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries to connect; doubled each time, and varied, so that not all come at once."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the queues are, and who asks for them."""

    host: str
    port: int
    integrasjon: Integrasjon
    token: Token
    tls: ssl.SSLContext

    async def address(self) -> URL:
        """With a token that was asked for now. Raises what the token source raises."""
        return URL.build(
            scheme="amqps",
            user=str(self.integrasjon.integrasjon_id),
            password=f"{self.integrasjon.passord} {await self.token()}",
            host=self.host,
            port=self.port,
            path="/",
            query={"heartbeat": str(HEARTBEAT), "name": NAME},
        )


Arrived = asyncio.Queue[DeliveredMessage | None]
"""Messages as they come; None once no more can come."""


@asynccontextmanager
async def deliveries(broker: Broker, konto_id: UUID, prefetch: int) -> AsyncIterator[AsyncIterator[DeliveredMessage]]:
    """The messages of an account, for as long as they are wanted; at most ``prefetch`` of them are not settled.

    Raises Denied, Unavailable, and what the token source raises, when the first connection fails; others are tried for
    ever.
    """
    try:
        first = await _connected(broker, konto_id, prefetch)
    except (ProbableAuthenticationError, ChannelAccessRefused, ChannelNotFoundEntity) as fault:
        raise Denied(str(fault)) from fault
    except (AMQPError, OSError, TimeoutError) as fault:
        raise Unavailable(f"{broker.host}:{broker.port} does not let us read the queue: {fault}") from fault
    reading = _Reading(first, lambda: _connected(broker, konto_id, prefetch))
    try:
        async with aclosing(reading.messages()) as messages:
            yield messages
    finally:
        await reading.close()


class _Reading:
    """The connection of now, and how to get another."""

    def __init__(
        self, first: tuple[Connection, Arrived], connect: Callable[[], Awaitable[tuple[Connection, Arrived]]]
    ) -> None:
        self._connection, self._arrived = first
        self._connect = connect

    async def messages(self) -> AsyncGenerator[DeliveredMessage, None]:
        """What comes, without end. What came by a connection that is lost is not handed out: it comes again."""
        while True:
            while (message := await self._arrived.get()) is not None and not message.channel.is_closed:
                yield message
            await self.close()
            await self._connect_again()

    async def close(self) -> None:
        """Gives back what was not settled."""
        await self._connection.close(_lost())

    async def _connect_again(self) -> None:
        for pause in _pauses():
            log.warning("the connection to Fiks IO is lost; the next try is in %.1f seconds", pause)
            await asyncio.sleep(pause)
            try:
                self._connection, self._arrived = await self._connect()
                return
            except Exception as fault:  # a token source raises what it likes, and may work the next time
                log.warning("Fiks IO cannot be connected to: %s: %s", type(fault).__name__, fault)


async def _connected(broker: Broker, konto_id: UUID, prefetch: int) -> tuple[Connection, Arrived]:
    """A connection by which messages come. Raises AMQPError, OSError, TimeoutError."""
    arrived: Arrived = asyncio.Queue()

    async def take(message: DeliveredMessage) -> None:
        arrived.put_nowait(message)

    def end(_: object) -> None:
        arrived.put_nowait(None)

    connection = Connection(await broker.address(), context=broker.tls)
    try:
        async with asyncio.timeout(CONNECTING):
            await connection.connect()
            channel = await connection.channel(publisher_confirms=False)
            channel.closing.add_done_callback(end)
            channel.on_consumer_cancel_callbacks.add(end)
            await channel.basic_qos(prefetch_count=prefetch)
            await channel.basic_consume(f"fiksio.konto.{konto_id}", take)
    except BaseException:
        await connection.close(_lost())
        raise
    return connection, arrived


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311  nothing is kept secret by it
        pause = min(2 * pause, LONGEST_PAUSE)


async def acknowledge(message: DeliveredMessage) -> None:
    """It is handled, and gone. Raises Lost."""
    await _settle(message, message.channel.basic_ack)


async def reject(message: DeliveredMessage, *, requeue: bool) -> None:
    """It is gone, or it comes again. Raises Lost."""
    await _settle(message, partial(message.channel.basic_nack, requeue=requeue))


async def _settle(message: DeliveredMessage, say: Callable[[int], Awaitable[None]]) -> None:
    tag = message.delivery_tag
    assert tag is not None, "it was delivered"
    try:
        await say(tag)
    except (AMQPError, OSError, RuntimeError) as fault:
        raise _lost() from fault
    except asyncio.CancelledError as fault:
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        raise _lost() from fault  # the library cancels whoever waits for a peer that is silent


def _lost() -> Lost:
    return Lost("the connection by which the message came is gone: it comes again")
