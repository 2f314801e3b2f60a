"""Which content the log tells of: who sweeps the blob store must not take what an event names."""

from __future__ import annotations

from uuid import UUID

from projections.projection import Create, Projection, Write, sql_beside
from schemas.catalogue import event_type, part
from schemas.codec import decode
from schemas.dokumentlager import DokumentLastetOpp
from schemas.envelope import Envelope
from schemas.svarut import ForsendelseMottatt

innhold = Projection("innhold", logic=1, topics=("fiks.svarut", "fiks.dokumentlager"), sql=sql_beside(__file__))


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


@innhold.on(ForsendelseMottatt, reads=Mottatt)
def mottatt(event: Mottatt, _at: Envelope) -> list[Write]:
    """The documents of a forsendelse that were kept."""
    return [_told(one.blob, event.forsendelse_id) for one in event.dokumenter if one.blob is not None]


@innhold.on(DokumentLastetOpp, reads=Lastet)
def lastet_opp(event: Lastet, _at: Envelope) -> list[Write]:
    """A document."""
    return [_told(event.blob, event.dokument_id)]


NAMED_IN = {event_type(cls).name: cls for cls in (ForsendelseMottatt, DokumentLastetOpp)}
"""The types of events that tell of content."""


def blobs_in(value: bytes | None, kind: str) -> list[str]:
    """The names of content in a record's value of such a type. Raises as ``decode``."""
    event = decode(value, Mottatt if NAMED_IN[kind] is ForsendelseMottatt else Lastet)
    return [event.blob] if isinstance(event, Lastet) else [one.blob for one in event.dokumenter if one.blob is not None]


def _told(blob: str, stream: UUID) -> Create:
    return Create("innhold_blob", (blob,), {"stream": stream})
