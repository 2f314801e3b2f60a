"""Messages in a chaos run: what senders and consumers remember of them, and whether the system kept its word.

Pure: values in, faults out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from schemas.dokumentlager import DokumentLastetOpp
from schemas.envelope import Recorded
from schemas.fiks_io import MeldingBesvart, MeldingDestruert, MeldingFeilet, MeldingSendt, MeldingUtlopt
from streams.domain.decider import Journal, step
from streams.domain.fiks_io import MOST_ATTEMPTS, OPEN, Status, fiks_io
from tests.chaos.history import Verdict

NOTICES = {
    Status.UTLOPT: "no.ks.fiks.kvittering.tidsavbrudd",
    Status.FEILET: "no.ks.fiks.kvittering.serverfeil.v1",
}


@dataclass(slots=True)
class Sent:
    """A send. ``klient_melding_id`` is the sender's own, which several share where the receiver takes each once.
    ``sha256`` is that of content that goes by Dokumentlager; ``answered`` the id of a 202, else None. ``in_dialogue``:
    a header names the dialogue.
    """

    klient_melding_id: UUID
    sha256: str | None = None
    answered: UUID | None = None
    in_dialogue: bool = False


class Act(StrEnum):
    """What a consumer did with what it was handed."""

    ACK = "ack"
    NACK = "nack"
    REQUEUE = "requeue"
    DROP = "drop"
    """It closed the connection without a word."""


ENDING = {Status.KVITTERT: Act.ACK, Status.AVVIST: Act.NACK}


@dataclass(frozen=True, slots=True)
class Handed:
    """A message as a consumer had it, in the order in which that happened."""

    melding_id: UUID
    redelivered: bool
    act: Act


def judge_messages(sent: Sequence[Sent], handed: Sequence[Handed], log: Iterable[Recorded]) -> Verdict:
    """Compare what was acknowledged and what was handed out with the log, once all messages had the time to end.

    ``log`` is every event of the topic in order within each partition.
    """
    verdict = Verdict()
    streams = _streams(log)
    first = {records[0].event.melding_id: records for records in streams if _begins(records, verdict)}
    _judge_sent(sent, first, verdict)
    acts: dict[UUID, list[Act]] = defaultdict(list)
    for one in handed:
        acts[one.melding_id].append(one.act)
    notices, dialogues = _notices(first), {one.klient_melding_id for one in sent if one.in_dialogue}
    for melding_id, records in first.items():
        state = _judge_stream(records, verdict)
        _judge_notice(records, state, notices.get(melding_id, []), verdict)
        if records[0].event.klient_melding_id in dialogues:
            _judge_dialogue(melding_id, notices.get(melding_id, []), verdict)
        _judge_end(melding_id, state, acts[melding_id], verdict)
    _judge_answers(first, verdict)
    _judge_handed(handed, verdict)
    return verdict


def endings(log: Iterable[Recorded]) -> Counter[Status | None]:
    """How many messages of senders, not of the platform, ended in each way."""
    return Counter(_status_of(records) for records in _streams(log) if _is_of_a_sender(records[0].event))


def never_seen(handed: Sequence[Handed], ended: Counter[Status | None], log: Iterable[Recorded]) -> list[str]:
    """What a run has not shown and so proves nothing about: a way to end, something that consumers do, one handed out
    again, an answer.
    """
    never = [f"no message ended as {status}" for status in (*ENDING, *NOTICES) if not ended[status]]
    acts = {one.act for one in handed}
    never += [f"no consumer did {act}" for act in Act if act not in acts]
    if not any(one.redelivered for one in handed):
        never.append("no message was redelivered")
    return never + ([] if any(isinstance(one.event, MeldingBesvart) for one in log) else ["no message was answered"])


def judge_large(
    sent: Iterable[Sent],
    log: Iterable[MeldingSendt],
    documents: Iterable[DokumentLastetOpp],
    contents: Mapping[UUID, str | None],
) -> Verdict:
    """Compare what was sent by Dokumentlager with what is there. ``documents`` are those of messages, ``contents`` the
    SHA-256 of what came back of each, None where nothing did: so it is of one whose message was never taken.
    """
    verdict, large = Verdict(), {one.klient_melding_id: one.sha256 for one in sent if one.sha256 is not None}
    for event in log:
        if event.klient_melding_id not in large:
            continue
        came = contents.get(event.dokumentlager_id) if event.dokumentlager_id else None
        if came is None:
            verdict.lost.append(f"{event.melding_id} is on the log, its content is not there")
        elif came != large[event.klient_melding_id]:
            verdict.other.append(f"{event.melding_id} has another content than was sent")
    known = {None, *large.values()}
    strange = [one.dokument_id for one in documents if contents.get(one.dokument_id) not in known]
    verdict.other += [f"document {one} of a message has content that was never sent" for one in strange]
    return verdict


def _streams(log: Iterable[Recorded]) -> list[list[Recorded]]:
    """The events of each stream, in order."""
    streams: dict[str, list[Recorded]] = defaultdict(list)
    for one in log:
        streams[one.at.stream].append(one)
    return list(streams.values())


def _is_of_a_sender(event: object) -> bool:
    return isinstance(event, MeldingSendt) and not event.plattform


def _status_of(records: Sequence[Recorded]) -> Status | None:
    journal = Journal(fiks_io.initial)
    for one in records:
        journal, _ = step(fiks_io, journal, one)
    return journal.state.status


def _begins(records: Sequence[Recorded], verdict: Verdict) -> bool:
    if isinstance(records[0].event, MeldingSendt):
        return True
    verdict.reordered.append(f"{records[0].at.stream} begins with {records[0].at.type}")
    return False


def _judge_sent(sent: Sequence[Sent], first: Mapping[UUID, list[Recorded]], verdict: Verdict) -> None:
    """Every 202 is one message; every other call is one at most, and so are all that share an id of their sender's."""
    made: dict[UUID | None, list[UUID]] = defaultdict(list)
    for melding_id, records in first.items():
        made[records[0].event.klient_melding_id].append(melding_id)
    for one in sent:
        ids = made.get(one.klient_melding_id, [])
        if len(ids) > 1:
            verdict.doubled.append(f"{one.klient_melding_id} was received {len(ids)} times")
        if one.answered is not None and one.answered not in ids:
            verdict.lost.append(f"{one.klient_melding_id} was answered {one.answered}, which is not on the log")


