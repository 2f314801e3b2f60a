"""Carries deletions of documents out: many at once become one each, and what is deleted is destroyed, its key first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from infra.blobs import Blobs
from infra.database import Connection
from infra.ends import Ends
from projections.effects import Effecting, awake, ends_of, require_decided, require_projected
from schemas.catalogue import part
from schemas.dokumentlager import (
    DokumentDestruert,
    DokumentLastetOpp,
    DokumentSlettet,
    DokumentslettingBegjart,
    Slettegrunn,
    SlettingAvFlereBegjart,
)
from schemas.envelope import Envelope, Recorded
from schemas.errors import Unreadable
from schemas.konfigurasjon import KontoSlettet
from streams.dead_letters import DeadLetters
from streams.domain.dokumentlager import Status, blob_of, dokumentlager, key_id_of
from streams.domain.konfigurasjon import Konto
from streams.domain.konfigurasjon_commands import konfigurasjon
from streams.journals import JournalStore
from streams.log import Log

PAGE = 1000
AT_ONCE = 20
"""Documents that are destroyed at the same time."""

CLOSED = "select konto_id from read.dokumentlager_konto_slettet where konto_id = any($1)"
OF_KONTO = """
    select dokument_id, opprettet from read.dokumentlager_dokument
    where konto_id = $1 and status <> 'SLETTET' and opprettet <= $2 and (opprettet < $2 or dokument_id > $3)
    order by opprettet desc, dokument_id limit $4
"""
"""By the index of the account, page after page, however small a part of all documents it has."""
OF_KORRELASJON = """
    select dokument_id, opprettet from read.dokumentlager_dokument
    where konto_id = $1 and korrelasjonsid = $5 and plass < ($6::bigint[])[partisjon + 1]
    and status <> 'SLETTET' and opprettet <= $2 and (opprettet < $2 or dokument_id > $3)
    order by opprettet desc, dokument_id limit $4
"""


@part
class Lastet:
    """What of DokumentLastetOpp matters here."""

    dokument_id: UUID
    fiks_org_id: UUID
    konto_id: UUID


class Destruering(Effecting):
    """Destroys the keys of deleted documents, then their bytes, and then says so."""

    role = "destruering"
    topics: tuple[str, ...] = (dokumentlager.topic,)
    wanted = {DokumentSlettet.__name__: None}  # noqa: RUF012  never changed

    def __init__(self, log: Log, dead_letters: DeadLetters, blobs: Blobs) -> None:
        super().__init__(dead_letters)
        self._log, self._blobs = log, blobs
        self._journals = JournalStore(dokumentlager)

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """A deletion that does not count by the decider's own state destroys nothing."""
        await require_decided(connection, dokumentlager, ends_of(one.at for one in events))
        journals = await self._journals.load(connection, {one.at.stream for one in events})
        deleted = [one for one in events if _is_deleted(journals.get(one.at.stream))]
        async with awake(connection):
            for first in range(0, len(deleted), AT_ONCE):
                some = deleted[first : first + AT_ONCE]
                await asyncio.gather(*(self._destroy(one.event.dokument_id) for one in some))
        await self._log.append_all(
            [self.following(DokumentDestruert(dokument_id=one.event.dokument_id), one.at) for one in deleted]
        )

    async def _destroy(self, dokument_id: UUID) -> None:
        await self._log.keys.destroy(key_id_of(dokument_id))
        await self._blobs.delete([blob_of(dokument_id)])


