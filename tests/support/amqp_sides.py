"""RabbitMQ and our AMQP server side by side: the same accounts, and a way to put messages into their queues."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest

from gateway.amqp.deliveries import Melding
from gateway.amqp.queues import queue_of
from schemas.konfigurasjon import PrivilegieTildelt, RessursOpprettet
from streams import topics
from streams.domain.fiks_io_konto import KONTO, SENDE_MOTTA
from tests.support.amqp import (
    AKTOR,
    KONTO_ID,
    MASKIN,
    MELDING,
    ORG,
    OTHER_KONTO,
    PASSORD,
    STRANGE_KONTO,
    STRANGE_QUEUE,
    Amqp,
    running_amqp,
)
from tests.support.queues import post
from tests.support.rabbitmq import running_rabbitmq, user
from tests.support.stack import own_database, temporary_folder

SENDER = "avsender"
HOUR = timedelta(hours=1)
Put = Callable[[UUID, Melding], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers. ``make`` makes an account that ``MASKIN`` may read; ``put`` sends one message to it."""

    port: int
    secret: Callable[[], str]
    put: Put
    make: Callable[[UUID], Awaitable[None]]

    @property
    def user(self) -> str:
        return str(MASKIN)


@asynccontextmanager
async def rabbitmq_side() -> AsyncIterator[Side]:
    """RabbitMQ, with the accounts that ours knows from the beginning."""
    reader = user(str(MASKIN), PASSORD, reads=f"^(?!{STRANGE_QUEUE}$)fiksio", writes="^$")
    sender = user(SENDER, SENDER, configures=".*")
    definitions: dict[str, Any] = {"vhosts": [{"name": "/"}]} | {name: reader[name] + sender[name] for name in reader}
    with temporary_folder() as folder:
        async with (
            running_rabbitmq(folder, definitions) as port,
            await aio_pika.connect(host="127.0.0.1", port=port, login=SENDER, password=SENDER) as connection,
            connection.channel() as channel,
        ):

            async def put(konto_id: UUID, melding: Melding) -> None:
                message = aio_pika.Message(
                    melding.body, headers=dict(melding.headers), delivery_mode=2, expiration=MELDING.expiration / 1000
                )
                await channel.default_exchange.publish(message, queue_of(konto_id))

            async def make(konto_id: UUID) -> None:
                await channel.declare_queue(queue_of(konto_id), durable=True)

            for konto_id in (KONTO_ID, OTHER_KONTO, STRANGE_KONTO):
                await make(konto_id)
            yield Side(port, lambda: PASSORD, put, make)


@asynccontextmanager
async def our_side(kafka: str, postgres: str) -> AsyncIterator[tuple[Side, Amqp]]:
    """Our server on queues that lie on a log and in a database, with a worker; what comes back rests no time."""
    topics.apply(kafka, 1)
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.domain.fiks_io.PAUSES", (timedelta(0),))
        async with (
            own_database(postgres) as database,
            post(kafka, database, folder, gateways=1) as office,
            running_amqp(deliveries=office.gateways[0]) as amqp,
        ):

            async def put(konto_id: UUID, melding: Melding) -> None:
                await office.send(konto_id, melding.body, ttl=HOUR)
                await office.system.until_projected("fiks_io")

            yield side_of(amqp, put), amqp


def side_of(amqp: Amqp, put: Put) -> Side:
    """Our server, into whose queues ``put`` puts messages."""

    async def make(konto_id: UUID) -> None:
        about = {"fiks_org_id": ORG, "ressurs_id": konto_id}
        amqp.memory.meet(
            RessursOpprettet(**about, forelder_id=ORG, type=KONTO, navn="k"),
            PrivilegieTildelt(**about, aktor=AKTOR, privilegium=SENDE_MOTTA),
        )

    return Side(amqp.port, lambda: amqp.secret, put, make)