def _judge_stream(records: Sequence[Recorded], verdict: Verdict) -> Status | None:
    """Every message ends, once, and then its content is destroyed. Returns how it ended."""
    stream, status = records[0].at.stream, _status_of(records)
    if status in OPEN:
        verdict.lost.append(f"{stream} has not ended: {status}, {[one.at.type for one in records]}")
    elif not any(isinstance(one.event, MeldingDestruert) for one in records):
        verdict.other.append(f"{stream} has ended, and its content was not destroyed")
    ends = Counter(one.at.type for one in records if isinstance(one.event, MeldingUtlopt | MeldingFeilet))
    verdict.doubled += [f"{stream} has {number} {name}" for name, number in ends.items() if number > 2]
    return status


def _notices(first: Mapping[UUID, list[Recorded]]) -> dict[UUID, list[MeldingSendt]]:
    """The platform's messages by what they are about."""
    found: dict[UUID, list[MeldingSendt]] = defaultdict(list)
    for records in first.values():
        event = records[0].event
        if event.plattform and event.svar_pa_melding is not None:
            found[event.svar_pa_melding].append(event)
    return found


def _judge_notice(
    records: Sequence[Recorded], status: Status | None, notices: Sequence[MeldingSendt], verdict: Verdict
) -> None:
    """A sender hears once of what expired or failed, and of nothing else."""
    event, told = records[0].event, [one.melding_type for one in notices]
    expected = [NOTICES[status]] if status in NOTICES and not event.plattform else []
    if told != expected:
        kind = verdict.doubled if len(told) > len(expected) else verdict.lost
        kind.append(f"{event.melding_id} ended as {status}, and its sender was told {told}")


def _judge_dialogue(melding_id: UUID, notices: Sequence[MeldingSendt], verdict: Verdict) -> None:
    """What a sender hears of a message has the header that names its dialogue, and no other. (Its name is sealed.)"""
    if any(len(one.headere) != 1 for one in notices):
        verdict.lost.append(f"{melding_id} has ended, and its sender is not told of which dialogue it was")


def _judge_answers(first: Mapping[UUID, list[Recorded]], verdict: Verdict) -> None:
    """On what a message answers that is noted, once; more than once only as the same event."""
    noted: dict[tuple[UUID, UUID], set[str]] = defaultdict(set)
    for melding_id, records in first.items():
        for one in records:
            if isinstance(one.event, MeldingBesvart):
                noted[melding_id, one.event.svar_melding_id].add(one.at.id)
    answers = set()
    for melding_id, (at, *_) in first.items():
        answer, asked = at.event, first.get(at.event.svar_pa_melding)
        if not answer.plattform and asked and asked[0].event.mottaker_konto_id == answer.avsender_konto_id:
            answers.add((answer.svar_pa_melding, melding_id))
    verdict.lost += [f"that {asked} was answered by {one} is not noted" for asked, one in answers - noted.keys()]
    verdict.other += [f"{one} is noted as an answer to {asked}" for asked, one in noted.keys() - answers]
    verdict.doubled += [f"{one[1]} is noted twice as an answer" for one, ids in noted.items() if len(ids) > 1]


def _judge_end(melding_id: UUID, status: Status | None, acts: Sequence[Act], verdict: Verdict) -> None:
    """What ended by consumers ended by what they did."""
    if status in ENDING and ENDING[status] not in acts:
        verdict.other.append(f"{melding_id} ended as {status}, and its consumers did {list(acts)}")
    if status is Status.FEILET and len(acts) < MOST_ATTEMPTS:
        verdict.other.append(f"{melding_id} is called failed, and {len(acts)} consumers saw it")


def _judge_handed(handed: Sequence[Handed], verdict: Verdict) -> None:
    """What somebody may have seen before is handed out as redelivered."""
    before: set[UUID] = set()
    for one in handed:
        if one.melding_id in before and not one.redelivered:
            verdict.other.append(f"{one.melding_id} was handed out again and not called redelivered")
        before.add(one.melding_id)
