"""How decisions are made: a pure fold of one stream in log order, at most one decision at a time.

A decision counts when whoever made it had met every decision that counted before it, which ``cause`` tells. So the
first on the log counts, and the state is a function of the log alone, whoever decided what (DESIGN.md, rules 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from schemas.envelope import Recorded

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something that falls due unless the stream moves on. ``name`` is unique within the stream's state."""

    name: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Decider(Generic[S]):
    """What follows on one topic.

    ``evolve(state, event)`` folds, ``react(state, event, time)`` says what is decided because of an event that happened
    at ``time``, at most one thing. It is asked about every event once it is folded, decisions included, so what follows
    from a decision is a decision of its own; while a decision is under way later facts are folded, but wait to be asked
    about. Both must not mind an event that comes again, and meet personal texts sealed: what can be erased decides
    nothing.
    ``deadlines(state)`` are those that run in that state, ``expired(stream, deadline)`` the fact that one has passed.
    ``state`` is the type of the state, a frozen dataclass of plain values, so that it can be stored.
    """

    name: str
    topic: str
    state: type[S]
    initial: S
    evolve: Callable[[S, Any], S]
    react: Callable[[S, Any, datetime], Any | None]
    deadlines: Callable[[S], tuple[Deadline, ...]]
    expired: Callable[[str, Deadline], Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision to be appended, and the event that it follows from."""

    event: Any
    because: Recorded


@dataclass(frozen=True, slots=True)
class Journal(Generic[S]):
    """All that is remembered of a stream: its state, the offset of the last decision that counted, and what waits.

    The oldest of ``backlog`` is the event whose decision is under way; the others wait for it. ``correlation`` is that
    of the first event, by which the stream's deadlines are found with it.
    """

    state: S
    last: int = -1
    backlog: tuple[Recorded, ...] = ()
    correlation: str | None = None


def step(decider: Decider[S], journal: Journal[S], met: Recorded) -> tuple[Journal[S], Decision | None]:
    """The journal after the next record of its stream, and what must be appended because of it.

    The appended decision's ``cause`` is the offset of ``met``.
    """
    position, cause = met.at.position, met.at.cause
    assert position is not None
    begun = journal if journal.correlation else replace(journal, correlation=met.at.correlation_id)
    if cause is None:
        state, backlog = decider.evolve(journal.state, met.event), (*journal.backlog, met)
        folded = replace(begun, state=state, backlog=backlog)
        return (folded, None) if journal.backlog else _ask(decider, folded)
    if cause < journal.last:
        return journal, None  # a repeat, or overtaken: another decision had counted, unknown to whoever made this one
    state, undecided = decider.evolve(journal.state, met.event), _behind(journal.backlog, met.at.causation_id)
    return _ask(decider, replace(begun, state=state, last=position.offset, backlog=(met, *undecided)))


def _behind(backlog: tuple[Recorded, ...], decided: str | None) -> tuple[Recorded, ...]:
    """What still waits once the event with the id ``decided`` has got its decision.

    All of it, when that event does not wait: another release decided where this one saw nothing to decide.
    """
    ids = [one.at.id for one in backlog]
    return backlog[ids.index(decided) + 1 :] if decided in ids else backlog


def _ask(decider: Decider[S], journal: Journal[S]) -> tuple[Journal[S], Decision | None]:
    """Ask about what waits, oldest first, until something is decided."""
    for passed, waiting in enumerate(journal.backlog):
        if (decided := decider.react(journal.state, waiting.event, waiting.at.time)) is not None:
            return replace(journal, backlog=journal.backlog[passed:]), Decision(decided, waiting)
    return replace(journal, backlog=()), None
