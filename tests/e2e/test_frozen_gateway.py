"""A gateway that stands still with messages in its consumers' hands: others hand them out, and it wakes up to that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiohttp import ClientSession
from aiormq import Connection
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ConnectionClosed
from yarl import URL

from gateway.amqp.queues import queue_of
from tests.chaos.load import caller
from tests.chaos.post import Account, body_of
from tests.chaos.system import System, system
from tests.support.eventually import eventually, eventually_found

ENDED = """
    select count(*) from read.fiks_io_tilstand where melding_id = any($1) and status = 'KVITTERT' and forsok = 0
"""
RETURNS = """
    select count(*) from read.fiks_io_steg
    where melding_id = any($1) and type = 'MeldingTilbakelevert' and virkning and detalj <> 'AVBRUTT'
"""


@dataclass
class Consumer:
    """A consumer at one gateway. ``taken`` is what it was handed; it settles nothing by itself."""

    connection: Connection
    taken: list[DeliveredMessage] = field(default_factory=list)

    @property
    def ids(self) -> list[UUID]:
        return [UUID(str((one.header.properties.headers or {})["melding-id"])) for one in self.taken]

    async def ack(self, number: int) -> None:
        tag = self.taken[number].delivery_tag
        assert tag is not None
        await self.taken[number].channel.basic_ack(tag)

    async def requeue(self, number: int) -> None:
        tag = self.taken[number].delivery_tag
        assert tag is not None
        await self.taken[number].channel.basic_nack(tag, requeue=True)


@asynccontextmanager
async def consuming(account: Account, port: int) -> AsyncIterator[Consumer]:
    url = URL.build(scheme="amqp", host="127.0.0.1", port=port, path="/").with_user(account.headers["IntegrasjonId"])
    consumer = Consumer(Connection(url.with_password(account.secret)))
    await consumer.connection.connect()
    channel = await consumer.connection.channel()
    await channel.basic_qos(prefetch_count=10)

    async def take(message: DeliveredMessage) -> None:
        consumer.taken.append(message)

    await channel.basic_consume(queue_of(account.konto_id), take)
    yield consumer
    await consumer.connection.close()


async def account_of(made: System, number: int) -> Account:
    headers, known = await caller(made.environment["FIKS_ISSUER"], Path(made.environment["FIKS_STATE"]), number)
    return Account(UUID(known["fiksIoKontoId"]), headers)


async def test_what_a_frozen_gateway_had_is_handed_out_by_another_and_it_settles_nothing_falsely() -> None:
    async with system(gateways=2, workers=1) as made, ClientSession() as session:
        sender, receiver = await account_of(made, 0), await account_of(made, 1)
        frozen, other = made.gateways
        database = await asyncpg.connect(made.postgres.dsn)

        async def send() -> UUID:
            said = {"meldingType": "no.ks.fiks.frost.v1.melding", "ttl": 600_000}
            said |= {"avsenderKontoId": str(sender.konto_id), "mottakerKontoId": str(receiver.konto_id)}
            url = f"http://127.0.0.1:{other.process.port}/fiks-io/api/v1/send"
            async with session.post(url, data=body_of(said, b"innhold"), headers=sender.headers) as answer:
                return UUID(json.loads(await answer.text())["meldingId"])

        async def are_acknowledged() -> bool:
            return bool(await database.fetchval(ENDED, sent) == len(sent))

        async with consuming(receiver, made.amqp_ports[0]) as first:
            sent = [await send() for _ in range(5)]
            await eventually(lambda: len(first.taken) == len(sent))
            frozen.pause()
            async with consuming(receiver, made.amqp_ports[1]) as second:
                await eventually(lambda: len(second.taken) == len(sent))
                assert second.ids == sent
                assert all(one.redelivered for one in second.taken)
                await first.ack(2)
                await first.requeue(3)
                frozen.resume()
                with pytest.raises(ConnectionClosed, match="320"):
                    await first.connection.closing
                for number in (0, 1, 3, 4):
                    await second.ack(number)
                await eventually_found(are_acknowledged)
                assert await database.fetchval(RETURNS, sent) == 0, "what came back came back by no consumer's doing"
                assert second.ids == sent
        async with consuming(receiver, made.amqp_ports[0]) as again:
            sent.append(await send())
            await eventually(lambda: again.ids == sent[5:])
            await again.ack(0)
            await eventually_found(are_acknowledged)
        await database.close()