class Slettinger(Effecting):
    """Asks for the deletion of each document where a caller asked for that of many, or closed their account.

    ``ends`` are those of ``fiks.dokumentlager``.
    """

    role = "slettinger"
    topics: tuple[str, ...] = (dokumentlager.topic, konfigurasjon.topic)
    wanted = {  # noqa: RUF012  never changed
        DokumentLastetOpp.__name__: Lastet,
        SlettingAvFlereBegjart.__name__: None,
        KontoSlettet.__name__: None,
    }

    def __init__(self, log: Log, dead_letters: DeadLetters, ends: Ends) -> None:
        super().__init__(dead_letters)
        self._log, self._ends = log, ends
        self._journals = JournalStore(konfigurasjon)

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """One after the other; those that were uploaded are looked at together."""
        await self._late(connection, [one for one in events if isinstance(one.event, Lastet)])
        for event, at in events:
            if isinstance(event, KontoSlettet):
                await self._konto(connection, event, at)
            elif isinstance(event, SlettingAvFlereBegjart):
                await self._flere(connection, event, at)

    async def _konto(self, connection: Connection, event: KontoSlettet, at: Envelope) -> None:
        """Delete all that the account has. What lies beyond the ends came when the account was known to be closed, and
        so is met by ``_late``.
        """
        await require_projected(connection, "dokumentlager", konfigurasjon.topic, ends_of([at]))
        await require_decided(connection, konfigurasjon, ends_of([at]))
        if await self._is_closed(connection, event.fiks_org_id, event.konto_id):
            await require_projected(connection, "dokumentlager", dokumentlager.topic, await self._ends.now())
            await self._ask(connection, at, Slettegrunn.KONTO, None, OF_KONTO, event.konto_id)

    async def _flere(self, connection: Connection, event: SlettingAvFlereBegjart, at: Envelope) -> None:
        """Delete those that were there when the caller asked. Raises Unreadable where they were not there yet."""
        ends = await self._ends.now()
        if any(end > ends.get(partition, 0) for partition, end in enumerate(event.grenser)):
            raise Unreadable("it names ends that the log has not come to")
        await require_projected(connection, "dokumentlager", dokumentlager.topic, dict(enumerate(event.grenser)))
        more = (event.korrelasjonsid, list(event.grenser))
        await self._ask(connection, at, Slettegrunn.API, event.av, OF_KORRELASJON, event.konto_id, *more)

    async def _late(self, connection: Connection, uploaded: Sequence[Recorded]) -> None:
        """Delete what came to an account that had been closed meanwhile."""
        kontoer = list({one.event.konto_id for one in uploaded})
        closed = {row["konto_id"] for row in await connection.fetch(CLOSED, kontoer)} if kontoer else set()
        late = [one for one in uploaded if one.event.konto_id in closed]
        await self._log.append_all(
            [
                self._asked(one.event.dokument_id, one.at, Slettegrunn.KONTO, None)
                for one in late
                if await self._is_closed(connection, one.event.fiks_org_id, one.event.konto_id)
            ]
        )

    async def _ask(
        self,
        connection: Connection,
        at: Envelope,
        grunn: Slettegrunn,
        av: str | None,
        statement: str,
        konto_id: UUID,
        *more: Any,
    ) -> None:
        until, after = datetime.max.replace(tzinfo=UTC), UUID(int=0)  # PostgreSQL's infinity
        while rows := await connection.fetch(statement, konto_id, until, after, PAGE, *more):
            await self._log.append_all([self._asked(row["dokument_id"], at, grunn, av) for row in rows])
            until, after = rows[-1]["opprettet"], rows[-1]["dokument_id"]

    def _asked(
        self, dokument_id: UUID, because: Envelope, grunn: Slettegrunn, av: str | None
    ) -> tuple[object, Envelope]:
        event = DokumentslettingBegjart(dokument_id=dokument_id, grunn=grunn, av=av)
        return self.following(event, because, str(dokument_id))

    async def _is_closed(self, connection: Connection, fiks_org_id: UUID, konto_id: UUID) -> bool:
        """Whether the account is closed by the decider's own state."""
        stream = str(fiks_org_id)
        journal = (await self._journals.load(connection, {stream})).get(stream)
        return journal is not None and bool(journal.state.kontoer.get(konto_id, Konto()).slettet)


def _is_deleted(journal: Any | None) -> bool:
    return journal is not None and journal.state.status is Status.SLETTET
