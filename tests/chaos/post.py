"""The load of messages in a chaos run: senders by any gateway, consumers of two accounts at both of them.

The first account is sent large content at times, which goes by Dokumentlager. The second takes each klientMeldingId
once, and at times is sent the same again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData
from aiormq import Connection
from aiormq.abc import DeliveredMessage
from aiormq.connection import TCPTransportFactory
from aiormq.exceptions import AMQPError
from yarl import URL

from gateway.amqp.queues import queue_of
from gateway.auth.login import person_token
from gateway.seed import ADMINISTRATORS, ORGANISATIONS
from infra.settings import Settings
from tests.chaos.load import caller
from tests.chaos.messages import Act, Handed, Sent

BROKEN = (ClientError, TimeoutError, ConnectionError)
LOST = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What shows that a connection is gone; the client says some of it by RuntimeError."""
TTLS = (2_000, 30_000, 30_000)
"""Milliseconds. The first is short enough to run out while something is down."""
ACTS = (Act.ACK,) * 14 + (Act.NACK, Act.REQUEUE, Act.REQUEUE, Act.REQUEUE, Act.DROP)
PREFETCH = 10
LARGE, LARGE_SHARE = 6_000_000, 0.03
"""Octets of content that is not delivered with its message, and how many messages to the first account have such."""
HOPELESS, HOPELESS_SHARE = "no.ks.fiks.kaos.v1.umulig", 0.02
"""What every consumer gives back, and how many messages are that: they fail, or expire where something is down."""
TYPE = "no.ks.fiks.kaos.v1.melding"
AGAIN_SHARE = 0.1
"""How many messages to the second account are sent again."""
ANSWER_SHARE = 0.2
"""How many messages answer one that their sender was handed."""
KONTOER = "/fiks-io/konto/api/v1/kontoer"


@dataclass(slots=True)
class Account:
    """An account, and who may use it: ``headers`` are those of REST, with a token that lasts for a while."""

    konto_id: UUID
    headers: dict[str, str]

    @property
    def user(self) -> str:
        """Who logs in over AMQP."""
        return self.headers["IntegrasjonId"]

    @property
    def secret(self) -> str:
        """What is shown over AMQP."""
        return f"{self.headers['IntegrasjonPassord']} {self.headers['Authorization'].removeprefix('Bearer ')}"


