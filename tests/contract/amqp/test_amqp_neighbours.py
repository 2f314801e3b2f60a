"""A client that sends anything at all costs nobody else a message, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from pamqp import body, commands
from pamqp.header import ContentHeader

from gateway.amqp.queues import queue_of
from gateway.queues import Queues
from tests.support.amqp import MELDING, Amqp
from tests.support.amqp_peer import capture
from tests.support.amqp_raw import Raw
from tests.support.amqp_sides import Side
from tests.support.eventually import eventually

MESSAGES, STRANGERS, AT_ONCE = 20, 60, 10
NOTHING = (0, 0, 0, [], 0)
"""No connections, strangers, consumers, leases, nor facts that wait for the log."""


def left_behind(amqp: Amqp) -> tuple[Any, ...]:
    """All that the gateway holds of its clients."""
    queues = amqp.server.deliveries
    assert isinstance(queues, Queues)
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    tasks = Counter(code.co_qualname for code in codes if code and "/gateway/" in code.co_filename)
    consumers = sum(map(len, queues._turns.values()))
    links, strangers = len(amqp.server._links), len(amqp.server._strangers)
    return links, strangers, consumers, queues._settlement.leases, queues._settlement.unsaid, tasks


def has_no_more(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    """Nothing, and no task that there was not before: of those that there were, some may have ended meanwhile."""
    return now[:-1] == NOTHING and not now[-1] - before[-1]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_others_send_a_consumer_reads_on_in_order(seed: int, system: tuple[Side, Amqp]) -> None:
    side, amqp = system
    random, konto_id, theirs = Random(seed), uuid4(), uuid4()
    for one in (konto_id, theirs):
        await side.make(one)
    await eventually(lambda: left_behind(amqp)[:-1] == NOTHING)  # of the tests before this one
    before = left_behind(amqp)
    consumer = await Raw.connected(side.port)
    await consumer.log_in(side.user, side.secret())
    await consumer.ask(commands.Channel.Open(), 1)
    await consumer.ask(commands.Basic.Qos(0, 3, False), 1)
    await consumer.ask(commands.Basic.Consume(queue=queue_of(konto_id)), 1)

    async def read() -> None:
        for number in range(MESSAGES):
            deliver, properties, content = [await consumer.hear() for _ in range(3)]
            assert isinstance(properties, ContentHeader)
            assert isinstance(content, body.ContentBody)
            assert (deliver.delivery_tag, deliver.redelivered, content.value) == (number + 1, False, bytes([number]))
            consumer.say(commands.Basic.Ack(number + 1), 1)

    async def write() -> None:
        for number in range(MESSAGES):
            await side.put(konto_id, replace(MELDING, body=bytes([number])))
            await side.put(theirs, MELDING)

    async def disturb() -> None:
        login = commands.Connection.StartOk({}, "PLAIN", f"\0{side.user}\0{(secret := side.secret())}", "en_US")
        octets = bytearray(capture(login, queue_of(theirs)))
        known = len(octets) if random.random() < 0.3 else len(octets) - octets.index(secret.encode())
        for _ in range(random.randrange(5)):
            octets[-random.randrange(1, known)] = random.randrange(256)
        stranger = await Raw.connected(side.port)
        for _ in range(random.randrange(1, 5)):
            size = random.randrange(len(octets) + 1)
            stranger.writer.write(octets[:size])
            del octets[:size]
            await asyncio.sleep(0)
        if random.random() < 0.5:
            stranger.writer.write(octets)
            await asyncio.sleep(random.random() / 5)  # what was asked may be answered, or not
        await stranger.drop()

    async def disturb_at_once() -> None:
        for _ in range(STRANGERS // AT_ONCE):
            await disturb()

    async with asyncio.timeout(120):
        await asyncio.gather(read(), write(), *(disturb_at_once() for _ in range(AT_ONCE)))
        assert (await consumer.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"
        await consumer.drop()
        await eventually(lambda: has_no_more(left_behind(amqp), before))
