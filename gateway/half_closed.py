"""Answers to who has said all and closes that side of the connection, as TCP allows (RFC 9293, 3.6): aiohttp takes it
for gone and would drop the call, though all of it came.
"""

from __future__ import annotations

import asyncio

from aiohttp.web_protocol import RequestHandler


def _end(handler: RequestHandler) -> bool:
    """What follows from the other side's end: whether the connection is kept until what was asked is answered.

    Over TLS it cannot be, and where nothing is under way, or only part of a call came, there is nothing to wait for.
    """
    over_tls = handler.transport is None or handler.transport.get_extra_info("sslcontext") is not None
    if over_tls or (handler._waiter is not None and not handler._messages):
        return False
    if not _asked(handler):  # it is being handed from one task to the next
        asyncio.get_running_loop().call_soon(_look_again, handler)
    elif not _is_whole(handler):
        return False
    handler.close()
    return True


def _look_again(handler: RequestHandler) -> None:
    if handler.transport is not None and not _is_whole(handler):
        handler.transport.close()


def _asked(handler: RequestHandler) -> bool:
    return bool(handler._messages or handler._current_request)


def _is_whole(handler: RequestHandler) -> bool:
    current = handler._current_request
    return all(payload.is_eof() for _, payload in handler._messages) and (current is None or current.content.is_eof())


def answer_half_closed() -> None:
    """Let every server of this process answer them. aiohttp has no other place for it."""
    RequestHandler.eof_received = _end  # type: ignore[method-assign, assignment]
