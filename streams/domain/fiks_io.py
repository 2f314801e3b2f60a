"""What follows for a message of Fiks IO: who has it, what failed, how it ended. Contract: fiks-io.md 2.4, 2.6, 3.

The first on the log that ends a message counts: an acknowledgement that comes before the time has passed, or the other
way round. A message that is in somebody's hands does not expire there; it does when it comes back. Nor does it fail
there since its account is deleted (of which no contract tells), but then: the sender hears of it in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID, uuid5

from schemas.fiks_io import (
    MeldingAvvist,
    MeldingBesvart,
    MeldingDecision,
    MeldingDestruert,
    MeldingEvent,
    MeldingFeilet,
    MeldingKvittert,
    MeldingLagtTilbake,
    MeldingLevert,
    MeldingSendt,
    MeldingsfristPassert,
    MeldingskontoSlettet,
    MeldingTilbakelevert,
    MeldingUtlopt,
    Returgrunn,
)
from streams.domain.decider import Deadline, Decider

FRIST = "frist"
TTL = timedelta(days=7)
"""How long a message lives whose sender says nothing of it. Contract 3."""
KORRELASJON = ("klientKorrelasjonsId", "klientKorrelasjonId")
"""The headers that name the dialogue, in both spellings. Contract 2.3; findings 10."""
MOST_ATTEMPTS = 3
"""Deliveries that may fail, the last of which ends the message. Contract 2.4."""
PAUSES = (timedelta(seconds=1), timedelta(seconds=10))
"""How long a message rests after its first failed attempt, and after each later one."""
ATTEMPTS = (Returgrunn.TILBAKE, Returgrunn.TAPT)
"""The reasons that count as an attempt."""
NOTES = (MeldingBesvart, MeldingDestruert)
"""What is noted of a message, and changes nothing of where it is."""


class Status(StrEnum):
    """Where a message is."""

    VENTER = "VENTER"
    """It can be handed out."""
    LEVERT = "LEVERT"
    """Somebody has it in hand."""
    TILBAKE = "TILBAKE"
    """It came back, and what follows is being decided."""
    KVITTERT = "KVITTERT"
    AVVIST = "AVVIST"
    UTLOPT = "UTLOPT"
    FEILET = "FEILET"


OPEN = frozenset({Status.VENTER, Status.LEVERT, Status.TILBAKE})
"""A message that has not ended."""
ENDS: dict[type, Status] = {
    MeldingKvittert: Status.KVITTERT,
    MeldingAvvist: Status.AVVIST,
    MeldingUtlopt: Status.UTLOPT,
    MeldingFeilet: Status.FEILET,
}
"""How a message has ended, by what ended it."""


@dataclass(frozen=True, slots=True)
class Melding:
    """All that deciding needs to know of a message. No status: never sent.

    ``forsok`` are those that failed; ``sett`` says that somebody may have seen it, so it is handed out as redelivered.
    ``klar_fra`` is until when it rests. ``passert``: its time has passed while it was in somebody's hands, by the
    handing out ``levering``. ``konto_slettet``: nobody new can get it.
    """

    status: Status | None = None
    utloper: datetime | None = None
    forsok: int = 0
    sett: bool = False
    klar_fra: datetime | None = None
    passert: bool = False
    levering: UUID | None = None
    konto_slettet: bool = False

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def stream_of(mottaker_konto_id: UUID, melding_id: UUID) -> str:
    """The id of a message's stream."""
    return f"{mottaker_konto_id}/{melding_id}"


def key_id_of(stream: str) -> str:
    """The id of the key of a message's stream, which seals its content too."""
    return f"io:{stream}"


def dokumentlager_konto_of(konto_id: UUID) -> UUID:
    """The account in Dokumentlager that belongs to an account of Fiks IO: large content for it lies there."""
    return uuid5(konto_id, "dokumentlager")


