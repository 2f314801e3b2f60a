"""Asking a projection, and how fresh its answer is. You read what you wrote (DESIGN.md, rule 9).

When PostgreSQL or a projection is away, that is ``Unavailable``, never "there is nothing": only a projection that has
caught up may say so.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from infra.database import INFRASTRUCTURE, Pool
from infra.ends import Ends
from infra.logs import logger
from infra.partitions import partition_of
from projections.freshness import passed
from schemas.envelope import Position
from streams.domain.errors import Unavailable

log = logger(__name__)

PATIENCE = 20.0
"""Seconds that a question waits for the projection; the clients wait 30 for an answer."""
REMEMBERED = 10_000
"""Streams written to lately whose position is remembered."""
LONGEST_CHAIN = 4
"""Decisions that can follow one after the other from a fact, the fact itself being put off until they are read."""

Rows = Sequence[asyncpg.Record]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and the moment up to which everything on the log is in them; None when that is not known."""

    rows: Rows
    as_of: datetime | None


class Reading:
    """The questions of one process to ``projection`` about the topic whose end ``ends`` knows.

    ``decider`` is the role that decides there, as its checkpoint is called.
    """

    def __init__(self, pool: Pool, ends: Ends, projection: str, decider: str, patience: float = PATIENCE) -> None:
        self._pool = pool
        self._ends = ends
        self._projection, self._decider = projection, decider
        self._patience = patience
        self._written: OrderedDict[str, tuple[Position, bool]] = OrderedDict()
        self._fresh: dict[int, datetime] = {}

    def wrote(self, stream: UUID, position: Position, *, decided: bool = False) -> None:
        """This process has written to ``stream``: answers about it contain that, and when ``decided`` what followed."""
        self._written[str(stream)] = (position, decided)
        self._written.move_to_end(str(stream))
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    async def settled(self, stream: UUID, position: Position) -> None:
        """Wait until what follows from what this process wrote is decided, and is in the answers of every process.

        Raises Unavailable: what was written is on the log, and what follows is not known in time.
        """
        self.wrote(stream, position, decided=True)
        await self._wait_for_own(str(stream))

    async def caught_up(self, stream: UUID | None = None) -> None:
        """Wait until the projection contains all that lies on the stream's partition now. Raises Unavailable.

        None: on every partition.
        """
        ends = await self._ends_of(None if stream is None else [stream])
        if ends is None or not await self._passed(ends, self._patience):
            raise Unavailable("Siste nytt er ikke klart for lesing ennå. Prøv igjen")

    async def _read(
        self, statement: str, *args: Any, about: Iterable[UUID] | None, enough: Callable[[Rows], bool]
    ) -> Answer:
        """``about`` are the streams that the question is about, None when they are not known."""
        asked = datetime.now(UTC)
        if about is not None:
            await asyncio.gather(*(self._wait_for_own(str(one)) for one in about if str(one) in self._written))
        ends = await self._ends_of(about)
        fresh = ends is not None and await self._passed(ends, 0)
        rows = await self._fetch(statement, *args)
        if not fresh and not enough(rows):
            if ends is None or not await self._passed(ends, self._patience):
                raise Unavailable("Siste nytt er ikke klart for lesing ennå. Prøv igjen")
            fresh, rows = True, await self._fetch(statement, *args)
        return Answer(rows, self._as_of(ends, asked if fresh else None))

    def _as_of(self, ends: dict[int, int] | None, asked: datetime | None) -> datetime | None:
        partitions = list(ends or ())
        if asked:
            self._fresh |= dict.fromkeys(partitions, asked)
        if not partitions or not all(one in self._fresh for one in partitions):
            return None
        return min(self._fresh[one] for one in partitions)

    async def _wait_for_own(self, stream: str) -> None:
        """Wait until the projection contains what this process wrote to the stream."""
        if (written := self._written.get(stream)) is None:
            return  # another who asked has waited for it meanwhile
        position, decided = written
        at = {position.partition: position.offset + 1}
        until = asyncio.get_running_loop().time() + self._patience
        caught_up = not decided or await self._decided(at, until)
        if decided and caught_up:
            at = {position.partition: (await self._ends.now())[position.partition]}
        if not caught_up or not await self._passed(at, until - asyncio.get_running_loop().time()):
            raise Unavailable("Det du nettopp sendte, er ikke klart for lesing ennå. Prøv igjen")
        if self._written.get(stream) == written:
            del self._written[stream]

    async def _decided(self, at: dict[int, int], until: float) -> bool:
        """Wait until all is decided that follows from what lies below ``at``.

        The decider reads each decision back before it makes the next, so a chain is awaited link by link.
        """
        for _ in range(LONGEST_CHAIN):
            if not await self._passed(at, until - asyncio.get_running_loop().time(), self._decider):
                return False
            ends = await self._ends.now()
            if all(ends[partition] <= next_offset for partition, next_offset in at.items()):
                return True
            at = {partition: ends[partition] for partition in at}
        return True

    async def _ends_of(self, about: Iterable[UUID] | None) -> dict[int, int] | None:
        """The end of each partition concerned, as it is now; None when the log does not tell."""
        try:
            ends = await self._ends.now()
        except Unavailable:
            return None
        if about is None:
            return ends
        return {partition: ends[partition] for partition in {partition_of(str(one), len(ends)) for one in about}}

    async def _passed(self, ends: dict[int, int], timeout: float, name: str | None = None) -> bool:
        name, topic = name or self._projection, self._ends.topic
        try:
            waits = [passed(self._pool, name, topic, partition, end, timeout) for partition, end in ends.items()]
            return all(await asyncio.gather(*waits))
        except INFRASTRUCTURE as fault:
            raise _away(fault) from fault

    async def _fetch(self, statement: str, *args: Any) -> Rows:
        try:
            return await self._pool.fetch(statement, *args)
        except INFRASTRUCTURE as fault:
            raise _away(fault) from fault


def _away(fault: BaseException) -> Unavailable:
    log.warning("PostgreSQL does not answer", fault=type(fault).__name__)
    return Unavailable("Oppslag er ikke tilgjengelige akkurat nå. Prøv igjen")
