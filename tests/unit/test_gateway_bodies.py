"""What a call whose body does not come, or is no call, costs: nobody's page, and nobody's connection for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway import body
from gateway.app import invite, let_finish, name_protocol, name_server, observe
from gateway.context import TRAFFIC, Traffic
from gateway.deadline import in_time
from gateway.half_closed import answer_half_closed
from gateway.malformed import answer_as_elsewhere
from gateway.problems import problems
from gateway.routes.schema_registry import routes

BASE = "/schema-registry/subjects/no.fiks.svarut.ForsendelseMottatt"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The gateway's own middlewares and a route of its own that is open to all, and needs nothing else."""
    answer_as_elsewhere()
    answer_half_closed()
    app = web.Application(middlewares=[let_finish, observe, problems, in_time, invite])
    app[TRAFFIC] = Traffic()
    app.on_response_prepare.extend([name_protocol, name_server])
    routes.add_to(app)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, auto_decompress=False, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    await runner.cleanup()


def post(body: bytes, framing: str) -> bytes:
    head = f"POST {BASE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
    return head.encode() + body


async def cut_off(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A call of which the beginning has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(b"{}", "Content-Length: 100"))
    await writer.drain()
    await asyncio.sleep(0.05)
    return reader, writer


async def test_who_says_less_than_a_call_and_half_closes_is_told_so(port: int) -> None:
    """half_closed.py: 'who has not is told so'; problems: a 500 is a bug of ours, and pages (FiksServerErrors)."""
    with capture_logs() as lines:
        reader, writer = await cut_off(port)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert b" 400 " in answer.split(b"\r\n")[0], answer
    assert not [line for line in lines if line["log_level"] == "error"]


async def test_who_goes_away_in_the_middle_of_a_small_body_is_no_bug_of_ours(port: int) -> None:
    with capture_logs() as lines:
        _, writer = await cut_off(port)
        writer.transport.abort()
        await asyncio.sleep(0.2)
    assert not [line for line in lines if line["log_level"] == "error"]


async def test_a_small_body_that_does_not_come_is_not_waited_for_for_ever(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ARCHITECTURE, 'nobody waits for ever': a body without a byte two minutes."""
    monkeypatch.setattr(body, "LONGEST_SILENCE", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(b"{}", "Content-Length: 100"))
    answer = await asyncio.wait_for(reader.read(100), 5)
    writer.close()
    assert b" 400 " in answer.split(b"\r\n")[0], answer


async def test_a_chunk_that_is_none_is_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after a while is no HTTP: that is answered when it comes at once, and waited behind for ever else."""
    monkeypatch.setattr(body, "LONGEST_SILENCE", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(b"2\r\n{}\r\n", "Transfer-Encoding: chunked"))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(b"zz\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(100), 5)
    writer.close()
    assert b" 400 " in answer.split(b"\r\n")[0], answer


@pytest.mark.parametrize("path", ["/schema-registry/schemas/ids/", f"{BASE}/versions/"])
async def test_a_number_of_any_length_is_no_bug_of_ours(port: int, path: str) -> None:
    """Anybody may ask; Python takes no number of more than 4,300 digits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path}{'9' * 5000} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert b" 404 " in answer.split(b"\r\n")[0], answer
