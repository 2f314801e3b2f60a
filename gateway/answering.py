"""Whose senders are still to be answered: a message is handed out after its sender was told of it, or the receiver's
answer could come before the sender knows the id of what was answered (findings fiks-io-edge.md, 4).

A message says which gateway process took it in, and that one tells the others whom it has answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiohttp import web

UNANSWERED = 0.5
"""Seconds that a message waits for that, at most."""
RECENT = 10.0
"""Seconds after it was sent in which a message may wait that another process took in, whose clock may differ from ours
by so much; later its sender was answered long ago, and who has heard of that has forgotten it.
"""


class Answering:
    """The messages whose senders are not answered yet, as the gateway process ``holder`` knows."""

    def __init__(self, holder: UUID) -> None:
        self.holder = holder
        self._unanswered: dict[UUID, asyncio.Event] = {}
        self._told: dict[UUID, float] = {}
        self._hears_since: float | None = None
        self._unsaid: list[UUID] = []
        self._answered = asyncio.Event()

    # --- What this process takes in -----------------------------------------------------------------------------------

    def begin(self, melding_id: UUID) -> None:
        """Its sender is to be answered."""
        self._unanswered.setdefault(melding_id, asyncio.Event())

    def end(self, melding_id: UUID) -> None:
        """Its sender is answered."""
        self._is_answered(melding_id)
        self._unsaid.append(melding_id)
        self._answered.set()

    async def answered(self) -> list[UUID]:
        """Whom this process has answered since it was asked the last time, once there is somebody."""
        await self._answered.wait()
        self._answered.clear()
        unsaid, self._unsaid = self._unsaid, []
        return unsaid

    # --- What others take in ------------------------------------------------------------------------------------------

    def hears(self) -> None:
        """From now on this process hears of whom others answer."""
        self._hears_since = asyncio.get_running_loop().time()

    def hear(self, answered: Iterable[UUID]) -> None:
        """Others have answered these."""
        now = asyncio.get_running_loop().time()
        for melding_id in answered:
            self._is_answered(melding_id)
            self._told[melding_id] = now
        while self._told and now - self._told[oldest := next(iter(self._told))] > RECENT:
            del self._told[oldest]

    # --- Before it is handed out --------------------------------------------------------------------------------------

    async def wait(self, melding_id: UUID, taken_in_by: UUID | None, sent: datetime) -> None:
        """Returns once its sender is answered, or after a moment; at once where nobody would tell."""
        if melding_id not in self._unanswered:
            if not self._may_be_unanswered(melding_id, taken_in_by, sent):
                return
            self.begin(melding_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(UNANSWERED):
                await self._unanswered[melding_id].wait()
        self._unanswered.pop(melding_id, None)

    def _may_be_unanswered(self, melding_id: UUID, taken_in_by: UUID | None, sent: datetime) -> bool:
        """Whether another process took it in, from which it may still be heard that it has answered."""
        if self._hears_since is None or taken_in_by in {None, self.holder} or melding_id in self._told:
            return False
        heard = asyncio.get_running_loop().time() - self._hears_since
        return sent >= datetime.now(UTC) - timedelta(seconds=min(heard, RECENT))

    def _is_answered(self, melding_id: UUID) -> None:
        if (unanswered := self._unanswered.pop(melding_id, None)) is not None:
            unanswered.set()


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
