"""Clients as they are published, against our AMQP server: amqp-client for Java over TLS, pika, librabbitmq."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika
import pytest
import pytest_asyncio
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from gateway.amqp.deliveries import Melding
from schemas.konfigurasjon import PrivilegieTildelt, PrivilegieTrukketTilbake
from streams.domain.fiks_io_konto import SENDE_MOTTA
from tests.support.amqp import (
    AKTOR,
    KONTO_ID,
    MELDING,
    NO_QUEUE,
    ORG,
    OTHER_KONTO,
    OTHER_QUEUE,
    QUEUE,
    STRANGE_QUEUE,
    Amqp,
    certified,
    running_amqp,
)
from tests.support.eventually import eventually
from tests.support.published_client import Client, Failed, Program
from tests.support.rabbitmq import amqp_consume, packages

OLDER = Program("Amqp.java", "amqp-5.28.xml", "amqp-client-5.28")
"""The one that the published Fiks IO client 3.5.0 brings with it."""
NEWER = Program("Amqp.java", "amqp-5.37.xml", "amqp-client-5.37")
NEVER = 1e9
"""For ``STANDSTILL`` where it matters at what a client failed: whatever the machine does, it is not excused."""


# --- Java ------------------------------------------------------------------------------------------------------------


@dataclass
class Java:
    """The client in Java, and the server that it is connected to."""

    client: Client
    amqp: Amqp
    authority: Path

    async def __call__(self, what: str, **asked: Any) -> Any:
        return await self.client.call(what, **asked)

    async def connect(self, **more: Any) -> Any:
        asked = {"port": self.amqp.port, "user": self.amqp.user, "secret": self.amqp.secret, "pause": 300}
        return await self("connect", **asked | {"authority": str(self.authority)} | more)

    def cut(self) -> None:
        """All connections break, by no fault of the gateway's."""
        for link in list(self.amqp.server._links):
            link._transport.abort()