def evolve(melding: Melding, event: MeldingEvent) -> Melding:
    """The message after the event."""
    if isinstance(event, MeldingSendt):
        return Melding(Status.VENTER, event.utloper) if melding.status is None else melding
    if not melding.is_open:
        return melding
    match event:
        case MeldingLevert(levering=levering):
            waited = melding.status is Status.VENTER
            return replace(melding, status=Status.LEVERT, levering=levering) if waited else melding
        case MeldingKvittert() | MeldingAvvist() | MeldingUtlopt() | MeldingFeilet():
            return replace(melding, status=ENDS[type(event)])
        case MeldingTilbakelevert(levering=levering, grunn=grunn):
            held = melding.status is Status.LEVERT and melding.levering == levering
            return _returned(melding, grunn) if held else melding
        case MeldingsfristPassert():
            return replace(melding, passert=True)
        case MeldingskontoSlettet():
            return replace(melding, konto_slettet=True)
        case MeldingLagtTilbake(klar_fra=klar_fra):
            return replace(melding, status=Status.VENTER, klar_fra=klar_fra)
        case MeldingBesvart() | MeldingDestruert():
            return melding
        case _:
            assert_never(event)


def _returned(melding: Melding, grunn: Returgrunn) -> Melding:
    failed = melding.forsok + (grunn in ATTEMPTS)
    seen = melding.sett or grunn is not Returgrunn.USETT
    return replace(melding, status=Status.TILBAKE, forsok=failed, sett=seen)


def react(melding: Melding, event: MeldingEvent, time: datetime) -> MeldingDecision | None:
    """What is decided because of an event that happened at ``time``, once it is folded."""
    match event:
        case MeldingTilbakelevert():
            return _after_return(melding, event, time) if melding.status is Status.TILBAKE else None
        case MeldingsfristPassert(mottaker_konto_id=konto_id, melding_id=id_):
            expired_now = melding.status is Status.VENTER
            return MeldingUtlopt(mottaker_konto_id=konto_id, melding_id=id_) if expired_now else None
        case MeldingskontoSlettet(mottaker_konto_id=konto_id, melding_id=id_):
            return _failed(melding, konto_id, id_) if melding.status is Status.VENTER else None
        case MeldingSendt() | MeldingLevert() | MeldingKvittert() | MeldingAvvist() | MeldingBesvart():
            return None
        case MeldingDestruert() | MeldingLagtTilbake() | MeldingUtlopt() | MeldingFeilet():
            return None
        case _:
            assert_never(event)


def _after_return(melding: Melding, event: MeldingTilbakelevert, time: datetime) -> MeldingDecision:
    """It rests after an attempt that failed, and after no other return: by then it has rested."""
    konto_id, melding_id = event.mottaker_konto_id, event.melding_id
    if melding.forsok >= MOST_ATTEMPTS or melding.konto_slettet:
        return _failed(melding, konto_id, melding_id)
    if melding.passert:
        return MeldingUtlopt(mottaker_konto_id=konto_id, melding_id=melding_id)
    pause = PAUSES[min(melding.forsok, len(PAUSES)) - 1] if event.grunn in ATTEMPTS else timedelta(0)
    return MeldingLagtTilbake(
        mottaker_konto_id=konto_id, melding_id=melding_id, forsok=melding.forsok, klar_fra=time + pause
    )


def _failed(melding: Melding, konto_id: UUID, melding_id: UUID) -> MeldingFeilet:
    return MeldingFeilet(mottaker_konto_id=konto_id, melding_id=melding_id, forsok=melding.forsok)


def deadlines(melding: Melding) -> tuple[Deadline, ...]:
    """The time to live, until it has passed or the message has ended."""
    if not melding.is_open or melding.passert or melding.utloper is None:
        return ()
    return (Deadline(FRIST, melding.utloper),)


def expired(stream: str, deadline: Deadline) -> MeldingsfristPassert:
    """The fact that a message's time to live has passed."""
    konto_id, _, melding_id = stream.partition("/")
    return MeldingsfristPassert(mottaker_konto_id=UUID(konto_id), melding_id=UUID(melding_id), utloper=deadline.due)


fiks_io = Decider(
    name="fiks_io",
    topic="fiks.io",
    state=Melding,
    initial=Melding(),
    evolve=evolve,
    react=react,
    deadlines=deadlines,
    expired=expired,
)
