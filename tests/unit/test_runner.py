"""Connections that ask for nothing, or never come to the end of asking, are closed."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from gateway.app import runner_of
from tests.support.ports import free_port


@pytest.mark.parametrize(
    "begun", [b"", b"GET /fiks", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /"]
)
async def test_a_connection_without_a_whole_call_is_closed(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.SILENCE", 0.2)
    runner, port = runner_of(web.Application()), free_port()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        reading, writing = await asyncio.open_connection("127.0.0.1", port)
        writing.write(begun)
        said = await reading.read()  # to its end, which is when it is closed
        assert said.startswith(b"HTTP/1.1 404") if b"\r\n\r\n" in begun else not said
        writing.close()
    finally:
        await runner.cleanup()
