"""Reads the body of a call: all of one that is small, or chunk after chunk. Who sends it may be silent, go away or say
what is no HTTP; nobody is waited for without end.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.deadline import without_deadline
from gateway.metadata import read_json
from gateway.multipart import Read
from schemas.errors import Unreadable

T = TypeVar("T")

LONGEST_SILENCE = 120.0
"""Seconds that a sender may send nothing at all, and in which a small body must have come. Clients give up after a
minute of silence: who is silent while it encrypts other documents, four at a time, shall not be cut off by us before
that.
"""
BROKEN = (TimeoutError, OSError, ClientError, HttpProcessingError, web.RequestPayloadError)
"""What reading a body raises when its sender is silent, gone or does not keep to HTTP."""
INCOMPLETE = "Ugyldig innhold: kallet kom ikke helt frem. Prøv igjen"


async def whole(request: web.Request) -> bytes:
    """All of a body that is small. Raises Unreadable when its sender fails, HTTPRequestEntityTooLarge."""
    try:
        async with asyncio.timeout(LONGEST_SILENCE):
            return await request.read()
    except BROKEN as fault:
        raise Unreadable(INCOMPLETE) from fault


async def json(request: web.Request, cls: type[T]) -> T:
    """What a small body in JSON says, as ``cls``. Raises as ``whole`` and ``read_json``."""
    return read_json(await whole(request), cls, request.charset)


def reader(request: web.Request, deadline: float) -> Read:
    """Reads the body of a call until ``deadline`` on the loop's clock. Raises Unreadable when its sender fails."""
    without_deadline(request)
    loop = asyncio.get_running_loop()

    async def read() -> bytes:
        try:
            if (chunk := request.content.read_nowait()) or request.content.at_eof():
                return chunk  # what is here already needs no timer
            async with asyncio.timeout_at(min(deadline, loop.time() + LONGEST_SILENCE)):
                return await request.content.readany()
        except BROKEN as fault:
            raise Unreadable("Opplastingen ble ikke fullført. Prøv igjen") from fault

    return read
