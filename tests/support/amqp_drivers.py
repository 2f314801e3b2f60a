"""Published clients of AMQP that all do what they are told in the same words, and say what they see."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import aio_pika
import aiormq
import pika
from aiormq import channel as of_channels
from aiormq import connection as of_connections
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from tests.support import published_client as java


class Delivered(NamedTuple):
    """A message as the client shows it; ``consumer`` is the tag by which it came, none where it was got."""

    tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    body: bytes
    consumer: str | None = None


class Got(NamedTuple):
    """A message that was got, and how many are left behind it."""

    message: Delivered
    left: int


class Looked(NamedTuple):
    """What a passive declaration says."""

    messages: int
    consumers: int


class Closed(Exception):
    """The server has closed the ``channel`` or the ``connection``, with a code."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what, code)


class Driver(Protocol):
    """A client with one connection and one channel. Whatever the server closes is raised as Closed by the next call."""

    async def connect(self, port: int, user: str, secret: str) -> None: ...
    async def close(self) -> None: ...
    async def close_channel(self) -> None: ...
    async def qos(self, count: int) -> None: ...
    async def consume(self, queue: str, tag: str = "", *, exclusive: bool = False) -> str: ...
    async def cancel(self, tag: str) -> None: ...
    async def take(self, number: int) -> list[Delivered]: ...
    async def ack(self, tag: int, *, multiple: bool = False) -> None: ...
    async def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None: ...
    async def reject(self, tag: int, *, requeue: bool) -> None: ...
    async def recover(self, *, requeue: bool = True) -> None: ...
    async def get(self, queue: str) -> Got | None: ...
    async def look(self, queue: str) -> Looked: ...
    async def purge(self, queue: str) -> None: ...


# --- pika ------------------------------------------------------------------------------------------------------------


