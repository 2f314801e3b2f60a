"""One answer for many who ask at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """The answers to a question that costs something: ``ask`` is not called twice at a time."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        """As it is at some moment after the call. Raises what ``ask`` raises.

        A question that is under way may have been answered before we came, so callers share the one after it.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._running))
            self._next.add_done_callback(_seen)
        return await asyncio.shield(self._next)

    async def _ask_after(self, before: asyncio.Task[T] | None) -> T:
        if before and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._ask()


def _seen(asking: asyncio.Task[T]) -> None:
    """Those who asked may all have gone: then asyncio would log a failure as one that nobody saw."""
    if not asking.cancelled():
        asking.exception()
