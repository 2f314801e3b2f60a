"""The status of each forsendelse and what has happened to it. Contract: svarut.md 3 (status, hendelser) and 6."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from projections.projection import Append, Change, Create, Projection, Write, sql_beside
from schemas.envelope import Envelope
from schemas.svarut import ForsendelseAvvist, ForsendelseFeiletUnderMottak, ForsendelseMottatt
from streams.domain.svarut_status import STATUS_OF, Status

REFUSED = (ForsendelseAvvist, ForsendelseFeiletUnderMottak)

svarut_status = Projection("svarut_status", logic=1, topics=("fiks.svarut",), sql=sql_beside(__file__))


@svarut_status.on(ForsendelseMottatt)
def mottatt(event: ForsendelseMottatt, at: Envelope) -> Iterable[Write]:
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
    yield Create("svarut_status", (event.forsendelse_id,), values)
    yield _hendelse(event.forsendelse_id, at)


@svarut_status.on(*STATUS_OF)
def decided(event: Any, at: Envelope) -> Iterable[Write]:
    """A decision: its status counts, unless another was decided first."""
    assert at.position is not None and at.cause is not None
    values = {"status": STATUS_OF[type(event)].value, "sist_endret": at.time}
    yield Change("svarut_status", (event.forsendelse_id,), at.cause, at.position.offset, values)
    detalj = ",".join(feil.kode for feil in event.feil) if isinstance(event, REFUSED) else None
    yield _hendelse(event.forsendelse_id, at, detalj)


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
