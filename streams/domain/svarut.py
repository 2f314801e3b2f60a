"""What follows for a forsendelse: accepted or not, by which channel, and how it ends. Contract: svarut.md 6.2 and 8.

A fact never changes the status, it only makes something be decided; a decision that may not follow on the status it
meets is void. So an event met again, at once or late, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from schemas.svarut import (
    AltinnFeilet,
    AltinnKvittert,
    DokumenterNedlastet,
    Feilkode,
    ForsendelseAkseptert,
    ForsendelseAvvist,
    ForsendelseFeiletUnderMottak,
    ForsendelseIkkeLevert,
    ForsendelseKlarForMottak,
    ForsendelseLest,
    ForsendelseLevertAltinn,
    ForsendelseLevertNhnMottaker,
    ForsendelseLevertSdp,
    ForsendelseManueltHandtert,
    ForsendelseMottatt,
    ForsendelsePrintet,
    ForsendelseSendtAltinn,
    ForsendelseSendtDigitalt,
    ForsendelseSendtNhnMottaker,
    ForsendelseSendtPrint,
    ForsendelseSendtSdp,
    ForsendelseSlettet,
    FristUtlopt,
    Grensesnitt,
    LestMeldt,
    MottakFeilet,
    MottakKvittert,
    NhnKvittert,
    PrintKvittert,
    SdpFeilet,
    SdpKvittert,
    Slettetype,
    SlettingBegjart,
    StansBegjart,
    SvarUtDecision,
    SvarUtEvent,
    SvarUtFact,
)
from streams.domain.decider import Deadline, Decider
from streams.domain.svarut_status import ENDED, STATUS_OF, Status, may_follow
from streams.domain.working_time import working_hours_after

TECHNICAL = {Feilkode.UFULLSTENDIG_OPPLASTING}
"""Faults that are nobody's judgement: v3 has a status of its own for a reception that failed by these alone."""

REST_V3 = {
    Grensesnitt.REST_V3_PERSON,
    Grensesnitt.REST_V3_ORGANISASJON,
    Grensesnitt.REST_V3_PRINT,
    Grensesnitt.REST_V3_NHN,
}
LONGEST_LESEFRIST = 365 * 24
LESEFRIST = "lesefrist"
IN_ALTINN = {Status.SENDT_ALTINN, Status.LEVERT_ALTINN}


def key_id_of(forsendelse_id: UUID) -> str:
    """The id of the key of a forsendelse's stream, which seals its content too."""
    return f"svarut:{forsendelse_id}"


class Kanal(StrEnum):
    """A channel by which a forsendelse leaves."""

    NHN = "NHN"
    SVARINN = "SVARINN"
    SDP = "SDP"
    ALTINN = "ALTINN"
    PRINT = "PRINT"


@dataclass(frozen=True, slots=True)
class Forsendelse:
    """All that deciding needs to know of a forsendelse: nothing about a person. No status: never received.

    ``kanal`` is the channel to be tried first, None when there is none; ``lesefrist`` is set when it is sent to Altinn.
    """

    status: Status | None = None
    kanal: Kanal | None = None
    kun_digital: bool = False
    mottakersystem_id: UUID | None = None
    lesefrist_timer: int = 0
    lesefrist: datetime | None = None
    videresendes_ulest: bool = True
    manuell_utskrift: bool = False


def evolve(forsendelse: Forsendelse, event: SvarUtEvent) -> Forsendelse:
    """The forsendelse after the event."""
    if isinstance(event, ForsendelseMottatt):
        return _received(event) if forsendelse.status is None else forsendelse
    if isinstance(event, SvarUtFact) or not may_follow(forsendelse.status, STATUS_OF[type(event)]):
        return forsendelse
    moved = replace(forsendelse, status=STATUS_OF[type(event)])
    match event:
        case ForsendelseSendtAltinn():
            return replace(moved, lesefrist=event.lesefrist)
        case ForsendelseSendtPrint():
            return replace(moved, manuell_utskrift=event.manuell)
        case _:
            return moved


