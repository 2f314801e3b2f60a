"""Ids and keys of messages that are yet to come. The key of a message must be durable before the message is; an account
that was just sent many is about to be sent more, whose keys are made together, before anybody waits for them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from aiohttp import web

from gateway.randomness import new_uuid
from infra.keys import LIFETIME, Keys, new_key
from infra.uptime import uptime
from streams.domain.errors import Unavailable
from streams.domain.fiks_io import key_id_of, stream_of

MOST, FEWEST = 32, 4
"""Messages of an account within a second: keys are made for as many, and for none where they are fewer."""
FRESH = LIFETIME - 10.0
"""Seconds in which a key is used or never: so long this process remembers it, unless it meets very many others."""
ACCOUNTS = 1000
"""Of those that were sent something last."""


class Ahead(NamedTuple):
    """The id of a message that nobody has sent yet, and its key, which is durable under the name of its stream's."""

    melding_id: UUID
    key: bytes


@dataclass(slots=True)
class _Stock:
    """What is there for an account, the oldest first, and when it was asked for last."""

    ready: deque[tuple[float, Ahead]] = field(default_factory=deque)
    asked: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))
    making: asyncio.Task[None] | None = None


class Stocks:
    """What one process has made. What is left over is swept up as any key whose stream no event tells of."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = uptime) -> None:
        self._keys, self._clock = keys, clock
        self._of: OrderedDict[UUID, _Stock] = OrderedDict()

    def take(self, konto_id: UUID) -> Ahead | None:
        """What is there for one more message to the account, if anything is."""
        stock, now = self._of.setdefault(konto_id, _Stock()), self._clock()
        self._of.move_to_end(konto_id)
        if len(self._of) > ACCOUNTS:
            self._of.popitem(last=False)
        while stock.ready and stock.ready[0][0] < now - FRESH:
            stock.ready.popleft()
        stock.asked.append(now)
        wanted = sum(asked > now - 1 for asked in stock.asked)
        if wanted >= FEWEST and len(stock.ready) <= wanted / 2 and (stock.making is None or stock.making.done()):
            stock.making = asyncio.create_task(self._make(konto_id, stock, wanted))
        return stock.ready.popleft()[1] if stock.ready else None

    async def _make(self, konto_id: UUID, stock: _Stock, count: int) -> None:
        since = self._clock()

        async def make() -> None:
            one = Ahead(new_uuid(), new_key())
            with suppress(Unavailable):  # whoever sends something next is told
                await self._keys.create(key_id_of(stream_of(konto_id, one.melding_id)), one.key)
                stock.ready.append((since, one))

        await asyncio.gather(*(make() for _ in range(count)))


AHEAD = web.AppKey("ahead", Stocks)
"""``app[AHEAD]``: where handlers find it."""
