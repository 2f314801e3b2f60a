"""What is no HTTP is answered as every other fault, and what was in it is neither sent back nor logged."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from structlog.testing import capture_logs

from gateway.malformed import answer_as_elsewhere
from tests.support.gateway import BOUNDARY, Caller, form, metadata

SECRET = b"hemmeligPassord"
MALFORMED = {
    "a control character in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nIntegrasjonPassord: "
    + SECRET
    + b"\x01X\r\n\r\n",
    "no method": SECRET + b"\r\n\r\n",
    "letters in the request line as they are": b"GET /fiks-io/katalog/api/v1/lookup?meldingProtokoll=bl\xc3\xa5."
    + SECRET
    + b" HTTP/1.1\r\nHost: x\r\nIntegrasjonPassord: "
    + SECRET
    + b"\r\n\r\n",
    "a version that does not exist": b"GET /healthz?navn=" + SECRET + b" HTTP/9.9\r\nHost: x\r\n\r\n",
}


async def _raw(caller: Caller, sent: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection(caller.settings.gateway_host, caller.settings.gateway_port)
    writer.write(sent)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head, body


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_http_is_an_error_message(
    caller: Caller, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer_as_elsewhere()
    head, body = await _raw(caller, MALFORMED[name])
    assert head.startswith(b"HTTP/1.") and b" 400 " in head.split(b"\r\n")[0]
    assert b"application/json" in head
    assert b"\r\nServer: Fiks" in head and b"aiohttp" not in head
    assert json.loads(body)["status"] == 400
    logged = caplog.text + "".join(capfd.readouterr())
    assert SECRET not in head + body
    assert SECRET.decode() not in logged


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + SECRET * 3000 + b"\r\n\r\n", 431),
        (b"GET /healthz?navn=" + SECRET * 600 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ],
    ids=["a header", "the address"],
)
async def test_what_is_too_long_is_said(caller: Caller, sent: bytes, status: int) -> None:
    answer_as_elsewhere()
    head, body = await _raw(caller, sent)
    assert f" {status} ".encode() in head.split(b"\r\n")[0]
    told = json.loads(body)
    assert (told["status"], "oktetter" in told["message"]) == (status, True)
    assert SECRET not in head + body


async def test_what_is_no_http_is_found_on_the_log_by_what_its_sender_was_told(caller: Caller) -> None:
    answer_as_elsewhere()
    with capture_logs() as logs:
        head, body = await _raw(caller, MALFORMED["no method"])
    (line,) = [line for line in logs if line["event"] == "malformed call refused"]
    assert f"\r\nX-Request-Id: {line['request_id']}\r\n".encode() in head + b"\r\n"
    assert json.loads(body)["errorId"] == str(line["error_id"])


async def test_an_unknown_expectation_is_an_error_message(caller: Caller) -> None:
    async with caller.session.get(f"{caller.url}/healthz", headers={"Expect": "a miracle"}) as answer:
        assert (answer.status, (await answer.json())["status"]) == (417, 417)
        assert answer.headers["Server"] == "Fiks"


@pytest.mark.parametrize("content", [b"plain", gzip.compress(form(metadata()))], ids=["that it is not", "as it says"])
async def test_content_that_is_coded_is_refused(
    caller: Caller, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """No published client sends it, and what it takes to read it is its sender's to choose."""
    headers = caller.headers | {"Content-Encoding": "gzip", "Content-Type": 'multipart/form-data; boundary="x"'}
    async with caller.session.post(caller.send_url, data=content, headers=headers) as answer:
        assert (answer.status, (await answer.json())["status"]) == (415, 415)
        assert answer.headers["Accept-Encoding"] == "identity"
    assert not caplog.records


async def test_content_that_says_that_it_is_not_coded_is_taken(caller: Caller) -> None:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    headers = caller.headers | {"Content-Encoding": "Identity", "Content-Type": kind}
    async with caller.session.post(caller.send_url, data=form(metadata()), headers=headers) as answer:
        assert answer.status == 200
