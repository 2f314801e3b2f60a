"""Answers to who closes one side of the connection with a call under way, as TCP allows (RFC 9293, 3.6): aiohttp takes
it for gone. Who has said all is answered as ever, and who has not is told so.
"""

from __future__ import annotations

import asyncio

from aiohttp import StreamReader
from aiohttp.web_protocol import RequestHandler


def _end(handler: RequestHandler) -> bool:
    """What follows from the other side's end: whether the connection is kept until what was asked is answered.

    Over TLS it cannot be, and where no call is under way there is nothing to wait for.
    """
    over_tls = handler.transport is None or handler.transport.get_extra_info("sslcontext") is not None
    if over_tls or (handler._waiter is not None and not handler._messages):
        return False
    handler.close()  # once that is answered
    _cut_short(handler)
    asyncio.get_running_loop().call_soon(_cut_short, handler)  # the call may be on its way from one task to the next
    return True


def _cut_short(handler: RequestHandler) -> None:
    """No more of the call comes: whoever reads it hears of that, as if the connection were lost."""
    for payload in _payloads(handler):
        if not payload.is_eof():
            payload.set_exception(ConnectionResetError("the other side has said all, and this is not all of a call"))
            payload.feed_eof()  # nobody waits for the rest


def _payloads(handler: RequestHandler) -> list[StreamReader]:
    current = handler._current_request
    return [payload for _, payload in handler._messages] + ([current.content] if current else [])


def answer_half_closed() -> None:
    """Let every server of this process answer them. aiohttp has no other place for it."""
    RequestHandler.eof_received = _end  # type: ignore[method-assign, assignment]