@dataclass(slots=True)
class Post:
    """Messages back and forth between two accounts, ``rate`` a second. ``sent`` and ``handed`` are the history."""

    urls: list[str]
    amqp_ports: list[int]
    accounts: tuple[Account, Account]
    rate: float
    random: random.Random
    sent: list[Sent] = field(default_factory=list)
    handed: list[Handed] = field(default_factory=list)
    _had: dict[UUID, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The messages that each account was handed."""

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, then wait for the answers that are outstanding."""
        async with ClientSession(timeout=ClientTimeout(total=30)) as session, asyncio.TaskGroup() as under_way:
            while not stop.is_set():
                under_way.create_task(self._send(session, *self.random.sample(self.accounts, 2)))
                await asyncio.sleep(self.random.expovariate(self.rate))

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[None]:
        """One consumer of each account at each gateway, for as long as this lasts."""
        tasks = [
            asyncio.create_task(self._consume(account, port)) for account in self.accounts for port in self.amqp_ports
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, session: ClientSession, sender: Account, receiver: Account) -> None:
        """Send a message, and perhaps again, as one does who is not sure that it arrived."""
        first, chance = receiver is self.accounts[0], self.random.random()
        is_large, is_sent_again = first and chance < LARGE_SHARE, not first and chance < AGAIN_SHARE
        content = self.random.randbytes(LARGE if is_large else self.random.choice((0, 100, 20_000)))
        is_hopeless = chance > 1 - HOPELESS_SHARE
        klient_melding_id = UUID(bytes=self.random.randbytes(16), version=4)
        metadata = {
            "avsenderKontoId": str(sender.konto_id),
            "mottakerKontoId": str(receiver.konto_id),
            "meldingType": HOPELESS if is_hopeless else TYPE,
            "ttl": TTLS[-1] if is_hopeless else self.random.choice(TTLS),
            "headere": {"klientMeldingId": str(klient_melding_id), "klientKorrelasjonId": "kaos"},
        }
        if (had := self._had[sender.konto_id]) and self.random.random() < ANSWER_SHARE:
            metadata["svarPaMelding"] = self.random.choice(had)

        async def call(after: float) -> None:
            sha256 = hashlib.sha256(content).hexdigest() if is_large else None
            one = Sent(klient_melding_id, sha256, in_dialogue=True)
            self.sent.append(one)
            await asyncio.sleep(after)
            url = f"{self.random.choice(self.urls)}/fiks-io/api/v1/send"
            with suppress(*BROKEN):
                async with session.post(url, data=body_of(metadata, content), headers=sender.headers) as answer:
                    if answer.status == 202:
                        one.answered = UUID((await answer.json())["meldingId"])

        await asyncio.gather(call(0), *([call(self.random.random())] if is_sent_again else []))

    async def _consume(self, account: Account, port: int) -> None:
        while True:
            with suppress(*LOST):
                await self._consume_once(account, port)
            await asyncio.sleep(0.2)

    async def _consume_once(self, account: Account, port: int) -> None:
        """Until the connection is lost, or dropped by a whim."""
        sockets = Sockets()
        url = URL.build(scheme="amqp", host="127.0.0.1", port=port, path="/").with_user(account.user)
        connection = Connection(url.with_password(account.secret), transport_factory=sockets)
        async with asyncio.timeout(20):
            await connection.connect()
            channel = await connection.channel()
            await channel.basic_qos(prefetch_count=PREFETCH)
            taking = partial(self._take, sockets, self._had[account.konto_id])
            await channel.basic_consume(queue_of(account.konto_id), taking)
        try:
            await connection.closing
        finally:
            sockets.drop()
            with suppress(*LOST):
                await connection.close()

    async def _take(self, sockets: Sockets, had: list[str], message: DeliveredMessage) -> None:
        headers = message.header.properties.headers or {}
        had.append(str(headers["melding-id"]))
        act = Act.REQUEUE if headers["type"] == HOPELESS else self.random.choice(ACTS)
        self.handed.append(Handed(UUID(str(headers["melding-id"])), bool(message.redelivered), act))
        tag = message.delivery_tag
        assert tag is not None
        with suppress(*LOST):
            match act:
                case Act.ACK:
                    await message.channel.basic_ack(tag)
                case Act.NACK:
                    await message.channel.basic_nack(tag, requeue=False)
                case Act.REQUEUE:
                    await message.channel.basic_nack(tag, requeue=True)
                case Act.DROP:
                    sockets.drop()


class Sockets(TCPTransportFactory):
    """Makes the socket of a connection, and drops it without a word."""

    writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self.writer = await super().create(url, **kwargs)
        return reader, self.writer

    def drop(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()


async def take_each_once(settings: Settings, urls: list[str], konto_id: UUID) -> None:
    """Let the second account take each klientMeldingId once; returns when every gateway knows it."""
    owner = ORGANISATIONS[1]
    token = await person_token(settings.idporten_issuer, ADMINISTRATORS[owner].pid, 4, owner.orgnr)
    async with ClientSession(headers={"Authorization": f"Bearer {token}"}, raise_for_status=True) as session:
        async with session.put(f"{urls[0]}{KONTOER}/{konto_id}/unikKlientMeldingId/aktiver"):
            pass
        for url in urls:
            async with session.get(f"{url}{KONTOER}/{konto_id}") as answer:
                assert (await answer.json())["unikKlientMeldingId"]


def body_of(metadata: dict[str, Any], content: bytes) -> FormData:
    """The body of a send, as clients make it."""
    form = FormData()
    form.add_field("metadata", json.dumps(metadata), content_type="application/json")
    if content:
        form.add_field("data", content, filename="innhold", content_type="application/octet-stream")
    return form


async def accounts(settings: Settings) -> tuple[Account, Account]:
    """An account of each organisation."""
    first, second = [
        Account(UUID(known["fiksIoKontoId"]), headers)
        for headers, known in [await caller(settings.issuer, settings.state, number) for number in range(2)]
    ]
    return first, second
