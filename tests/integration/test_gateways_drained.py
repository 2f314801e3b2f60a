"""Gateways on one port are stopped and started one after the other, and nobody who calls notices."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientSession, TCPConnector, web

from gateway.app import runner_of, serve
from gateway.port import Port
from gateway.routes.health import alive
from gateway.tls import tls
from infra.local.certificates import Tls, local_tls
from infra.local.processes import leashed
from tests.support.eventually import eventually, eventually_found
from tests.support.gateway import BOUNDARY, PATIENT, Caller, ends_of, environment, events_after, letter, running_gateway
from tests.support.ports import free_port
from tests.support.stack import OwnKafka

KIND = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
LETTER = letter()
PAUSES = (0.0, 0.002, 0.01, 0.05, 0.2)
"""Seconds for which those who call rest between two calls, on a connection that stays open, or with a new one."""
ROUNDS = 6


@dataclass
class Calling:
    """Many who send letters by the port that the gateways share."""

    caller: Caller
    trusted: ssl.SSLContext
    accepted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    async def go_on(self, pause: float, url: str, *, keep: bool) -> None:
        connector = TCPConnector(force_close=not keep, ssl=self.trusted)
        async with ClientSession(headers=self.caller.headers | KIND, connector=connector) as session:
            while True:
                await self._send(session, url)
                await asyncio.sleep(pause)

    async def _send(self, session: ClientSession, url: str) -> None:
        try:
            async with session.post(url, data=LETTER) as answer:
                said = await answer.json()
                if answer.status == 200:
                    self.accepted.append(said["id"])
                else:
                    self.failed.append(f"{answer.status} {said}")
        except (ClientError, OSError) as fault:
            self.failed.append(repr(fault))


@asynccontextmanager
async def gateway(caller: Caller, ports: tuple[int, int], files: Tls) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that serves on the ports, on the second over TLS; stopped in order at the end."""
    command, (plain, over_tls) = leashed((sys.executable, *PATIENT)), ports
    secure = {"gateway_tls_port": over_tls, "tls_certificate": files.certificate, "tls_key": files.key}
    told = environment(caller.settings, gateway_port=plain, **secure)
    process = await asyncio.create_subprocess_exec(*command, env=told)
    await eventually_found(partial(_serves, process.pid, plain))
    yield process
    process.terminate()
    assert await process.wait() == 0


async def _serves(pid: int, port: int) -> bool:
    found = psutil.Process(pid).net_connections()
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in found)


async def test_no_call_fails_while_gateways_are_replaced_one_after_the_other(caller: Caller, tmp_path: Path) -> None:
    ports, files = (free_port(), free_port()), local_tls(tmp_path)
    path = caller.send_url.partition(str(caller.settings.gateway_port))[2]
    urls = f"http://localhost:{ports[0]}{path}", f"https://localhost:{ports[1]}{path}"
    calling = Calling(caller, ssl.create_default_context(cafile=files.authority))
    marks = await ends_of(caller.settings.kafka)
    async with gateway(caller, ports, files):
        busy = [
            asyncio.create_task(calling.go_on(pause, url, keep=keep))
            for pause, url, keep in itertools.product(PAUSES, urls, (False, True))
        ]
        for _ in range(ROUNDS):
            async with gateway(caller, ports, files):
                before = len(calling.accepted)
                await eventually(lambda before=before: len(calling.accepted) > before + 50)  # type: ignore[misc]
        for one in busy:
            one.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    assert calling.failed == []
    there = [str(one.event.forsendelse_id) for one in await events_after(caller.settings.kafka, marks)]
    assert set(calling.accepted) <= set(there)


@pytest_asyncio.fixture(scope="module")
async def caller(own_kafka: OwnKafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    async with running_gateway(own_kafka.bootstrap, tmp_path_factory.mktemp("state")) as made:
        yield made


CALL = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
async def test_connections_that_wait_to_be_taken_are_answered_when_the_port_is_given_up(
    over_tls: bool, tmp_path: Path
) -> None:
    files = local_tls(tmp_path) if over_tls else None
    async with opened(files) as port:
        waiting = [connected(port) for _ in range(20)]  # nobody takes them meanwhile
        await port.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port.number)
        for one in waiting:
            assert (await answer(one, files)).startswith(b"HTTP/1.1 200")


async def test_hands_that_are_being_shaken_when_the_port_is_given_up_are_shaken_and_nobody_waits_for_them(
    tmp_path: Path,
) -> None:
    files = local_tls(tmp_path)
    async with opened(files) as port:
        begun = connected(port)
        await asyncio.sleep(0.1)  # it is taken
        silent, gone, babbling = (connected(port) for _ in range(3))
        gone.close()
        babbling.sendall(CALL)
        async with asyncio.timeout(5):
            await port.close()
        assert port.expects_calls
        assert (await answer(begun, files)).startswith(b"HTTP/1.1 200")
        port.abandon()
        silent.settimeout(5)
        assert await asyncio.to_thread(silent.recv, 1) == b""
        silent.close()
        babbling.close()


@asynccontextmanager
async def opened(files: Tls | None) -> AsyncIterator[Port]:
    """A port on which something answers, over TLS where there are files for it."""
    app = web.Application()
    app.router.add_get("/healthz", alive)
    runner = runner_of(app)
    await runner.setup()
    port = Port(runner, "127.0.0.1", free_port(), tls(files.certificate, files.key) if files else None)
    await port.open()
    try:
        yield port
    finally:
        await runner.cleanup()


def connected(port: Port) -> socket.socket:
    """A connection on which nothing has been said."""
    return socket.create_connection(("127.0.0.1", port.number))


async def answer(connection: socket.socket, files: Tls | None) -> bytes:
    """The first line of what is answered to a call."""
    trusted = ssl.create_default_context(cafile=files.authority) if files else None
    named = "localhost" if files else None
    reader, writer = await asyncio.open_connection(sock=connection, ssl=trusted, server_hostname=named)
    writer.write(CALL)
    line = await reader.readline()
    writer.close()
    return line


async def test_a_connection_without_a_call_has_one_more(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.LINGER", 600.0)
    number = free_port()
    serving = asyncio.create_task(serve(caller.settings.model_copy(update={"gateway_port": number})))
    await eventually_found(partial(_serves, os.getpid(), number))
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(CALL)
    assert b"Connection: close" not in await reader.readuntil(b"ok\n")
    os.kill(os.getpid(), signal.SIGTERM)
    while await _serves(os.getpid(), number):
        await asyncio.sleep(0.01)
    writer.write(CALL)
    assert b"Connection: close" in await reader.read()
    writer.close()
    await serving
