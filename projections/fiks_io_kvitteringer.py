"""Carries out what follows from the end of a message of Fiks IO, and notes answers. Contract: fiks-io.md 2.6.

A sender hears of a message that expired or failed by a message of the platform's; that is made from nothing but what
the original said, and nothing ever follows from it. Then the key of what has ended is destroyed, and its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record as Row

from infra.blobs import Blobs
from infra.database import Connection
from projections.effects import Effecting, awake, ends_of, require_decided, require_projected
from projections.fiks_io import headers_of
from schemas.catalogue import event_type, part
from schemas.dokumentlager import DokumentslettingBegjart, Slettegrunn
from schemas.envelope import Envelope, Recorded, derived_id
from schemas.errors import Unreadable
from schemas.fiks_io import (
    Header,
    MeldingBesvart,
    MeldingDestruert,
    MeldingFeilet,
    MeldingSendt,
    MeldingUtlopt,
)
from streams.dead_letters import DeadLetters
from streams.domain.decider import Journal
from streams.domain.fiks_io import ENDS, KORRELASJON, TTL, Melding, fiks_io, key_id_of, stream_of
from streams.journals import JournalStore
from streams.log import Log
from streams.sealing import opened_at

AT_ONCE = 20
"""Messages whose keys and bytes are destroyed at the same time."""
NOTICES = {
    MeldingUtlopt: "no.ks.fiks.kvittering.tidsavbrudd",
    MeldingFeilet: "no.ks.fiks.kvittering.serverfeil.v1",
}
"""What the sender of a message is told, by the decision that ended it."""

FIND = """
    select m.* from unnest($1::uuid[], $2::uuid[]) as u (mottaker_konto_id, melding_id)
    join read.fiks_io_melding m using (mottaker_konto_id, melding_id)
"""

Key = tuple[UUID, UUID]


@part
class Sendt:
    """What of MeldingSendt matters here."""

    mottaker_konto_id: UUID
    melding_id: UUID
    avsender_konto_id: UUID
    svar_pa_melding: UUID | None = None
    blob: str | None = None
    dokumentlager_id: UUID | None = None
    plattform: bool = False


class Kvitteringer(Effecting):
    """Tells senders, destroys what has ended, notes what was answered."""

    role = "kvitteringer"
    topics: tuple[str, ...] = (fiks_io.topic,)
    wanted = {event_type(one).name: None for one in ENDS} | {event_type(MeldingSendt).name: Sendt}

    def __init__(self, log: Log, dead_letters: DeadLetters, blobs: Blobs) -> None:
        super().__init__(dead_letters)
        self._log, self._blobs = log, blobs
        self._journals = JournalStore(fiks_io)

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """What an end that does not count by the decider's own state leads to is nothing. Raises Unreadable."""
        ends = ends_of(one.at for one in events)
        await require_decided(connection, fiks_io, ends)
        await require_projected(connection, "fiks_io", fiks_io.topic, ends)
        sent = [one for one in events if isinstance(one.event, Sendt)]
        ended = await self._that_count(connection, [one for one in events if not isinstance(one.event, Sendt)])
        answered = {key for one in sent if (key := _answered(one)) is not None}
        known = await _find(connection, {_key(one.event) for one in (*sent, *ended)} | answered)
        _require_known(known, (*sent, *ended))
        void = [one for one in sent if _is_void(one, known[_key(one.event)])]
        await self._log.append_all(self._answers([one for one in sent if one not in void], known))
        await self._log.append_all(await self._notices(ended, known))
        if void:
            await self._forget(connection, void, known)
        async with awake(connection):
            for first in range(0, len(ended), AT_ONCE):
                await self._destroy([known[_key(one.event)] for one in ended[first : first + AT_ONCE]])
        await self._log.append_all([self._destroyed(one, known[_key(one.event)]) for one in ended])

    async def _that_count(self, connection: Connection, events: Sequence[Recorded]) -> list[Recorded]:
        """The events that ended their messages, each message once."""
        journals = await self._journals.load(connection, {one.at.stream for one in events})
        ended: dict[str, Recorded] = {}
        for one in events:
            state: Melding = journals[one.at.stream].state if one.at.stream in journals else Melding()
            if state.status is ENDS[type(one.event)]:
                ended.setdefault(one.at.stream, one)
        return list(ended.values())

    async def _forget(self, connection: Connection, void: Sequence[Recorded], known: dict[Key, Row]) -> None:
        """Of messages that had been sent before: nobody will ever ask for what came with them."""
        kept = {None, *(row[name] for row in known.values() for name in ("blob", "dokumentlager_id"))}
        if blobs := [one.event.blob for one in void if one.event.blob not in kept]:
            async with awake(connection):
                await self._blobs.delete(blobs)
        await self._log.append_all(
            [
                self.following(DokumentslettingBegjart(dokument_id=dokument_id, grunn=Slettegrunn.API), one.at)
                for one in void
                if (dokument_id := one.event.dokumentlager_id) not in kept
            ]
        )
        journals = await self._journals.load(connection, {one.at.stream for one in void})
        for stream in {one.at.stream for one in void if _comes_late(one, journals.get(one.at.stream))}:
            await self._log.keys.destroy(key_id_of(stream))  # a new key was made for this

    def _answers(self, sent: Iterable[Recorded], known: dict[Key, Row]) -> list[tuple[object, Envelope]]:
        """For each message that answers one which its sender had received: that it was answered."""
        answers = []
        for event, at in sent:
            if not event.plattform and (event.avsender_konto_id, event.svar_pa_melding) in known:
                answer = MeldingBesvart(
                    mottaker_konto_id=event.avsender_konto_id,
                    melding_id=event.svar_pa_melding,
                    svar_konto_id=event.mottaker_konto_id,
                    svar_melding_id=event.melding_id,
                )
                answers.append(self.following(answer, at))
        return answers

    async def _notices(self, ended: Iterable[Recorded], known: dict[Key, Row]) -> list[tuple[object, Envelope]]:
        """What senders are told. A message of the platform's own never leads to another."""
        told = [one for one in ended if type(one.event) in NOTICES and not known[_key(one.event)]["plattform"]]
        headers = await self._correlations([known[_key(one.event)] for one in told])
        return [
            self.following(_notice(row := known[_key(one.event)], one, headere), _in_dialogue(row, one.at))
            for one, headere in zip(told, headers, strict=True)
        ]

    async def _correlations(self, rows: Sequence[Row]) -> list[tuple[Header, ...]]:
        """The headers by which a sender knows which dialogue each message is of."""
        sealed = [headers_of(row) for row in rows]
        return [
            tuple(one for one in said.headere if one.navn in KORRELASJON)
            for said in await opened_at(self._log.keys, sealed)
        ]

    async def _destroy(self, rows: Sequence[Row]) -> None:
        """The keys first: without them the bytes say nothing."""
        names = [key_id_of(stream_of(row["mottaker_konto_id"], row["melding_id"])) for row in rows]
        await asyncio.gather(*map(self._log.keys.destroy, names))
        await self._blobs.delete([row["blob"] for row in rows if row["blob"] is not None])

    def _destroyed(self, one: Recorded, row: Row) -> tuple[object, Envelope]:
        konto_id, melding_id = _key(one.event)
        destroyed = MeldingDestruert(mottaker_konto_id=konto_id, melding_id=melding_id)
        return self.following(destroyed, _in_dialogue(row, one.at))


