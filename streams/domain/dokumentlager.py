"""What follows for a document: exposed, changed, infected, deleted. Contract: dokumentlager.md 5.

A fact never changes the state but by beginning it; the first decision on the log counts, and nothing follows on a
deletion. So two who delete, or a change and an expiry, are settled by the order of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from msgspec import structs

from schemas.dokumentlager import (
    DokumentDecision,
    DokumentDestruert,
    DokumentEksponert,
    DokumentEndret,
    DokumentendringBegjart,
    DokumentEvent,
    DokumentInfisert,
    DokumentLastetNed,
    DokumentLastetOpp,
    DokumentSkadet,
    DokumentSlettet,
    DokumentslettingBegjart,
    DokumentUtlopt,
    Slettegrunn,
    SlettingAvFlereBegjart,
)
from streams.domain.decider import Deadline, Decider

UTLOP = "utlop"


def blob_of(dokument_id: UUID) -> str:
    """The name of a document's content in the blob store."""
    return dokument_id.hex


def key_id_of(dokument_id: UUID) -> str:
    """The id of the key of a document's stream, which seals its content too."""
    return f"dokumentlager:{dokument_id}"


class Status(StrEnum):
    """Whether a document can be had."""

    TILGJENGELIG = "TILGJENGELIG"
    INFISERT = "INFISERT"
    SLETTET = "SLETTET"


@dataclass(frozen=True, slots=True)
class Dokument:
    """All that deciding needs to know of a document. No status: never received."""

    status: Status | None = None
    tilgjengelig_til: datetime | None = None
    eksponert: bool = False

    @property
    def is_there(self) -> bool:
        return self.status in (Status.TILGJENGELIG, Status.INFISERT)

    def is_there_at(self, time: datetime) -> bool:
        """Whether it is neither deleted nor past the time until which it was to be had."""
        return self.is_there and (self.tilgjengelig_til is None or time < self.tilgjengelig_til)


def evolve(dokument: Dokument, event: DokumentEvent) -> Dokument:
    """The document after the event."""
    if isinstance(event, DokumentLastetOpp):
        received = Dokument(Status.TILGJENGELIG, event.tilgjengelig_til)
        return received if dokument.status is None else dokument
    if not dokument.is_there:
        return dokument
    match event:
        case DokumentEksponert():
            return replace(dokument, eksponert=True)
        case DokumentEndret():
            return replace(dokument, tilgjengelig_til=event.tilgjengelig_til)
        case DokumentInfisert():
            return replace(dokument, status=Status.INFISERT)
        case DokumentSlettet():
            return Dokument(Status.SLETTET)
        case _:
            return dokument


def react(dokument: Dokument, event: DokumentEvent, time: datetime) -> DokumentDecision | None:
    """What is decided because of an event that happened at ``time``, once it is folded."""
    match event:
        case DokumentLastetOpp(dokument_id=id_):
            if dokument.status is not Status.TILGJENGELIG or dokument.eksponert:
                return None
            if event.skadevare:
                return DokumentInfisert(dokument_id=id_, funn=event.skadevare)
            return _exposed(event) if event.eksponert_for else None
        case DokumentendringBegjart(dokument_id=id_):
            changed = DokumentEndret(dokument_id=id_, av=event.av, tilgjengelig_til=event.tilgjengelig_til)
            return changed if dokument.is_there_at(time) else None
        case DokumentslettingBegjart(dokument_id=id_):
            gone = DokumentSlettet(dokument_id=id_, grunn=event.grunn, av=event.av)
            return gone if dokument.is_there else None
        case DokumentUtlopt(dokument_id=id_):
            expired_now = dokument.is_there and dokument.tilgjengelig_til == event.tilgjengelig_til
            return DokumentSlettet(dokument_id=id_, grunn=Slettegrunn.UTLOP) if expired_now else None
        case DokumentLastetNed() | DokumentSkadet() | DokumentDestruert() | SlettingAvFlereBegjart():
            return None
        case DokumentEksponert() | DokumentEndret() | DokumentInfisert() | DokumentSlettet():
            return None
        case _:
            assert_never(event)


def _exposed(event: DokumentLastetOpp) -> DokumentEksponert:
    return DokumentEksponert(
        dokument_id=event.dokument_id,
        fiks_org_id=event.fiks_org_id,
        konto_id=event.konto_id,
        eksponert_for=tuple(structs.replace(one, fnr=None) for one in event.eksponert_for),  # type: ignore[type-var]
        sikkerhetsniva=event.sikkerhetsniva,
    )


def deadlines(dokument: Dokument) -> tuple[Deadline, ...]:
    """The time until which the document is available, while it is."""
    if not dokument.is_there or dokument.tilgjengelig_til is None:
        return ()
    return (Deadline(UTLOP, dokument.tilgjengelig_til),)


def expired(stream: str, deadline: Deadline) -> DokumentUtlopt:
    """The fact that a document's time has passed."""
    return DokumentUtlopt(dokument_id=UUID(stream), tilgjengelig_til=deadline.due)


dokumentlager = Decider(
    name="dokumentlager",
    topic="fiks.dokumentlager",
    state=Dokument,
    initial=Dokument(),
    evolve=evolve,
    react=react,
    deadlines=deadlines,
    expired=expired,
)
