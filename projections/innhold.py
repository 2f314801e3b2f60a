"""Which content the log tells of: who sweeps the blob store must not take what an event names."""

from __future__ import annotations

from uuid import UUID

from projections.projection import Create, Projection, Write, sql_beside
from schemas.catalogue import event_type, part
from schemas.codec import decode
from schemas.dokumentlager import DokumentLastetOpp
from schemas.envelope import Envelope
from schemas.fiks_io import MeldingSendt
from schemas.svarut import ForsendelseMottatt

innhold = Projection(
    "innhold",
    logic=2,
    topics=("fiks.svarut", "fiks.dokumentlager", "fiks.io"),
    sql=sql_beside(__file__),
    gathered=True,
)


@part
class Vedlegg:
    """What of a document of a forsendelse matters here."""

    blob: str | None = None


@part
class Mottatt:
    """What of ForsendelseMottatt matters here."""

    forsendelse_id: UUID
    dokumenter: tuple[Vedlegg, ...] = ()


@part
class Lastet:
    """What of DokumentLastetOpp matters here."""

    dokument_id: UUID
    blob: str


@part
class Sendt:
    """What of MeldingSendt matters here."""

    melding_id: UUID
    blob: str | None = None


@innhold.on(ForsendelseMottatt, reads=Mottatt)
def mottatt(event: Mottatt, _at: Envelope) -> list[Write]:
    """The documents of a forsendelse that were kept."""
    return [_told(one.blob, event.forsendelse_id) for one in event.dokumenter if one.blob is not None]


@innhold.on(DokumentLastetOpp, reads=Lastet)
def lastet_opp(event: Lastet, _at: Envelope) -> list[Write]:
    """A document."""
    return [_told(event.blob, event.dokument_id)]


@innhold.on(MeldingSendt, reads=Sendt)
def sendt(event: Sendt, _at: Envelope) -> list[Write]:
    """A message of Fiks IO, whose content is small."""
    return [] if event.blob is None else [_told(event.blob, event.melding_id)]


NAMED_IN: dict[str, type[Mottatt | Lastet | Sendt]] = {
    event_type(ForsendelseMottatt).name: Mottatt,
    event_type(DokumentLastetOpp).name: Lastet,
    event_type(MeldingSendt).name: Sendt,
}
"""The types of events that tell of content, and what of them matters."""


def blobs_in(value: bytes | None, kind: str) -> list[str]:
    """The names of content in a record's value, whose headers say that it is of such a type. Raises as ``decode``."""
    event = decode(value, NAMED_IN[kind], kind)
    named = [one.blob for one in event.dokumenter] if isinstance(event, Mottatt) else [event.blob]
    return [one for one in named if one is not None]


def _told(blob: str, stream: UUID) -> Create:
    return Create("innhold_blob", (blob,), {"stream": stream})