def react(forsendelse: Forsendelse, event: SvarUtEvent, time: datetime) -> SvarUtDecision | None:
    """What is decided because of an event that happened at ``time``, once it is folded."""
    if isinstance(event, SvarUtFact):
        return _react_to_fact(forsendelse, event, time)
    if isinstance(event, ForsendelseAkseptert) and forsendelse.status is Status.AKSEPTERT:
        return _send(forsendelse, event.forsendelse_id, time)
    return None


def _react_to_fact(  # noqa: PLR0912  (one branch a fact)
    forsendelse: Forsendelse, event: SvarUtFact, time: datetime
) -> SvarUtDecision | None:
    """The transitions of contract 6.2: each fact, and the status in which it means something."""
    id_, status = event.forsendelse_id, forsendelse.status
    match event:
        case ForsendelseMottatt():
            return _judge(event) if status is Status.MOTTATT else None
        case LestMeldt():
            return ForsendelseLest(forsendelse_id=id_, tidspunkt=event.tidspunkt) if _can_be_read(forsendelse) else None
        case DokumenterNedlastet():
            read = status is not Status.KLAR_FOR_MOTTAK and _can_be_read(forsendelse)
            return ForsendelseLest(forsendelse_id=id_, tidspunkt=time) if read else None
        case MottakKvittert():
            return ForsendelseLest(forsendelse_id=id_, tidspunkt=time) if status is Status.KLAR_FOR_MOTTAK else None
        case MottakFeilet():
            given_up = event.permanent and status is Status.KLAR_FOR_MOTTAK
            return _send_altinn(forsendelse, id_, time) if given_up else None
        case AltinnKvittert():
            return ForsendelseLevertAltinn(forsendelse_id=id_) if status is Status.SENDT_ALTINN else None
        case AltinnFeilet():
            return _print_failed(forsendelse, id_) if status is Status.SENDT_ALTINN else None
        case SdpKvittert():
            return ForsendelseLevertSdp(forsendelse_id=id_) if status is Status.SENDT_SDP else None
        case SdpFeilet():
            return _print_failed(forsendelse, id_) if status is Status.SENDT_SDP else None
        case NhnKvittert():
            return ForsendelseLevertNhnMottaker(forsendelse_id=id_) if status is Status.SENDT_NHN_MOTTAKER else None
        case PrintKvittert():
            return ForsendelsePrintet(forsendelse_id=id_) if status is Status.SENDT_PRINT else None
        case StansBegjart():
            stoppable = status in IN_ALTINN or status is Status.SENDT_PRINT
            return ForsendelseManueltHandtert(forsendelse_id=id_) if stoppable else None
        case SlettingBegjart():
            whole = event.slettetype is Slettetype.ALLE and status in ENDED
            return ForsendelseSlettet(forsendelse_id=id_) if whole else None
        case FristUtlopt():
            running = Deadline(event.frist, event.forfall) in deadlines(forsendelse)
            return _print_unread(forsendelse, id_) if running else None
        case _:
            assert_never(event)


def deadlines(forsendelse: Forsendelse) -> tuple[Deadline, ...]:
    """The reading deadline, while the forsendelse lies unread in Altinn and something would follow."""
    something_follows = forsendelse.videresendes_ulest or forsendelse.kun_digital
    if forsendelse.status not in IN_ALTINN or forsendelse.lesefrist is None or not something_follows:
        return ()
    return (Deadline(LESEFRIST, forsendelse.lesefrist),)


def expired(stream: str, deadline: Deadline) -> FristUtlopt:
    """The fact that a deadline of the stream has passed."""
    return FristUtlopt(forsendelse_id=UUID(stream), frist=deadline.name, forfall=deadline.due)


