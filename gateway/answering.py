"""Whose senders are still to be answered: what this process takes in it hands out after it has told its sender, or the
receiver's answer could come before the sender knows the id of what was answered (findings fiks-io-edge.md, 4).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

from aiohttp import web

UNANSWERED = 0.5
"""Seconds that a message waits for that, at most."""


class Answering:
    """The messages of one process whose senders it has not answered yet."""

    def __init__(self) -> None:
        self._answered: dict[UUID, asyncio.Event] = {}

    def begin(self, melding_id: UUID) -> None:
        """Its sender is to be answered."""
        self._answered.setdefault(melding_id, asyncio.Event())

    def end(self, melding_id: UUID) -> None:
        """Its sender is answered."""
        if (answered := self._answered.pop(melding_id, None)) is not None:
            answered.set()

    async def wait(self, melding_id: UUID) -> None:
        """Returns once its sender is answered, where this process does that, or after a moment."""
        if (answered := self._answered.get(melding_id)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(UNANSWERED):
                    await answered.wait()


ANSWERING = web.AppKey("answering", Answering)
"""``app[ANSWERING]``: where handlers find it."""
_MELDING = web.RequestKey("melding", UUID)


def answers(request: web.Request, melding_id: UUID) -> None:
    """The answer to the request is the one to the sender of the message."""
    request[_MELDING] = melding_id
    request.app[ANSWERING].begin(melding_id)


async def answered(request: web.Request, _response: web.StreamResponse) -> None:
    """Once what is about to be written is written: nothing else runs before that."""
    if (melding_id := request.get(_MELDING)) is not None:
        asyncio.get_running_loop().call_soon(request.app[ANSWERING].end, melding_id)
