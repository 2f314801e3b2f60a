"""What can be asked about messages of Fiks IO: where each is, and each step that it took, with its place on the log."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from uuid import UUID

from aiohttp.web import AppKey
from asyncpg import Record as Row

from gateway.reading import PATIENCE, Answer, Reading, Rows
from infra.database import Pool
from infra.ends import Ends
from schemas.topics import TOPICS
from streams.domain.fiks_io import Status

TOPIC = "fiks.io"
PARTITIONS = TOPICS[TOPIC].partitions
BEFORE_ALL, AFTER_ALL = -1, (1 << 63) - 1
MOST_WALKED = 10_000
"""Messages of each partition that are looked at for those in one status, at most: these may be few among many."""


class Retning(StrEnum):
    """Which messages of an account."""

    MOTTATT = "MOTTATT"
    SENDT = "SENDT"


OF = {Retning.MOTTATT: "mottaker_konto_id", Retning.SENDT: "avsender_konto_id"}
MELDINGER = """
    select m.*, t.status, t.forsok, t.sist_endret
    from read.fiks_io_melding m join read.fiks_io_tilstand t using (mottaker_konto_id, melding_id)
"""
# In the order of each partition, which alone is the order in which they come to be known, and by time between them.
LISTE = """
    select one.*, max(sendt) over (partition by partisjon order by plass) as orden
    from unnest($3::int[], $4::bigint[], $5::bigint[]) as of (partition, after, until) cross join lateral (
        {meldinger} where m.{konto} = $1 and m.partisjon = of.partition and m.plass > of.after and m.plass <= of.until
        and ($2::text is null or t.status = $2) order by m.plass limit $6) as one
    order by orden, partisjon, plass limit $6
"""
WALK = """
    select of.partition, last.plass from unnest($2::int[], $3::bigint[]) as of (partition, after) cross join lateral (
        select m.plass from read.fiks_io_melding m
        where m.{konto} = $1 and m.partisjon = of.partition and m.plass > of.after
        order by m.plass offset $4 - 1 limit 1) as last
"""
MELDING = "where m.melding_id = $1 and $2 in (m.mottaker_konto_id, m.avsender_konto_id)"
SENDT = "select * from read.fiks_io_melding where (mottaker_konto_id, melding_id) = ($1, $2)"
STEG = """
    select plass, partisjon, hendelse_id, tidspunkt, type, virkning, detalj from read.fiks_io_steg
    where mottaker_konto_id = $1 and melding_id = $2 order by plass
"""


class Sporing(Reading):
    """The questions of one process about messages."""

    def __init__(self, pool: Pool, ends: Ends, patience: float = PATIENCE) -> None:
        super().__init__(pool, ends, "fiks_io", "decider:fiks_io", patience)

    async def liste(
        self, konto_id: UUID, retning: Retning, status: Status | None, after: Mapping[int, int], most: int
    ) -> tuple[Answer, dict[int, int]]:
        """The account's messages that lie ``after`` that place on each partition, about the oldest first, and after
        which places there may be more, where that is so: of a ``status`` perhaps with none before them. Whoever goes on
        after these misses none, however late it came to the log.
        """
        konto, of = OF[retning], range(PARTITIONS)
        places = [after.get(one, BEFORE_ALL) for one in of]
        # What the account was sent lies on one partition, what it sent anywhere.
        asking = partial(self._read, about=[konto_id] if retning is Retning.MOTTATT else None, enough=_never)
        walked: dict[int, int] = {}
        if status is not None:
            walk = await asking(WALK.format(konto=konto), konto_id, of, places, MOST_WALKED)
            walked = {row["partition"]: row["plass"] for row in walk.rows}
        until = [walked.get(one, AFTER_ALL) for one in of]
        statement = LISTE.format(meldinger=MELDINGER, konto=konto)
        found = await asking(statement, konto_id, status, of, places, until, most)
        last = {row["partisjon"]: row["plass"] for row in found.rows}
        if len(found.rows) == most:
            return found, {**after, **last}
        return found, {**after, **last, **walked} if walked else {}

    async def melding(self, konto_id: UUID, melding_id: UUID) -> Answer:
        """The message, which the account sent or was sent; no row where there is no such message."""
        return await self._read(MELDINGER + MELDING, melding_id, konto_id, about=None, enough=_never)

    async def sendt(self, mottaker_konto_id: UUID, melding_id: UUID) -> Row:
        """A message that was sent by a call which ``wrote`` that, as the first call said it."""
        [row] = (await self._read(SENDT, mottaker_konto_id, melding_id, about=[mottaker_konto_id], enough=bool)).rows
        return row

    async def steg(self, mottaker_konto_id: UUID, melding_id: UUID) -> Answer:
        """What happened to a message, in the order of the log."""
        return await self._read(STEG, mottaker_konto_id, melding_id, about=[mottaker_konto_id], enough=_never)


def _never(_rows: Rows) -> bool:
    """What is on the log is what is told: of who asks, somebody else may have heard more already."""
    return False


SPORING = AppKey("sporing", Sporing)
"""``app[SPORING]``: where handlers find it."""
