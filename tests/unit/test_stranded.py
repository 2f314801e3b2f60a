"""What nobody holds is given back once, however long the log or the table takes to tell of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import pytest

from gateway import queues
from gateway.leases import Abandoned, Held
from gateway.queues import Queues
from infra.blobs import Blobs
from infra.database import Pool
from infra.ends import Ends
from streams.domain.errors import Unavailable
from streams.log import Log

STRANDED = [Abandoned(Held(UUID(int=1), UUID(int=2 + n), UUID(int=1000 + n)), None) for n in range(50)]


class Leases:
    """PostgreSQL forgot its leases; that messages are handed out it knows, until the log says more."""

    holder = UUID(int=9)

    async def others(self) -> set[UUID]:
        return set()

    async def overdue(self) -> list[Abandoned]:
        return []

    async def stranded(self, _: float) -> list[Abandoned]:
        return STRANDED

    async def held(self, _: float) -> list[Held]:
        return []


class AwayLog:
    keys: Any = None

    async def append(self, *_: Any) -> None:
        raise Unavailable("away")


async def test_while_the_log_is_away_what_is_stranded_is_given_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each look (every two seconds) adds two tasks a message, a thousand messages at a time, without end."""
    monkeypatch.setattr(queues, "TEND", 0.01)
    one = Queues("", cast(Pool, None), cast(Log, AwayLog()), cast(Blobs, None), cast(Ends, None), UUID(int=9))
    one._leases = one._settlement._leases = cast(Any, Leases())
    one._connected.set()
    tending = asyncio.create_task(one._tend())
    await asyncio.sleep(0.3)
    tending.cancel()
    with suppress(asyncio.CancelledError):
        await tending
    unsaid = one._settlement.unsaid
    for task in list(one._settlement._saying):
        task.cancel()
    assert unsaid <= 2 * len(STRANDED)
