"""The status of each forsendelse and what has happened to it. Contract: svarut.md 3 (status, hendelser) and 6."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from projections.projection import Append, Change, Create, Projection, Write, sql_beside, stream_id
from schemas.catalogue import event_type, part
from schemas.envelope import Envelope
from schemas.errors import Unreadable
from schemas.svarut import ForsendelseAvvist, ForsendelseFeiletUnderMottak, ForsendelseMottatt
from streams.domain.svarut_status import STATUS_OF, Status

STATUS = {event_type(kind).name: status.value for kind, status in STATUS_OF.items()}
REFUSED = (ForsendelseAvvist, ForsendelseFeiletUnderMottak)

svarut_status = Projection("svarut_status", logic=1, topics=("fiks.svarut",), sql=sql_beside(__file__))


@part
class Mottatt:
    """What of ForsendelseMottatt can be asked here."""

    forsendelse_id: UUID
    fiks_org_id: UUID
    konto_id: UUID
    ekstern_referanse: str | None = None
    avgivende_system: str | None = None


@svarut_status.on(ForsendelseMottatt, reads=Mottatt)
def mottatt(event: Mottatt, at: Envelope) -> tuple[Write, ...]:
    """The first row of a forsendelse."""
    values = {
        "fiks_org_id": event.fiks_org_id,
        "konto_id": event.konto_id,
        "status": Status.MOTTATT.value,
        "sist_endret": at.time,
        "mottatt": at.time,
        "ekstern_referanse": event.ekstern_referanse,
        "avgivende_system": event.avgivende_system,
    }
    return Create("svarut_status", (event.forsendelse_id,), values), _hendelse(event.forsendelse_id, at)


@svarut_status.on_envelope_of(*(STATUS_OF.keys() - set(REFUSED)))
def decided(at: Envelope) -> tuple[Write, ...]:
    """A decision, whose type says all: its status counts, unless another was decided first."""
    forsendelse_id = stream_id(at)
    return _status(forsendelse_id, at), _hendelse(forsendelse_id, at)


@svarut_status.on(*REFUSED)
def refused(event: ForsendelseAvvist | ForsendelseFeiletUnderMottak, at: Envelope) -> tuple[Write, ...]:
    """A refusal, with its reasons."""
    reasons = ",".join(feil.kode for feil in event.feil)
    return _status(event.forsendelse_id, at), _hendelse(event.forsendelse_id, at, reasons)


def _status(forsendelse_id: UUID, at: Envelope) -> Change:
    if at.position is None or at.cause is None:
        raise Unreadable(f"{at.type} is a decision, but its headers do not say what caused it")
    values = {"status": STATUS[at.type], "sist_endret": at.time}
    return Change("svarut_status", (forsendelse_id,), at.cause, at.position.offset, values)


def _hendelse(forsendelse_id: UUID, at: Envelope, detalj: str | None = None) -> Append:
    assert at.position is not None
    return Append("svarut_hendelse", (forsendelse_id, at.position.offset, at.cause, at.time, at.type, detalj))


class Hendelse(NamedTuple):
    """A line of a forsendelse's history: a row of ``read.svarut_hendelse``, in the order of its columns."""

    forsendelse_id: UUID
    made: int
    since: int | None
    tidspunkt: datetime
    type: str
    detalj: str | None


def that_counted(hendelser: Iterable[Hendelse]) -> list[Hendelse]:
    """The lines that count, given all of a forsendelse in the order in which they were made (see ``Change``)."""
    counted: list[Hendelse] = []
    for hendelse in hendelser:
        if counted and hendelse.since is None:
            continue  # received once, however often it was said
        if not counted or hendelse.since is None or counted[-1].since is None or hendelse.since >= counted[-1].made:
            counted.append(hendelse)
    return counted