def _received(event: ForsendelseMottatt) -> Forsendelse:
    return Forsendelse(
        status=Status.MOTTATT,
        kanal=_channel(event),
        kun_digital=event.kun_digital_levering,
        mottakersystem_id=event.mottakersystem_id,
        # A fold never fails, whatever the account's setting says.
        lesefrist_timer=min(max(event.lesefrist_timer, 0), LONGEST_LESEFRIST),
        videresendes_ulest=event.videresendes_ulest,
        manuell_utskrift=event.manuell_utskrift,
    )


def _channel(event: ForsendelseMottatt) -> Kanal | None:
    """The channel to be tried first. Contract 8."""
    if event.grensesnitt is Grensesnitt.REST_V3_NHN:
        return Kanal.NHN
    paper = None if event.kun_digital_levering else Kanal.PRINT
    if event.grensesnitt is Grensesnitt.REST_V3_PRINT or event.mottaker.digital_id is None:
        return paper
    if event.mottakersystem_id is not None:
        return Kanal.SVARINN
    if event.reservert:
        return paper
    return Kanal.SDP if event.digital_postkasse else Kanal.ALTINN


def _judge(event: ForsendelseMottatt) -> SvarUtDecision:
    if not event.feil:
        return ForsendelseAkseptert(forsendelse_id=event.forsendelse_id)
    if event.grensesnitt in REST_V3 and all(feil.kode in TECHNICAL for feil in event.feil):
        return ForsendelseFeiletUnderMottak(forsendelse_id=event.forsendelse_id, feil=event.feil)
    return ForsendelseAvvist(forsendelse_id=event.forsendelse_id, feil=event.feil)


def _send(forsendelse: Forsendelse, id_: UUID, time: datetime) -> SvarUtDecision:
    match forsendelse.kanal:
        case Kanal.NHN:
            return ForsendelseSendtNhnMottaker(forsendelse_id=id_)
        case Kanal.SVARINN:
            assert forsendelse.mottakersystem_id is not None
            return ForsendelseKlarForMottak(forsendelse_id=id_, mottakersystem_id=forsendelse.mottakersystem_id)
        case Kanal.SDP:
            return ForsendelseSendtSdp(forsendelse_id=id_)
        case Kanal.ALTINN:
            return _send_altinn(forsendelse, id_, time)
        case Kanal.PRINT:
            return _print(forsendelse, id_)
        case None:
            return ForsendelseIkkeLevert(forsendelse_id=id_)


def _send_altinn(forsendelse: Forsendelse, id_: UUID, time: datetime) -> SvarUtDecision:
    lesefrist = working_hours_after(time, forsendelse.lesefrist_timer)
    return ForsendelseSendtAltinn(forsendelse_id=id_, lesefrist=lesefrist)


def _print(forsendelse: Forsendelse, id_: UUID) -> SvarUtDecision:
    return ForsendelseSendtPrint(forsendelse_id=id_, manuell=forsendelse.manuell_utskrift)


def _print_failed(forsendelse: Forsendelse, id_: UUID) -> SvarUtDecision:
    return ForsendelseIkkeLevert(forsendelse_id=id_) if forsendelse.kun_digital else _print(forsendelse, id_)


def _print_unread(forsendelse: Forsendelse, id_: UUID) -> SvarUtDecision:
    return ForsendelseSendtDigitalt(forsendelse_id=id_) if forsendelse.kun_digital else _print(forsendelse, id_)


def _can_be_read(forsendelse: Forsendelse) -> bool:
    """Whether reading ends it. What is at the print supplier's cannot be called back, what waits for a person can."""
    if forsendelse.status is Status.SENDT_PRINT:
        return forsendelse.manuell_utskrift
    return forsendelse.status in IN_ALTINN or forsendelse.status is Status.KLAR_FOR_MOTTAK


svarut = Decider(
    name="svarut",
    topic="fiks.svarut",
    state=Forsendelse,
    initial=Forsendelse(),
    evolve=evolve,
    react=react,
    deadlines=deadlines,
    expired=expired,
)