class Pika:
    """pika's blocking connection, in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._taken: list[Delivered] = []

    async def connect(self, port: int, user: str, secret: str) -> None:
        where = pika.ConnectionParameters("127.0.0.1", port, "/", pika.PlainCredentials(user, secret))
        self._connection = await self._do(pika.BlockingConnection, where)
        self._channel = await self._do(self._connection.channel)

    async def close(self) -> None:
        if self._connection.is_open:
            await self._do(self._connection.close)

    async def close_channel(self) -> None:
        await self._do(self._channel.close)
        self._channel = await self._do(self._connection.channel)

    async def qos(self, count: int) -> None:
        await self._do(self._channel.basic_qos, prefetch_count=count)

    async def consume(self, queue: str, tag: str = "", *, exclusive: bool = False) -> str:
        named = {"consumer_tag": tag or None, "exclusive": exclusive}
        return str(await self._do(self._channel.basic_consume, queue, self._take, **named))

    def _take(self, _channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        self._taken.append(_by_pika(method, body, method.consumer_tag))

    async def cancel(self, tag: str) -> None:
        await self._do(self._channel.basic_cancel, tag)

    async def take(self, number: int) -> list[Delivered]:
        while len(self._taken) < number:
            await self._do(self._connection.process_data_events, 1)
        taken, self._taken = self._taken[:number], self._taken[number:]
        return taken

    async def ack(self, tag: int, *, multiple: bool = False) -> None:
        await self._do(self._channel.basic_ack, tag, multiple)

    async def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        await self._do(self._channel.basic_nack, tag, multiple, requeue)

    async def reject(self, tag: int, *, requeue: bool) -> None:
        await self._do(self._channel.basic_reject, tag, requeue)

    async def recover(self, *, requeue: bool = True) -> None:
        await self._do(self._channel.basic_recover, requeue)

    async def get(self, queue: str) -> Got | None:
        method, _, body = await self._do(self._channel.basic_get, queue)
        return None if method is None else Got(_by_pika(method, body), method.message_count)

    async def look(self, queue: str) -> Looked:
        said = (await self._do(self._channel.queue_declare, queue, passive=True)).method
        return Looked(said.message_count, said.consumer_count)

    async def purge(self, queue: str) -> None:
        await self._do(self._channel.queue_purge, queue)

    async def _do(self, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: call(*args, **named))
        except ChannelClosedByBroker as fault:
            raise Closed("channel", fault.reply_code) from fault
        except ConnectionClosedByBroker as fault:
            raise Closed("connection", fault.reply_code) from fault


def _by_pika(method: Any, body: bytes, consumer: str | None = None) -> Delivered:
    return Delivered(method.delivery_tag, method.redelivered, method.exchange, method.routing_key, body, consumer)


# --- aio-pika --------------------------------------------------------------------------------------------------------


class AioPika:
    """aio-pika, and aiormq below it where a message is told of by its tag."""

    def __init__(self) -> None:
        self._taken: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()

    async def connect(self, port: int, user: str, secret: str) -> None:
        self._connection = await aio_pika.connect(host="127.0.0.1", port=port, login=user, password=secret)
        await self._open()

    async def _open(self) -> None:
        self._channel = await self._connection.channel()
        self._below = await self._channel.get_underlay_channel()

    async def close(self) -> None:
        await self._connection.close()

    async def close_channel(self) -> None:
        await self._channel.close()
        await self._open()

    async def qos(self, count: int) -> None:
        with self._told():
            await self._channel.set_qos(count)

    async def consume(self, queue: str, tag: str = "", *, exclusive: bool = False) -> str:
        with self._told():
            consumed = await self._channel.get_queue(queue, ensure=False)
            return await consumed.consume(self._taken.put, consumer_tag=tag or None, exclusive=exclusive)

    async def cancel(self, tag: str) -> None:
        with self._told():
            await self._below.basic_cancel(tag)

    async def take(self, number: int) -> list[Delivered]:
        return [_by_aio_pika(await self._taken.get()) for _ in range(number)]

    async def ack(self, tag: int, *, multiple: bool = False) -> None:
        with self._told():
            await self._below.basic_ack(tag, multiple)

    async def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        with self._told():
            await self._below.basic_nack(tag, multiple, requeue)

    async def reject(self, tag: int, *, requeue: bool) -> None:
        with self._told():
            await self._below.basic_reject(tag, requeue=requeue)

    async def recover(self, *, requeue: bool = True) -> None:
        with self._told():
            await self._below.basic_recover(requeue=requeue)

    async def get(self, queue: str) -> Got | None:
        with self._told():
            found = await (await self._channel.get_queue(queue, ensure=False)).get(fail=False)
        return None if found is None else Got(_by_aio_pika(found), found.message_count or 0)

    async def look(self, queue: str) -> Looked:
        with self._told():
            said = (await self._channel.get_queue(queue)).declaration_result
        return Looked(said.message_count or 0, said.consumer_count or 0)

    async def purge(self, queue: str) -> None:
        with self._told():
            await (await self._channel.get_queue(queue, ensure=False)).purge()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except aiormq.exceptions.ChannelInvalidStateError as fault:  # it had heard before, and keeps why
            raise _closed(self._below.closing.exception() or fault) from fault
        except aiormq.exceptions.AMQPError as fault:
            raise _closed(fault) from fault


def _closed(fault: BaseException) -> BaseException:
    """The fault as Closed, if the server has closed something. aiormq has a class for some codes; of others the code
    comes first.
    """
    of = {aiormq.exceptions.ChannelClosed: of_channels, aiormq.exceptions.ConnectionClosed: of_connections}
    for kind, module in of.items():
        if isinstance(fault, kind):
            code = next((code for code, one in module.EXCEPTION_MAPPING.items() if one is type(fault)), fault.args[0])
            return Closed("channel" if module is of_channels else "connection", code)
    return fault


def _by_aio_pika(message: aio_pika.abc.AbstractIncomingMessage) -> Delivered:
    tag, again = message.delivery_tag or 0, bool(message.redelivered)
    where = message.exchange or "", message.routing_key or ""
    return Delivered(tag, again, *where, message.body, message.consumer_tag)


# --- Java ------------------------------------------------------------------------------------------------------------


class Java:
    """amqp-client in a JVM that is there already."""

    def __init__(self, client: java.Client) -> None:
        self._client = client

    async def connect(self, port: int, user: str, secret: str) -> None:
        await self._do("connect", host="127.0.0.1", port=port, user=user, secret=secret)

    async def close(self) -> None:
        await self._do("abort")

    async def close_channel(self) -> None:
        await self._do("closeChannel")
        await self._do("channel")

    async def qos(self, count: int) -> None:
        await self._do("qos", prefetch=count)

    async def consume(self, queue: str, tag: str = "", *, exclusive: bool = False) -> str:
        return str(await self._do("consume", queue=queue, consumer=tag, exclusive=exclusive))

    async def cancel(self, tag: str) -> None:
        await self._do("cancel", consumer=tag)

    async def take(self, number: int) -> list[Delivered]:
        return [_by_java(one) for one in await self._do("next", count=number)]

    async def ack(self, tag: int, *, multiple: bool = False) -> None:
        await self._do("ack", tag=tag, multiple=multiple)

    async def nack(self, tag: int, *, requeue: bool, multiple: bool = False) -> None:
        await self._do("nack", tag=tag, multiple=multiple, requeue=requeue)

    async def reject(self, tag: int, *, requeue: bool) -> None:
        await self._do("reject", tag=tag, requeue=requeue)

    async def recover(self, *, requeue: bool = True) -> None:
        await self._do("recover", requeue=requeue)

    async def get(self, queue: str) -> Got | None:
        found = await self._do("get", queue=queue)
        return None if found is None else Got(_by_java(found), found["left"])

    async def look(self, queue: str) -> Looked:
        return Looked(**await self._do("look", queue=queue))

    async def purge(self, queue: str) -> None:
        await self._do("purge", queue=queue)

    async def _do(self, what: str, **asked: Any) -> Any:
        try:
            return await self._client.call(what, **asked)
        except java.Failed as fault:
            if closed := re.search(r"#method<(\w+)\.close>\(reply-code=(\d+)", str(fault)):
                raise Closed(closed[1], int(closed[2])) from fault
            raise


def _by_java(one: dict[str, Any]) -> Delivered:
    body = base64.b64decode(one["body"])
    return Delivered(one["tag"], one["redelivered"], one["exchange"], one["routingKey"], body, one.get("consumer"))
