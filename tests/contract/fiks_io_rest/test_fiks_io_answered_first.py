"""Who sends is answered before a consumer gets the message, whichever gateway process it consumes from: else an answer
may come before its sender knows the id of what was answered (findings fiks-io-edge.md, 4).
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID, uuid4

import pytest

from gateway.amqp.deliveries import Lease, Outcome
from gateway.context import BLOBS, DELIVERIES, LOG
from gateway.queues import Queues
from infra.database import pool_of
from infra.ends import Ends
from schemas.envelope import NOBODY
from schemas.topics import TOPICS
from tests.support.eventually import eventually
from tests.support.fiks_io import AS_JAVA, java, specification
from tests.support.fiks_io_konto import Io, done, opened


@asynccontextmanager
async def another_gateway(io: Io) -> AsyncIterator[Queues]:
    """The queues of another process than that which is called."""
    app, settings = io.a.app, io.a.settings
    async with pool_of(settings.postgres, 2) as pool:
        ends = Ends(settings.kafka, TOPICS["fiks.io"])
        queues = Queues(settings.postgres, pool, app[LOG], app[BLOBS], ends, uuid4())
        queues.start()
        await queues.count(uuid4())
        yield queues
        await queues.stop()


@asynccontextmanager
async def same_gateway(io: Io) -> AsyncIterator[Queues]:
    """Those of the process that is called."""
    yield io.a.app[DELIVERIES]


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("consuming", [same_gateway, another_gateway])
async def test_the_sender_is_answered_before_a_consumer_gets_it(
    io: Io, once: bool, consuming: Callable[[Io], AbstractAsyncContextManager[Queues]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not because it is given up to wait for that."""
    monkeypatch.setattr("gateway.answering.UNANSWERED", 1000.0)
    konto = await opened(io, io.b, io.b_machine)
    if once:
        await done(io.b, "PUT", f"/fiks-io/konto/api/v1/kontoer/{konto}/unikKlientMeldingId/aktiver")
    async with consuming(io) as queues:
        for _ in range(5):
            await _is_answered_first(io, queues, konto)


async def _is_answered_first(io: Io, queues: Queues, konto: str) -> None:
    """One message is sent, and when it is handed out its sender's answer is there."""
    answers: list[bytes] = []

    def give(taken: list[Lease]) -> None:
        answers.append(_heard(client))
        queues.settle([one.receipt for one in taken], Outcome.ACKED)

    with socket.create_connection(("127.0.0.1", io.a.settings.gateway_port)) as client:
        subscription = queues.subscribe(UUID(konto), NOBODY, give)
        subscription.want(1, 2**20)
        client.sendall(_call(io, konto))
        await eventually(lambda: answers)
        subscription.close()
    assert answers == [b"HTTP/1.1 202"]


def _heard(client: socket.socket) -> bytes:
    """The beginning of what has come by now."""
    try:
        return client.recv(12, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def _call(io: Io, konto: str) -> bytes:
    headere = {"klientMeldingId": str(uuid4())}
    body = java(specification(avsenderKontoId=io.a_konto, mottakerKontoId=konto, headere=headere))
    headers = io.a_machine.headers | {"Host": "x", "Content-Type": AS_JAVA, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /fiks-io/api/v1/send HTTP/1.1\r\n{head}\r\n".encode() + body