@pytest_asyncio.fixture(scope="module", params=[OLDER, NEWER], ids=["5.28", "5.37"])
async def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A client in a machine of its own, which takes its time to start; each test connects it anew."""
    async with Client.started(request.param, tmp_path_factory.mktemp("java") / "java.log") as client:
        yield client


@pytest.fixture
async def java(machine: Client, tmp_path: Path) -> AsyncIterator[Java]:
    context, authority = certified(tmp_path)
    async with running_amqp(context) as amqp:
        java = Java(machine, amqp, authority)
        await java.connect()
        yield java
        await java("abort")


async def test_java_reads_what_is_there_and_settles_it(java: Java) -> None:
    java.amqp.queues.put(KONTO_ID, *[MELDING] * 4)
    assert await java("look", queue=QUEUE) == {"messages": 4, "consumers": 0}
    await java("consume", queue=QUEUE)
    messages = await java("next", count=4)
    assert [one["tag"] for one in messages] == [1, 2, 3, 4]
    first = messages[0]
    assert (first["exchange"], first["routingKey"], first["redelivered"]) == ("", QUEUE, False)
    assert (first["headers"], first["expiration"]) == (MELDING.headers, str(MELDING.expiration))
    assert base64.b64decode(first["body"]) == MELDING.body
    await java("ack", tag=2, multiple=True)
    await java("nack", tag=3, requeue=False)
    await java("reject", tag=4, requeue=True)
    (again,) = await java("next", count=1)
    assert again["redelivered"]
    await java("ack", tag=again["tag"])
    assert await java("get", queue=QUEUE) is None
    assert java.amqp.queues.outcomes(KONTO_ID) == [["acked"], ["acked"], ["rejected"], ["requeued", "acked"]]
    await java("close")


async def test_java_recovers_from_a_cut_and_is_told_what_is_redelivered(
    java: Java, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.amqp.server.STANDSTILL", NEVER)
    java.amqp.queues.put(KONTO_ID, *[MELDING] * 3)
    await java("consume", queue=QUEUE)
    for times in (1, 2, 3):
        assert [one["redelivered"] for one in await java("next", count=3)] == [times > 1] * 3
        java.cut()
        assert await java("recovered", times=times) == times
    outcomes = java.amqp.queues.outcomes(KONTO_ID)
    assert outcomes == [["lost"] * 3, ["returned"] * 3, ["returned"] * 3], "only one can have been in the handler"


async def test_java_recovers_when_we_close(java: Java) -> None:
    """By 320, as when a gateway stops; and tries again for as long as its consumer is refused."""
    await java("consume", queue=QUEUE)
    right = {"fiks_org_id": ORG, "aktor": AKTOR, "ressurs_id": KONTO_ID, "privilegium": SENDE_MOTTA}
    java.amqp.memory.meet(PrivilegieTrukketTilbake(**right))
    assert await java("recovered", times=1) == 1
    java.amqp.memory.meet(PrivilegieTildelt(**right))
    java.amqp.queues.put(KONTO_ID, MELDING)
    (one,) = await java("next", count=1)
    assert not one["redelivered"]


async def test_java_reads_on_after_a_handler_that_throws(java: Java, monkeypatch: pytest.MonkeyPatch) -> None:
    """It closes its channel itself, and would stay alive but deaf."""
    monkeypatch.setattr("gateway.amqp.pulse.DEAF_LIMIT", 0.0)
    monkeypatch.setattr("gateway.amqp.server.STANDSTILL", NEVER)
    await java("consume", queue=QUEUE)
    await java("throw")
    java.amqp.queues.put(KONTO_ID, MELDING)
    assert await java("recovered", times=1) == 1
    (one,) = await java("next", count=1)
    assert one["redelivered"]
    assert java.amqp.queues.outcomes(KONTO_ID) == [["lost"]]


async def test_java_reads_on_after_an_acknowledgement_too_many(java: Java) -> None:
    await java("consume", queue=QUEUE)
    java.amqp.queues.put(KONTO_ID, MELDING)
    await java("next", count=1)
    await java("ack", tag=1)
    await java("ack", tag=1)
    java.amqp.queues.put(KONTO_ID, MELDING)
    assert [one["tag"] for one in await java("next", count=1)] == [2]
    await java("ack", tag=99)
    assert await java("recovered", times=1) == 1
    assert [one["redelivered"] for one in await java("next", count=1)] == [True]


@pytest.mark.parametrize(("queue", "code"), [(NO_QUEUE, 404), (STRANGE_QUEUE, 403)])
async def test_java_is_told_why_it_may_not_read(java: Java, queue: str, code: int) -> None:
    with pytest.raises(Failed, match=f"reply-code={code}"):
        await java("consume", queue=queue)
    await java("channel")
    assert await java("look", queue=QUEUE) == {"messages": 0, "consumers": 0}, "the connection is as good as before"


async def test_java_may_not_publish_and_lives(java: Java) -> None:
    with pytest.raises(Failed, match="reply-code=403"):
        await java("publish", queue=QUEUE)
    await java("channel")
    assert await java("isOpen")


async def test_java_is_told_that_its_login_failed(java: Java) -> None:
    with pytest.raises(Failed, match="ACCESS_REFUSED") as failed:
        await java.connect(secret="galt token")
    assert failed.value.type == "AuthenticationFailureException"


async def test_java_gets_messages_back_that_it_asks_for_again(java: Java) -> None:
    java.amqp.queues.put(KONTO_ID, *[MELDING] * 3)
    await java("consume", queue=QUEUE)
    await java("next", count=3)
    await java("recover")
    assert [one["redelivered"] for one in await java("next", count=3)] == [True] * 3
    assert java.amqp.queues.outcomes(KONTO_ID) == [["returned"]] * 3


async def test_java_that_sends_no_heartbeat_lives_on_what_we_send(java: Java) -> None:
    await java.connect(heartbeat=1)
    await java("consume", queue=QUEUE)
    await asyncio.sleep(4)  # four heartbeats: either side would have given up by now
    java.amqp.queues.put(KONTO_ID, MELDING)
    await java("next", count=1)
    assert await java("isOpen")


async def test_the_newer_java_demands_a_certificate_for_its_host(java: Java, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    context, authority = certified(tmp_path / "other", for_host="en.annen.vert")
    async with running_amqp(context) as amqp:
        other = Java(java.client, amqp, authority)
        if (await java("version")).startswith("5.28"):
            assert await other.connect() == "Fiks"
        else:
            with pytest.raises(Failed, match="localhost"):
                await other.connect()


# --- pika ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def amqp() -> AsyncIterator[Amqp]:
    async with running_amqp() as running:
        yield running


def with_pika(amqp: Amqp, secret: str | None = None, vhost: str = "/", heartbeat: int = 60) -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(amqp.user, secret or amqp.secret)
    return pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", amqp.port, vhost, credentials, heartbeat=heartbeat)
    )


async def test_pika_reads_and_settles(amqp: Amqp) -> None:
    amqp.queues.put(KONTO_ID, *[Melding({}, bytes(size)) for size in (0, 131_064, 131_065, 3_000_000)])

    def script(secret: str) -> list[int]:
        with with_pika(amqp, secret) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=2)
            assert channel.queue_declare(QUEUE, passive=True).method.message_count == 4
            sizes = []
            for method, _, body in channel.consume(QUEUE):
                sizes.append(len(body))
                channel.basic_ack(method.delivery_tag)
                if len(sizes) == 4:
                    break
            channel.cancel()
            assert channel.basic_get(QUEUE) == (None, None, None)
            connection.update_secret(secret, "utløper")
            return sizes

    assert await asyncio.to_thread(script, amqp.secret) == [0, 131_064, 131_065, 3_000_000]
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID) == [["acked"]] * 4)


async def test_pika_that_closes_with_a_message_in_hand_has_not_failed(amqp: Amqp) -> None:
    amqp.queues.put(KONTO_ID, MELDING)

    def script(secret: str) -> None:
        with with_pika(amqp, secret) as connection:
            channel = connection.channel()
            assert channel.basic_get(QUEUE)[2] == MELDING.body
            channel.close()
            assert connection.channel().basic_get(QUEUE)[2] == MELDING.body

    await asyncio.to_thread(script, amqp.secret)
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID) == [["returned"] * 2])


async def test_pika_is_refused_in_words_that_it_knows(amqp: Amqp) -> None:
    def refused(secret: str) -> list[tuple[str, int]]:
        found = []
        with with_pika(amqp, secret) as connection:
            for refused in REFUSED:
                try:
                    refused(connection.channel())
                except ChannelClosedByBroker as fault:
                    found.append(fault.reply_code)
        return found

    assert await asyncio.to_thread(refused, amqp.secret) == [403, 403, 403, 403, 403, 403, 404]


def publish_and_wait(channel: BlockingChannel) -> None:
    channel.basic_publish("", QUEUE, b"abc")
    channel.basic_qos(prefetch_count=1)


REFUSED = [
    lambda channel: channel.queue_declare("ny"),
    lambda channel: channel.queue_purge(QUEUE),
    lambda channel: channel.queue_bind(QUEUE, "amq.direct"),
    lambda channel: channel.basic_get(STRANGE_QUEUE),
    publish_and_wait,
    lambda channel: channel.tx_select(),
    lambda channel: channel.queue_declare(NO_QUEUE, passive=True),
]


async def test_pika_knows_why_it_cannot_connect(amqp: Amqp) -> None:
    with pytest.raises(ProbableAuthenticationError):
        await asyncio.to_thread(with_pika, amqp, "galt token")
    with pytest.raises(ProbableAccessDeniedError):
        await asyncio.to_thread(with_pika, amqp, amqp.secret, "annen")


async def test_pika_is_told_that_we_stop(amqp: Amqp) -> None:
    def consume(secret: str) -> None:
        with with_pika(amqp, secret) as connection:
            for _ in connection.channel().consume(OTHER_QUEUE):
                pass

    consuming = asyncio.create_task(asyncio.to_thread(consume, amqp.secret))
    await eventually(lambda: bool(amqp.queues.queue(OTHER_KONTO).turns))
    await amqp.server.stop()
    with pytest.raises(ConnectionClosedByBroker, match="320"):
        await consuming


# --- librabbitmq -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/%2f"])
async def test_amqp_consume_reads_and_acknowledges(amqp: Amqp, path: str) -> None:
    command, env = amqp_consume(await packages())
    amqp.queues.put(KONTO_ID, *[MELDING] * 3)
    url = f"amqp://{amqp.user}:{amqp.secret.replace(' ', '%20')}@127.0.0.1:{amqp.port}{path}"
    process = await asyncio.create_subprocess_exec(
        *(*command, f"--url={url}", f"--queue={QUEUE}", "--count=2", "--prefetch-count=1", "cat"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    out, errors = await process.communicate()
    assert (out, errors, process.returncode) == (MELDING.body * 2, b"", 0)
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID)[:2] == [["acked"]] * 2)
