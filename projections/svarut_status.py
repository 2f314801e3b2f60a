"""The status of each forsendelse and what has happened to it. Contract: svarut.md 3 (status, hendelser) and 6."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from projections.projection import Change, Create, Projection, Write, sql_beside
from schemas.envelope import Envelope
from schemas.svarut import ForsendelseAvvist, ForsendelseMottatt
from streams.domain.svarut_status import STATUS_OF, Status

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
    yield Create("svarut_status", (event.forsendelse_id,), at.mark, values)
    yield _hendelse(event.forsendelse_id, at)


@svarut_status.on(*STATUS_OF)
def decided(event: Any, at: Envelope) -> Iterable[Write]:
    """A decision: its status counts until a later one."""
    values = {"status": STATUS_OF[type(event)].value, "sist_endret": at.time}
    yield Change("svarut_status", (event.forsendelse_id,), at.mark, values)
    detalj = ",".join(feil.kode for feil in event.feil) if isinstance(event, ForsendelseAvvist) else None
    yield _hendelse(event.forsendelse_id, at, detalj)


def _hendelse(forsendelse_id: Any, at: Envelope, detalj: str | None = None) -> Create:
    values = {"tidspunkt": at.time, "type": at.type, "detalj": detalj}
    return Create("svarut_hendelse", (forsendelse_id, at.mark), at.mark, values)
