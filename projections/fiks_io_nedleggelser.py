"""Ends what waits for accounts of Fiks IO that are deleted: nobody can get it any more, and its senders hear of that at
once, not when its time has passed. No contract tells what becomes of it (fiks-io.md 7, 14).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from infra.database import Connection
from infra.ends import Ends
from infra.partitions import partition_of
from projections.effects import Effecting, ends_of, require_projected
from schemas.catalogue import event_type, part
from schemas.envelope import Envelope, Recorded
from schemas.fiks_io import MeldingSendt, MeldingskontoSlettet
from schemas.fiks_protokoll import ProtokollKontoSlettet
from schemas.konfigurasjon import KontoSlettet
from streams.dead_letters import DeadLetters
from streams.domain.fiks_io import OPEN, fiks_io
from streams.domain.konfigurasjon_commands import konfigurasjon
from streams.log import Log

PAGE = 1000
DELETED = """
    select id from unnest($1::uuid[], $2::uuid[]) as u (fiks_org_id, id)
    join read.konfigurasjon_konto using (fiks_org_id, id) where slettet
"""
WAITING = """
    select melding_id, korrelasjon
    from read.fiks_io_tilstand join read.fiks_io_melding using (mottaker_konto_id, melding_id)
    where mottaker_konto_id = $1 and status = any($2) and melding_id > $3 order by melding_id limit $4
"""


@part
class Sendt:
    """What of MeldingSendt matters here."""

    mottaker_konto_id: UUID
    melding_id: UUID
    mottaker_org_id: UUID


class Nedleggelser(Effecting):
    """Says of each message that its account is deleted. ``ends`` are those of ``fiks.io``."""

    role = "nedleggelser"
    topics: tuple[str, ...] = (fiks_io.topic, konfigurasjon.topic)
    wanted = {  # noqa: RUF012  never changed
        event_type(MeldingSendt).name: Sendt,
        event_type(KontoSlettet).name: None,
        event_type(ProtokollKontoSlettet).name: None,
    }

    def __init__(self, log: Log, dead_letters: DeadLetters, ends: Ends) -> None:
        super().__init__(dead_letters)
        self._log, self._ends = log, ends

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """What is sent while an account is deleted is met here, or waits by the time that the deletion is."""
        await self._late(connection, [one for one in events if isinstance(one.event, Sendt)])
        for event, at in events:
            if not isinstance(event, Sendt):
                await self._konto(connection, event, at)

    async def _late(self, connection: Connection, sent: Sequence[Recorded]) -> None:
        """End what came to an account that is known to be deleted."""
        deleted = await _deleted(connection, {(one.event.mottaker_org_id, one.event.mottaker_konto_id) for one in sent})
        late = [one for one in sent if one.event.mottaker_konto_id in deleted]
        await self._log.append_all(
            [self._said(one.event.mottaker_konto_id, one.event.melding_id, one.at) for one in late]
        )

    async def _konto(self, connection: Connection, event: KontoSlettet | ProtokollKontoSlettet, at: Envelope) -> None:
        """End what waits for the account. What lies beyond the end came when it was known to be deleted, and so is met
        by ``_late``.
        """
        konto_id = event.konto_id
        await require_projected(connection, konfigurasjon.name, konfigurasjon.topic, ends_of([at]))
        if not await _deleted(connection, {(event.fiks_org_id, konto_id)}):
            return
        ends = await self._ends.now()
        partition = partition_of(str(konto_id), len(ends))
        await require_projected(connection, fiks_io.name, fiks_io.topic, {partition: ends[partition]})
        after = UUID(int=0)
        while rows := await connection.fetch(WAITING, konto_id, list(OPEN), after, PAGE):
            of = [(row["melding_id"], msgspec.structs.replace(at, correlation_id=row["korrelasjon"])) for row in rows]
            await self._log.append_all([self._said(konto_id, *one) for one in of])
            after = rows[-1]["melding_id"]

    def _said(self, konto_id: UUID, melding_id: UUID, because: Envelope) -> tuple[object, Envelope]:
        event = MeldingskontoSlettet(mottaker_konto_id=konto_id, melding_id=melding_id)
        return self.following(event, because, str(melding_id))


async def _deleted(connection: Connection, kontoer: set[tuple[UUID, UUID]]) -> set[UUID]:
    """Which of these accounts, each with its organisation, are known to be deleted."""
    if not kontoer:
        return set()
    columns = [list(column) for column in zip(*kontoer, strict=True)]
    return {row["id"] for row in await connection.fetch(DELETED, *columns)}