def _in_dialogue(row: Row, ended: Envelope) -> Envelope:
    """The end of the message in ``row`` with the message's own correlation: the deadline of one that an earlier release
    met was of nothing but itself.
    """
    return msgspec.structs.replace(ended, correlation_id=row["korrelasjon"])


def _notice(row: Row, ended: Recorded, headere: tuple[Header, ...]) -> MeldingSendt:
    """What the sender of the message in ``row`` is told, as from its receiver."""
    sender, org = row["avsender_konto_id"], row["avsender_org_id"]
    return MeldingSendt(
        mottaker_konto_id=sender,
        melding_id=UUID(derived_id(ended.at.id, "melding")),
        avsender_konto_id=row["mottaker_konto_id"],
        mottaker_org_id=org,
        avsender_org_id=row["mottaker_org_id"],
        avsender_navn="Fiks IO",
        melding_type=NOTICES[type(ended.event)],
        svar_pa_melding=row["melding_id"],
        svar_til_type=row["melding_type"],
        ttl=TTL // timedelta(milliseconds=1),
        utloper=ended.at.time + TTL,
        klient_korrelasjons_id=row["klient_korrelasjons_id"],
        headere=headere,
        plattform=True,
    )


async def _find(connection: Connection, keys: set[Key]) -> dict[Key, Row]:
    rows = await connection.fetch(FIND, [konto_id for konto_id, _ in keys], [melding_id for _, melding_id in keys])
    return {(row["mottaker_konto_id"], row["melding_id"]): row for row in rows}


def _require_known(known: Mapping[Key, Row], events: Iterable[Recorded]) -> None:
    """Raises Unreadable where what was sent is not in the projection: that keeps it as a dead letter."""
    for event, _ in events:
        if _key(event) not in known:
            raise Unreadable(f"the projection fiks_io could not take the message {event.melding_id}")


def _key(event: Any) -> Key:
    return event.mottaker_konto_id, event.melding_id


def _answered(one: Recorded) -> Key | None:
    """The message that this one is an answer to: its sender was that one's receiver."""
    original = one.event.svar_pa_melding
    return None if original is None else (one.event.avsender_konto_id, original)


def _is_void(one: Recorded, first: Row) -> bool:
    """Whether the message had been sent before."""
    assert one.at.position is not None
    return bool(one.at.position.offset != first["plass"])


def _comes_late(one: Recorded, of_it: Journal[Melding] | None) -> bool:
    """Whether the message had ended before it was sent again. Where a decision ended it after that, that is still to be
    carried out, and its sender to be told by what the keys open, which are destroyed then.
    """
    assert one.at.position is not None
    if of_it is None:  # its decider could not read it
        return False
    return not of_it.state.is_open and of_it.last < one.at.position.offset
