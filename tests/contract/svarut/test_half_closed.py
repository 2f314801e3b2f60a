"""Who closes one side of the connection (``nc -N``, for one) is answered; who said less than a call hears that."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from gateway.half_closed import answer_half_closed
from tests.support.eventually import eventually
from tests.support.gateway import BOUNDARY, Caller, letter


def call(caller: Caller, body: bytes, chunked: bool = False) -> bytes:
    """The call that sends this letter, as it is on the wire."""
    path = caller.send_url.removeprefix(caller.url)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    head = [f"POST {path} HTTP/1.1", "Host: x", kind, length, *(f"{k}: {v}" for k, v in caller.headers.items())]
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def said_and_closed(caller: Caller, sent: bytes, apart: bool) -> bytes:
    """All that is answered to who sends this and closes that side, at once or a moment later."""
    reader, writer = await asyncio.open_connection(caller.settings.gateway_host, caller.settings.gateway_port)
    writer.write(sent)
    await writer.drain()
    if apart:
        await asyncio.sleep(0.01)
    writer.write_eof()
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "a moment later"])
@pytest.mark.parametrize("chunked", [False, True], ids=["of a known length", "chunked"])
async def test_a_letter_is_received_and_answered(caller: Caller, chunked: bool, apart: bool) -> None:
    answer_half_closed()
    before = len(caller.blobs)
    answer = await said_and_closed(caller, call(caller, letter(), chunked), apart)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    assert json.loads(body)["id"]
    assert len(caller.blobs) == before + 1


async def test_two_calls_at_once_are_no_more_than_the_first(caller: Caller) -> None:
    """Nobody is told that the second was taken, and it is not."""
    answer_half_closed()
    before = len(caller.blobs)
    answer = await said_and_closed(caller, call(caller, letter()) * 2, apart=False)
    assert answer.count(b"HTTP/1.1 200 ") == len(caller.blobs) - before == 1


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "a moment later"])
@pytest.mark.parametrize("chunked", [False, True], ids=["of a known length", "chunked"])
async def test_who_has_not_said_all_is_told_so(caller: Caller, chunked: bool, apart: bool) -> None:
    answer_half_closed()
    before = caller.blobs
    answer = await said_and_closed(caller, call(caller, letter(), chunked)[:-20], apart)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), answer
    assert json.loads(body)["message"] == "Opplastingen ble ikke fullført. Prøv igjen"
    await eventually(lambda: caller.blobs == before)


async def test_who_is_refused_and_has_not_said_all_is_told_that_alone(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    answer_half_closed()
    stranger = replace(caller, headers=caller.headers | {"IntegrasjonPassord": "feil"})
    answer = await said_and_closed(caller, call(stranger, letter())[:-20], apart=True)
    assert answer.startswith(b"HTTP/1.1 401 "), answer
    assert not [line for line in caplog.records if line.levelname == "ERROR"]


async def test_who_asked_nothing_is_let_go(caller: Caller) -> None:
    answer_half_closed()
    assert await said_and_closed(caller, b"", apart=True) == b""
