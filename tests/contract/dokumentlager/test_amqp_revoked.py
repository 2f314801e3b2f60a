"""Who is taken their access by REST at one gateway loses the live AMQP connections that lean on it, at every gateway.

All is real but TLS: two gateways, their memories, the decider, Kafka and sockets. ``make bench NAME=auth`` tells how
long it takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from pamqp import commands

from gateway.app import serve_amqp
from tests.support.dokumentlager import Lager
from tests.support.ports import free_port
from tests.support.revoking import (
    INTEGRASJONER,
    Loss,
    consuming,
    deactivated,
    deleted,
    logged_in,
    of_another_organisation,
    reader,
    with_another_password,
    without_the_right,
)


@asynccontextmanager
async def serving(gateway: Lager) -> AsyncIterator[int]:
    """The port on which the gateway serves AMQP."""
    server = await serve_amqp(gateway.app, gateway.settings.model_copy(update={"amqp_port": free_port()}), None)
    assert server is not None
    try:
        yield server.port
    finally:
        await server.stop(grace=0)


@pytest.mark.parametrize(
    ("lost", "status", "may_come_again"),
    [
        (deleted, 401, False),
        (with_another_password, 401, False),
        (of_another_organisation, 401, False),
        (without_the_right, 200, True),
        (deactivated, 200, False),
    ],
)
async def test_a_live_connection_ends_with_the_access(
    lagre: tuple[Lager, Lager], lost: Loss, status: int, may_come_again: bool
) -> None:
    """Who is deactivated is still known, by HTTP, and may do nothing there that is its organisation's."""
    one, other = lagre
    administrator = await one.as_administrator()
    machine, stays = await reader(administrator, one), await reader(administrator, one)
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(gateway)) for gateway in (one, other)]
        raws = [await consuming(port, machine) for port in ports]
        kept = [await consuming(port, stays) for port in ports]
        for raw in (*raws, *kept):
            stack.push_async_callback(raw.drop)

        await lost(administrator, machine)

        for raw in raws:
            ended = await raw.hear()
            assert isinstance(ended, commands.Connection.Close)
            assert ended.reply_code == 320
        for port, gateway in zip(ports, lagre, strict=True):
            asked = await replace(gateway, headers=machine.headers).ask("GET", f"{INTEGRASJONER}/autentisering")
            assert asked.status == status
            again, answer = await logged_in(port, machine)
            assert isinstance(answer, commands.Connection.OpenOk if may_come_again else commands.Connection.Close)
            await again.drop()
        for raw in kept:
            assert isinstance(await raw.ask(commands.Basic.Qos(0, 1, False), 1), commands.Basic.QosOk)
