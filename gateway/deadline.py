"""A call is answered while its caller still waits: one deadline for all that is waited for on its way, one after the
other. Content that comes or goes takes as long as it takes.
"""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from streams.domain.errors import Unavailable

ANSWER = 25.0
"""Seconds from the end of the body to the answer; the clients wait 30. A refusal is told of after that, in two."""

_DEADLINE = web.RequestKey("deadline", asyncio.Timeout)


@web.middleware
async def in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raises Unavailable in place of an answer that would come too late."""
    try:
        async with asyncio.timeout(None) as deadline:
            request[_DEADLINE] = deadline
            request.content.on_eof(partial(_begin, request))
            return await handler(request)
    except TimeoutError as fault:
        if not deadline.expired():
            raise
        raise Unavailable(
            "Svaret ble ikke klart i tide. Skulle kallet endre noe, kan det være gjort: se etter før du prøver igjen"
        ) from fault
    finally:
        request.pop(_DEADLINE, None)


def without_deadline(request: web.Request) -> None:
    """From here on the call carries content, or waits for what was done with it: that has time limits of its own."""
    if (deadline := request.pop(_DEADLINE, None)) is not None:
        deadline.reschedule(None)


def _begin(request: web.Request) -> None:
    if (deadline := request.get(_DEADLINE)) is not None:
        deadline.reschedule(asyncio.get_running_loop().time() + ANSWER)
