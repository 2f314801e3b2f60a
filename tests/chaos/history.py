"""What the load generator remembers of its calls, and whether the system kept its word. Pure: values in, faults out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from schemas.envelope import Recorded
from schemas.svarut import ForsendelseMottatt, LestMeldt
from streams.domain.decider import Journal, step
from streams.domain.svarut import svarut


@dataclass(slots=True)
class Call:
    """A send. ``tag`` is the eksternReferanse that the generator gave it; ``answered`` the id of a 2xx, else None."""

    tag: str
    answered: UUID | None = None
    read: bool = False
    """Whether the generator afterwards reported it as read, and got a 2xx for that."""

    @property
    def report(self) -> str:
        """The id of the call that reports it as read, by which the log knows what came of that."""
        return f"{self.tag}-lest"


@dataclass(slots=True)
class Verdict:
    """What was found wrong, by kind; nothing where the system kept its word."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.reordered or self.other)

    def __add__(self, more: Verdict) -> Verdict:
        """What was found wrong by either."""
        return Verdict(
            self.lost + more.lost,
            self.doubled + more.doubled,
            self.reordered + more.reordered,
            self.other + more.other,
        )


def judge(
    calls: Sequence[Call],
    log: Iterable[Recorded],
    statuser: Mapping[UUID, str],
    hendelser: Mapping[UUID, Sequence[str]],
    audited: Counter[tuple[str, int, int]],
) -> Verdict:
    """Compare what was acknowledged with the log, and the log with the projections.

    ``log`` is every event of the topic in order within each partition; ``statuser`` and ``hendelser`` (types, in order)
    are what can be read; ``audited`` counts the lines of the audit trail by position.
    """
    verdict = Verdict()
    streams: dict[UUID, list[Recorded]] = defaultdict(list)
    for recorded in log:
        streams[recorded.event.forsendelse_id].append(recorded)
        _once_audited(recorded, audited, verdict)
    _judge_calls(calls, streams, verdict)
    _judge_reports(calls, streams, verdict)
    for stream, records in streams.items():
        _judge_stream(stream, records, statuser.get(stream), hendelser.get(stream, ()), verdict)
    return verdict


def _once_audited(recorded: Recorded, audited: Counter[tuple[str, int, int]], verdict: Verdict) -> None:
    position = recorded.at.position
    assert position is not None
    if (lines := audited[tuple(position)]) != 1:
        (verdict.doubled if lines else verdict.lost).append(f"{lines} lines in the audit trail for {position}")


def _judge_calls(calls: Sequence[Call], streams: Mapping[UUID, list[Recorded]], verdict: Verdict) -> None:
    """Every call answered 2xx has exactly one effect; every other call has at most one."""
    effects: dict[str, list[UUID]] = defaultdict(list)
    for stream, records in streams.items():
        # The producer may append an event twice where the broker dies: it is the same one, and said once (``ce_id``).
        received = {one.at.id: one.event for one in records if isinstance(one.event, ForsendelseMottatt)}
        for event in received.values():
            effects[event.ekstern_referanse or ""].append(stream)
    for call in calls:
        made = effects.get(call.tag, [])
        if len(made) > 1:
            verdict.doubled.append(f"call {call.tag} was received {len(made)} times")
        if call.answered is None:
            continue
        if call.answered not in made:
            verdict.lost.append(f"call {call.tag} was answered {call.answered}, which is not on the log")


def _judge_reports(calls: Sequence[Call], streams: Mapping[UUID, list[Recorded]], verdict: Verdict) -> None:
    """The same of reports that something was read: each is a call of its own, about the stream that it names."""
    made: dict[tuple[UUID | None, str], set[str]] = defaultdict(set)
    for stream, records in streams.items():
        for one in records:
            if isinstance(one.event, LestMeldt):
                made[stream, one.at.correlation_id].add(one.at.id)
    for call in calls:
        ids = made.pop((call.answered, call.report), set())
        if len(ids) > 1:
            verdict.doubled.append(f"{call.report} of {call.answered} is {len(ids)} times on the log")
        if call.read and not ids:
            verdict.lost.append(f"{call.report} of {call.answered} was acknowledged, and is not on the log")
    verdict.other += [f"{report} of {stream} is on the log, and was never called" for stream, report in made]


def _judge_stream(
    stream: UUID, records: Sequence[Recorded], status: str | None, hendelser: Sequence[str], verdict: Verdict
) -> None:
    """What can be read of a stream is what its log says, folded by the domain alone."""
    if not isinstance(records[0].event, ForsendelseMottatt):
        verdict.reordered.append(f"{stream} begins with {records[0].at.type}")
    journal, counted = Journal(svarut.initial), []
    for recorded in records:
        before = journal.state.status
        journal, _ = step(svarut, journal, recorded)
        if journal.state.status != before:
            counted.append(recorded.at.type)
    if journal.backlog:
        verdict.lost.append(f"{stream}: nothing was decided on {journal.backlog[0].at.type}")
    if status != journal.state.status:
        verdict.other.append(f"{stream} reads as {status}, the log says {journal.state.status}")
    if Counter(hendelser) != Counter(counted):
        kind = verdict.doubled if len(hendelser) > len(counted) else verdict.lost
        kind.append(f"{stream} has the history {list(hendelser)}, the log says {counted}")
    elif list(hendelser) != counted:
        verdict.reordered.append(f"{stream} has the history {list(hendelser)}, the log says {counted}")
