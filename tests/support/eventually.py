"""Waiting in tests for what must come, without judging by how long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], bool]) -> None:
    """Returns when it holds; a test that waits in vain is stopped by its time limit."""
    while not holds():
        await asyncio.sleep(0.01)


async def eventually_found(holds: Callable[[], Awaitable[bool]]) -> None:
    """The same where somebody must be asked."""
    while not await holds():
        await asyncio.sleep(0.05)
