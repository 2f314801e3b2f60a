"""What can be asked about messages of Fiks IO: where each is, and each step that it took, with its place on the log."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from aiohttp.web import AppKey
from asyncpg import Record as Row

from gateway.reading import PATIENCE, Answer, Reading, Rows
from infra.database import Pool
from infra.ends import Ends
from streams.domain.fiks_io import Status

TOPIC = "fiks.io"


class Retning(StrEnum):
    """Which messages of an account."""

    MOTTATT = "MOTTATT"
    SENDT = "SENDT"


OF = {Retning.MOTTATT: "mottaker_konto_id", Retning.SENDT: "avsender_konto_id"}
MELDINGER = """
    select m.*, t.status, t.forsok, t.sist_endret
    from read.fiks_io_melding m join read.fiks_io_tilstand t using (mottaker_konto_id, melding_id)
"""
LISTE = """
    where m.{konto} = $1 and ($2::text is null or t.status = $2)
    and (m.sendt, m.melding_id) > ($3::timestamptz, $4::uuid) order by m.sendt, m.melding_id limit $5
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
        self, konto_id: UUID, retning: Retning, status: Status | None, after: tuple[datetime, UUID], most: int
    ) -> Answer:
        """The account's messages that were sent ``after`` that moment and id, the oldest first."""
        statement = MELDINGER + LISTE.format(konto=OF[retning])
        # What the account was sent lies on one partition, what it sent anywhere.
        about = [konto_id] if retning is Retning.MOTTATT else None
        return await self._read(statement, konto_id, status, *after, most, about=about, enough=_never)

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
