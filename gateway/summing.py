"""Tells on the log, from time to time, how many refusals there were beyond those that are told one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import datetime
from typing import Generic, TypeVar

from gateway.tally import Sum, Tally
from infra.logs import logger
from infra.metrics import AUDIT_MISSED, AUDIT_SUMMED
from schemas.envelope import Envelope
from streams.broker_errors import NotTaken
from streams.domain.errors import Unavailable
from streams.log import Log

log = logger(__name__)

K = TypeVar("K", bound=Hashable)

INTERVAL = 1.0
"""Seconds between looks for windows that have ended."""

Say = Callable[[Sum[K]], tuple[object, Envelope]]
Clock = Callable[[], datetime]


class Summing(Generic[K]):
    """Appends to ``log`` what ``say`` makes of the sums of ``tally``."""

    def __init__(self, log: Log, tally: Tally[K], say: Say[K], clock: Clock) -> None:
        self._log, self._tally, self._say, self._clock = log, tally, say, clock
        self._stopping = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def has_room(self, kind: K) -> bool:
        """Whether this one is to be told by itself. If not, it is counted, and its number is told later."""
        if self._tally.has_room(kind, self._clock()):
            return True
        AUDIT_SUMMED.inc()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return False

    async def stop(self) -> None:
        """Tell what was not told yet. The log must still be there."""
        self._stopping.set()
        if self._running is not None:
            await self._running
        if missed := self._tally.counted:
            AUDIT_MISSED.inc(missed)
            log.error("refusals are not on the log", count=missed)

    async def _run(self) -> None:
        while self._tally.counted and not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._stopping.wait()
            for taken in self._tally.take(None if self._stopping.is_set() else self._clock()):
                await self._tell(taken)
        self._running = None

    async def _tell(self, taken: Sum[K]) -> None:
        """While the log is away the number grows: nothing is missed."""
        event, about = self._say(taken)
        try:
            await self._log.append(event, about)
        except (Unavailable, NotTaken):
            self._tally.put_back(taken)
