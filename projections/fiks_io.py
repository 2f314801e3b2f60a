"""The messages of Fiks IO: what was sent, where each is, and every step that it took. Contract: fiks-io.md 2 and 3.

``fiks_io_tilstand`` is the decider's own fold as a table (see ``folding``), and the queue of an account is the rows of
it that wait. The ledger of an account is all three tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from asyncpg import Record as Row

from projections.projection import Create, Fold, Met, Needs, Projection, Rows, Write, sql_beside
from schemas.catalogue import event_type, part
from schemas.derive import fields_of
from schemas.envelope import Envelope
from schemas.errors import Unreadable
from schemas.fiks_io import (
    Header,
    MeldingBesvart,
    MeldingEvent,
    MeldingFeilet,
    MeldingLagtTilbake,
    MeldingSendt,
    MeldingTilbakelevert,
)
from schemas.personal import Place
from streams.domain.fiks_io import NOTES, Melding, Status, evolve, key_id_of, stream_of

MELDING, TILSTAND, STEG = "fiks_io_melding", "fiks_io_tilstand", "fiks_io_steg"
KEY = ("mottaker_konto_id", "melding_id")


@part
class SealedHeader:
    """A header as it lies on the log."""

    navn: str
    verdi: str


@part
class Sendt:
    """MeldingSendt with its personal texts sealed: they are opened by who delivers it."""

    mottaker_konto_id: UUID
    melding_id: UUID
    avsender_konto_id: UUID
    mottaker_org_id: UUID
    avsender_org_id: UUID
    avsender_navn: str
    melding_type: str
    svar_pa_melding: UUID | None = None
    svar_til_type: str | None = None
    ttl: int
    utloper: datetime
    klient_melding_id: UUID | None = None
    klient_korrelasjons_id: UUID | None = None
    headere: tuple[SealedHeader, ...] = ()
    storrelse: int = 0
    blob: str | None = None
    nokkel: str | None = None
    dokumentlager_id: UUID | None = None
    plattform: bool = False
    tatt_inn_av: UUID | None = None


AS_SAID = tuple(one.name for one, _ in fields_of(Sendt) if one.name not in (*KEY, "headere"))
"""The fields that are columns of their own name."""
STATE = ("utloper", "forsok", "sett", "klar_fra", "passert", "levering", "konto_slettet")
"""The columns between status and last decision, named as the fields of ``Melding``."""


def needs(_rows: Rows, met: Sequence[Met]) -> Needs:
    """The state of every message that the events are about."""
    return {(TILSTAND, KEY): {_key(event) for event, _ in met}}


def advance(rows: Rows, met: Sequence[Met]) -> Rows:
    """The states after the events, and the step that each of these is.

    Decisions that others overtook are void, as ``streams.domain.decider`` has it.
    """
    states, steps = {row[:2]: row[2:] for row in rows.get(TILSTAND, ())}, set()
    for event, at in met:
        assert at.position is not None
        offset = at.position.offset
        plass, melding, last, changed = _read(states.get(_key(event)), offset)
        if at.cause is not None and at.cause < last:
            steps.add(_steg(event, at, virkning=False))
            continue
        now = evolve(melding, MeldingSendt(**_plain(event)) if isinstance(event, Sendt) else event)
        steps.add(_steg(event, at, virkning=now != melding or isinstance(event, NOTES)))
        last = last if at.cause is None else offset
        if now.status is not None:
            states[_key(event)] = _row(plass, now, last, changed if now == melding else at.time)
    return {TILSTAND: {(*key, *row) for key, row in states.items()}, STEG: steps}


fiks_io = Projection("fiks_io", logic=6, topics=("fiks.io",), sql=sql_beside(__file__), fold=Fold(needs, advance))


@fiks_io.on(MeldingSendt, reads=Sendt)
def sendt(event: Sendt, at: Envelope) -> tuple[Write, ...]:
    """A message that was taken in. The first of its id counts."""
    assert at.position is not None
    values = {name: getattr(event, name) for name in AS_SAID} | {
        "partisjon": at.position.partition,
        "plass": at.position.offset,
        "hendelse_id": at.id,
        "sendt": at.time,
        "korrelasjon": at.correlation_id,
        "header_navn": tuple(one.navn for one in event.headere),
        "header_verdi": tuple(one.verdi for one in event.headere),
    }
    return Create(MELDING, _key(event), values), Met(event, at)


@fiks_io.on(*(kind for kind in get_args(MeldingEvent) if kind is not MeldingSendt))
def after(event: Any, at: Envelope) -> tuple[Write, ...]:
    """Whatever happened to the message later."""
    if type(event).__name__ != at.type:
        raise Unreadable(f"it calls itself {at.type}, but is {type(event).__name__}")
    return (Met(event, at),)


def _steg(event: Any, at: Envelope, *, virkning: bool) -> tuple[Any, ...]:
    """The event as a row. ``virkning``: whether it had any effect on where the message is, or is a note of it."""
    assert at.position is not None
    _, partition, offset = at.position
    return (*_key(event), offset, partition, at.id, at.time, at.type, virkning, at.actor, _detail(event))


def _detail(event: MeldingEvent | Sendt) -> str | None:
    """What a step says beside its type."""
    match event:
        case MeldingTilbakelevert(grunn=grunn):
            return grunn.value
        case MeldingLagtTilbake(forsok=forsok) | MeldingFeilet(forsok=forsok):
            return str(forsok)
        case MeldingBesvart(svar_melding_id=svar):
            return str(svar)
        case _:
            return None


def _key(event: Any) -> tuple[UUID, UUID]:
    return event.mottaker_konto_id, event.melding_id


def _plain(event: Sendt) -> dict[str, Any]:
    """What of a message its state can depend on: nothing personal."""
    return {name: getattr(event, name) for name in (*KEY, *AS_SAID)}


def _read(row: tuple[Any, ...] | None, offset: int) -> tuple[int, Melding, int, datetime | None]:
    """Place, state, last decision and time of the last change, of a row without its key."""
    if row is None:
        return offset, Melding(), -1, None
    plass, status, *state, last, changed = row
    return plass, Melding(Status(status), **dict(zip(STATE, state, strict=True))), last, changed


def _row(plass: int, melding: Melding, last: int, changed: datetime | None) -> tuple[Any, ...]:
    assert melding.status is not None
    return plass, melding.status.value, *(getattr(melding, name) for name in STATE), last, changed


@part
class Headers:
    """The headers of a message, as personal text: what of MeldingSendt is opened to deliver it."""

    headere: tuple[Header, ...] = ()


def headers_of(row: Row) -> tuple[Headers, Place]:
    """The headers in a row of ``fiks_io_melding``, sealed, and what they are bound to (see ``opened_at``)."""
    kind = event_type(MeldingSendt)
    pairs = zip(row["header_navn"], row["header_verdi"], strict=True)
    headere = tuple(Header(navn=navn, verdi=verdi) for navn, verdi in pairs)
    return Headers(headere=headere), Place(kind.name, key_id_of(stream_of(row["mottaker_konto_id"], row["melding_id"])))
