"""How long a message of Fiks IO takes from the sender's call to the consumer's hands, and how many come through.

The whole system runs as processes of its own: Kafka, PostgreSQL, a worker, two gateways. The sender calls one of them
by REST, the consumer reads at the other by AMQP. Beside it, in the same run, the same client publishes to a RabbitMQ
that confirms (a durable queue, persistent messages) and consumes from it. Run: ``python -m tests.bench.messages``;
``fiksio`` begins with the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from uuid import UUID, uuid4

import uvloop
from aiohttp import ClientSession, FormData
from aiormq import Connection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from yarl import URL

from gateway.amqp.queues import queue_of
from tests.bench.arguments import asked
from tests.bench.latency import at_pace
from tests.bench.report import Report
from tests.chaos.post import Account, accounts
from tests.chaos.system import settings_of, system
from tests.support.rabbitmq import running_rabbitmq, user
from tests.support.stack import temporary_folder

RATE, SECONDS = 100, 20
WARM_UP = 120
"""Seconds at the same rate before anything is counted: it takes as long until the broker's code is compiled, which now
and then takes one of two cores for a tenth of a second.
"""
MANY, AT_ONCE = 3_000, 32
PREFETCH = 10
SIZE = 1000
ID = "egendefinert-header.klientMeldingId"
SEND = "/fiks-io/api/v1/send"
USER = "bench"

Send = Callable[[UUID], Awaitable[None]]


class Arrivals:
    """When each message came, by the sender's own id."""

    def __init__(self) -> None:
        self._of: dict[str, asyncio.Future[float]] = {}

    def expect(self, id_: UUID) -> asyncio.Future[float]:
        """Done when it has come, with the time."""
        return self._of.setdefault(str(id_), asyncio.get_running_loop().create_future())

    async def take(self, message: DeliveredMessage) -> None:
        """A consumer's callback."""
        now, headers = time.monotonic(), message.header.properties.headers or {}
        expected = self._of.pop(str(headers[ID]), None)
        if expected is not None and not expected.done():
            expected.set_result(now)
        assert message.delivery_tag is not None
        await message.channel.basic_ack(message.delivery_tag)


async def measure_messages(report: Report) -> None:
    """RabbitMQ first, so that its figures are there to compare with."""
    async with by_rabbitmq() as (send, arrivals):
        await measure(report, "rabbitmq", send, arrivals)
    async with by_fiks_io() as (send, arrivals):
        await measure(report, "fiksio", send, arrivals, to="rabbitmq")


async def main() -> None:
    report = Report("messages")
    await measure_messages(report)
    report.finish()


async def measure(report: Report, name: str, send: Send, arrivals: Arrivals, to: str | None = None) -> None:
    """Latency at a steady rate, then as many as go."""

    async def one(_number: int) -> float:
        id_ = uuid4()
        arrived, begun = arrivals.expect(id_), time.monotonic()
        await send(id_)
        return await arrived - begun

    await at_pace(RATE, WARM_UP, one)
    cuts = quantiles(await at_pace(RATE, SECONDS, one), n=100)
    for part, value in (("p50", cuts[49]), ("p99", cuts[98])):
        report.add(f"{name}_{RATE}_{part}", value * 1000, "ms", to and f"{to}_{RATE}_{part}")
    begun = time.monotonic()
    await as_many_as_go(one)
    rate = MANY / (time.monotonic() - begun)
    report.add(f"{name}_end_to_end", rate, "messages a second", to and f"{to}_end_to_end")


async def as_many_as_go(one: Callable[[int], Awaitable[object]]) -> None:
    """Do it ``MANY`` times, ``AT_ONCE`` at a time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def in_turn(number: int) -> None:
        async with turn:
            await one(number)

    await asyncio.gather(*(in_turn(number) for number in range(MANY)))


@asynccontextmanager
async def consuming(url: URL, queue: str, arrivals: Arrivals) -> AsyncIterator[Connection]:
    """A consumer of the queue."""
    connection = Connection(url)
    await connection.connect()
    channel = await connection.channel()
    await channel.basic_qos(prefetch_count=PREFETCH)
    await channel.basic_consume(queue, arrivals.take)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def by_fiks_io() -> AsyncIterator[tuple[Send, Arrivals]]:
    """By REST at one gateway, by AMQP at the other."""
    arrivals = Arrivals()
    async with fiks_io() as (send, receiver, port):
        url = URL.build(scheme="amqp", host="127.0.0.1", port=port, path="/")
        url = url.with_user(receiver.user).with_password(receiver.secret)
        async with consuming(url, queue_of(receiver.konto_id), arrivals):
            yield send, arrivals


@asynccontextmanager
async def fiks_io() -> AsyncIterator[tuple[Send, Account, int]]:
    """The whole system: what sends by REST at one gateway, who receives that, and the port of AMQP at the other."""
    async with system(gateways=2, workers=1, measured=True) as running, ClientSession() as session:
        sender, receiver = await accounts(settings_of(running))

        async def send(id_: UUID) -> None:
            while True:  # where the log takes nothing for a moment, it is tried again and the time runs on
                body = _form(sender, receiver, id_)
                async with session.post(running.urls()[0] + SEND, data=body, headers=sender.headers) as answer:
                    if answer.status == 202:
                        return
                    assert answer.status in (500, 503), await answer.text()
                await asyncio.sleep(0.05)

        yield send, receiver, running.amqp_ports[1]


def _form(sender: Account, receiver: Account, id_: UUID) -> FormData:
    metadata = {
        "avsenderKontoId": str(sender.konto_id),
        "mottakerKontoId": str(receiver.konto_id),
        "meldingType": "no.ks.fiks.bench.v1.melding",
        "headere": {"klientMeldingId": str(id_)},
    }
    form = FormData()
    form.add_field("metadata", json.dumps(metadata), content_type="application/json")
    form.add_field("data", bytes(SIZE), filename="innhold", content_type="application/octet-stream")
    return form


@asynccontextmanager
async def by_rabbitmq() -> AsyncIterator[tuple[Send, Arrivals]]:
    """Publish with confirmation, and consume."""
    arrivals, queue = Arrivals(), "bench"
    declared = {"name": queue, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
    definitions = {"vhosts": [{"name": "/"}], "queues": [declared], **user(USER, USER)}
    with temporary_folder() as folder:
        async with running_rabbitmq(Path(folder), definitions) as port:
            url = URL.build(scheme="amqp", user=USER, password=USER, host="127.0.0.1", port=port, path="/")
            async with consuming(url, queue, arrivals) as connection:
                channel: AbstractChannel = await connection.channel(publisher_confirms=True)

                async def send(id_: UUID) -> None:
                    about = Basic.Properties(delivery_mode=2, headers={ID: str(id_)})
                    await channel.basic_publish(bytes(SIZE), routing_key=queue, properties=about)

                yield send, arrivals


if __name__ == "__main__":
    asked("messages")
    uvloop.run(main())
