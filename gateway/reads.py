"""What can be asked about forsendelser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from gateway.reading import PATIENCE, Answer, Reading, Rows
from infra.database import Pool
from infra.ends import Ends
from projections.svarut_status import Hendelse, that_counted
from schemas.catalogue import event_type
from schemas.svarut import ForsendelseLest
from streams.domain.svarut_status import Status

TOPIC = "fiks.svarut"
LEST = event_type(ForsendelseLest).name

KONTO = "select konto_id from read.svarut_status where forsendelse_id = $1"
STATUS = "select status from read.svarut_status where forsendelse_id = $1"
HENDELSER = "select * from read.svarut_hendelse where forsendelse_id = $1 order by made"
STATUSER = """
    select forsendelse_id, status, sist_endret from read.svarut_status
    where konto_id = $1 and forsendelse_id = any($2::uuid[]) order by mottatt, forsendelse_id
"""
REFERANSE = """
    select forsendelse_id from read.svarut_status
    where konto_id = $1 and ekstern_referanse = $2 order by mottatt, forsendelse_id
"""


class History(NamedTuple):
    """What has happened to a forsendelse, in order, each once, and up to when that is known (``Answer``)."""

    hendelser: list[Hendelse]
    as_of: datetime | None


class Reads(Reading):
    """The questions of one process about forsendelser."""

    def __init__(self, pool: Pool, ends: Ends, patience: float = PATIENCE) -> None:
        super().__init__(pool, ends, "svarut_status", "decider:svarut", patience)

    async def konto_of(self, forsendelse_id: UUID) -> UUID | None:
        """The account that sent the forsendelse; None when there is no such forsendelse."""
        answer = await self._read(KONTO, forsendelse_id, about=[forsendelse_id], enough=bool)
        return answer.rows[0]["konto_id"] if answer.rows else None

    async def status(self, forsendelse_id: UUID) -> Status:
        """Where the forsendelse is, of which there must be one (``konto_of``)."""
        answer = await self._read(STATUS, forsendelse_id, about=[forsendelse_id], enough=bool)
        return Status(answer.rows[0]["status"])

    async def was_read(self, forsendelse_id: UUID) -> bool:
        """Whether the forsendelse, of which there must be one, is LEST, or was until it was deleted."""
        answer = await self._read(HENDELSER, forsendelse_id, about=[forsendelse_id], enough=bool)
        return LEST in {one.type for one in _counted(answer)}

    async def statuser(self, konto_id: UUID, ids: set[UUID]) -> Answer:
        """``forsendelse_id, status, sist_endret`` of those that the account sent."""
        ask = partial(self._read, STATUSER, konto_id, list(ids), about=ids, enough=lambda rows: len(rows) == len(ids))
        return await self._judged(ask, _only_received)

    async def hendelser(self, forsendelse_id: UUID) -> History:
        """What has happened, as far as it counted: the log may say a fact or a decision more than once."""
        ask = partial(self._read, HENDELSER, forsendelse_id, about=[forsendelse_id], enough=bool)
        found = await self._judged(ask, lambda rows: [forsendelse_id] if len(rows) == 1 else [])
        return History(_counted(found), found.as_of)

    async def _judged(self, ask: Callable[[], Awaitable[Answer]], received: Callable[[Rows], Iterable[UUID]]) -> Answer:
        """The answer, once those are judged that were only ``received`` when it was asked for. Their senders were told
        that they are accepted; while nobody decides they are shown as they are, when patience has ended.
        """
        found = await ask()
        waiting = list(received(found.rows))
        return await ask() if waiting and await self.follows(waiting) else found

    async def with_referanse(self, konto_id: UUID, ekstern_referanse: str) -> Answer:
        """``forsendelse_id`` of those with this reference, the first received first."""
        # The caller may just have sent one more: only the end of the log tells that these are all.
        return await self._read(REFERANSE, konto_id, ekstern_referanse, about=None, enough=lambda _: False)


def _counted(answer: Answer) -> list[Hendelse]:
    return that_counted(Hendelse(*row) for row in answer.rows)


def _only_received(rows: Rows) -> list[UUID]:
    return [row["forsendelse_id"] for row in rows if row["status"] == Status.MOTTATT]
