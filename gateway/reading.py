"""Asking a projection, and how fresh its answer is. You read what you wrote (DESIGN.md, rule 9).

When PostgreSQL or a projection is away, that is ``Unavailable``, never "there is nothing": only a projection that has
caught up may say so.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from infra.database import INFRASTRUCTURE, Pool
from infra.ends import Ends
from infra.logs import logger
from infra.partitions import partition_of
from projections.freshness import passed, position
from schemas.envelope import Position
from streams.domain.errors import Unavailable

log = logger(__name__)

PATIENCE = 20.0
"""Seconds that a question waits for the projection; the clients wait 30 for an answer."""
PAUSE = 0.1
"""Seconds until what is away is asked again."""
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


class _Fresh(NamedTuple):
    """At ``moment`` the log ended at ``end``, and by ``told`` the projection was there."""

    moment: datetime
    end: int
    told: datetime


class Freshness:
    """Up to when each partition was read, told from looks at where the log ends and where the projection is then.

    A projection that is always a little behind still passes what was the end before: that is how fresh it is. One that
    was further when a look began forgot what it had read (its database was lost), and is as if it had never been seen.
    So is one that was seen later than it is now: the clock was set back, and the moments before that are none any more.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Fresh] = {}
        self._ahead: dict[int, tuple[int, datetime]] = {}

    def saw(self, partition: int, end: int, next_offset: int, moment: datetime, now: datetime) -> None:
        """At ``moment`` or after it the log ended at ``end``, and after that, until ``now``, the projection was at
        ``next_offset``.
        """
        moment, known = min(moment, now), self._known.get(partition)
        if known is not None and (known.told > now or (known.told <= moment and next_offset < known.end)):
            del self._known[partition]
            self._ahead.pop(partition, None)
        past_end, since = self._ahead.get(partition, (end, moment))
        if since > now:
            past_end, since = end, moment
        self._ahead[partition] = past_end, since
        if next_offset >= end:
            self._is_fresh(partition, _Fresh(moment, end, now))
        elif next_offset >= past_end:
            self._is_fresh(partition, _Fresh(since, past_end, now))
        else:
            return
        del self._ahead[partition]

    def of(self, partitions: Collection[int]) -> datetime | None:
        """The moment up to which everything on these partitions was read; None when that is not known."""
        if not partitions or not self._known.keys() >= set(partitions):
            return None
        return min(self._known[one].moment for one in partitions)

    def _is_fresh(self, partition: int, fresh: _Fresh) -> None:
        known = self._known.get(partition)
        if known is None or fresh.moment >= known.moment:
            self._known[partition] = fresh


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
        self._fresh = Freshness()
        self._undecided_until: dict[int, float] = {}
        self._away_until = -math.inf

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

    async def caught_up(self, stream: UUID | None = None) -> dict[int, int]:
        """Wait until the projection contains all that lies on the stream's partition now, and tell where that ends.
        Raises Unavailable.

        None: on every partition.
        """
        ends = await self._ends_of(None if stream is None else [stream])
        if ends is None or not await self._passed(ends, self._patience):
            raise Unavailable("Siste nytt er ikke klart for lesing ennå. Prøv igjen")
        return ends

    async def follows(self, about: Iterable[UUID]) -> bool:
        """Wait until what follows from all that lies on the streams' partitions now is decided and in the projection.

        Where that is not known of a partition in time, or the log or PostgreSQL is away for so long, it is not waited
        for as long again, so that not all wait in vain. False when it is known of none of them.
        """
        streams, now = list(about), asyncio.get_running_loop().time
        until = now() + self._patience
        while True:
            try:
                return await self._all_followed(streams)
            except Unavailable:
                if now() < self._away_until:
                    return False
                if now() > until:
                    self._away_until = now() + self._patience
                    return False
            await asyncio.sleep(PAUSE)

    async def _all_followed(self, streams: Collection[UUID]) -> bool:
        """As ``follows``. Raises Unavailable where something is away just now."""
        now, ends = asyncio.get_running_loop().time, await self._ends_of(streams)
        if ends is None:
            raise Unavailable("Loggen svarer ikke akkurat nå. Prøv igjen")
        awaited = [one for one in ends if now() >= self._undecided_until.get(one, -math.inf)]
        followed = await asyncio.gather(*(self._followed({one: ends[one]}) for one in awaited))
        undecided = {one for one, is_known in zip(awaited, followed, strict=True) if not is_known}
        self._undecided_until |= dict.fromkeys(undecided, now() + self._patience)
        return any(followed)

    async def _read(
        self, statement: str, *args: Any, about: Iterable[UUID] | None, enough: Callable[[Rows], bool]
    ) -> Answer:
        """``about`` are the streams that the question is about, None when they are not known."""
        asked = datetime.now(UTC)
        if about is not None:
            await asyncio.gather(*(self._wait_for_own(str(one)) for one in about if str(one) in self._written))
        ends = await self._ends_of(about)
        fresh = ends is not None and await self._is_at(ends, asked)
        found = await self._answer(ends, statement, *args)
        if not fresh and not enough(found.rows):
            if ends is None or not await self._passed(ends, self._patience):
                raise Unavailable("Siste nytt er ikke klart for lesing ennå. Prøv igjen")
            await self._is_at(ends, asked)
            found = await self._answer(ends, statement, *args)
        return found

    async def _answer(self, ends: dict[int, int] | None, statement: str, *args: Any) -> Answer:
        as_of = self._fresh.of(ends or ())  # before the rows are read: others look meanwhile
        return Answer(await self._fetch(statement, *args), as_of)

    async def _is_at(self, ends: dict[int, int], asked: datetime) -> bool:
        """Whether the projection contains all that the log has contained since ``asked``, up to ``ends``."""
        places = [position(self._pool, self._projection, self._ends.topic, partition) for partition in ends]
        try:
            found = dict(zip(ends, await asyncio.gather(*places), strict=True))
        except INFRASTRUCTURE as fault:
            raise _away(fault) from fault
        for partition, next_offset in found.items():
            self._fresh.saw(partition, ends[partition], next_offset, asked, datetime.now(UTC))
        return all(found[partition] >= end for partition, end in ends.items())

    async def _wait_for_own(self, stream: str) -> None:
        """Wait until the projection contains what this process wrote to the stream."""
        if (written := self._written.get(stream)) is None:
            return  # another who asked has waited for it meanwhile
        position, decided = written
        at = {position.partition: position.offset + 1}
        if not await (self._followed(at) if decided else self._passed(at, self._patience)):
            raise Unavailable("Det du nettopp sendte, er ikke klart for lesing ennå. Prøv igjen")
        if self._written.get(stream) == written:
            del self._written[stream]

    async def _followed(self, at: dict[int, int]) -> bool:
        """Wait until all is decided that follows from what lies below ``at``, and the projection contains it."""
        until = asyncio.get_running_loop().time() + self._patience
        if not await self._decided(at, until):
            return False
        ends = await self._ends.now()
        return await self._passed(
            {partition: ends[partition] for partition in at}, until - asyncio.get_running_loop().time()
        )

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
        except asyncpg.UndefinedColumnError as fault:  # tables that an older release made, or a newer one
            log.error(f"run `fiks rebuild {self._projection}`, or the release that matches", fault=str(fault))
            raise _away(fault) from fault


def _away(fault: BaseException) -> Unavailable:
    log.warning("PostgreSQL does not answer", fault=type(fault).__name__)
    return Unavailable("Oppslag er ikke tilgjengelige akkurat nå. Prøv igjen")
