"""How decisions are made: a pure fold of one stream in log order, at most one decision at a time.

A stream that has decided waits until it has read its own decision from the log; what it meets meanwhile waits in a
backlog. So the state is a function of the log alone, and when two workers (or two releases) decided on the same record,
the first that reached the log counts for everybody (DESIGN.md, rules 3 and 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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

    ``evolve(state, event)`` folds, ``react(state, event)`` says what is decided once ``event`` is folded, at most one
    thing; it is asked about every event, decisions included, so what follows from a decision is a decision of its own.
    ``deadlines(state)`` are those that run in that state, ``expired(stream, deadline)`` the fact that one has passed.
    ``state`` is the type of the state, a frozen dataclass of plain values, so that it can be stored as JSON.
    """

    name: str
    topic: str
    state: type[S]
    initial: S
    evolve: Callable[[S, Any], S]
    react: Callable[[S, Any], Any | None]
    deadlines: Callable[[S], tuple[Deadline, ...]]
    expired: Callable[[str, Deadline], Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision to be appended, and the event that it follows from."""

    event: Any
    because: Recorded


@dataclass(frozen=True, slots=True)
class Journal(Generic[S]):
    """All that is remembered of a stream: its state, the record whose decision is awaited (offset), and what waits."""

    state: S
    awaiting: int | None = None
    backlog: tuple[Recorded, ...] = field(default=())


def step(decider: Decider[S], journal: Journal[S], met: Recorded) -> tuple[Journal[S], Decision | None]:
    """The journal after the next record of its stream, and what must be appended because of it."""
    if met.at.cause is None:
        if journal.awaiting is not None:
            return replace(journal, backlog=(*journal.backlog, met)), None
        return _settle(decider, replace(journal, backlog=(met,)), met)
    if met.at.cause != journal.awaiting:
        return journal, None  # a repeat, or overtaken by what another worker or release decided first
    return _settle(decider, replace(journal, awaiting=None, backlog=(met, *journal.backlog)), met)


def _settle(decider: Decider[S], journal: Journal[S], met: Recorded) -> tuple[Journal[S], Decision | None]:
    """Fold what waits, oldest first, until something is decided. ``met`` is the record that set this off."""
    state, backlog = journal.state, journal.backlog
    while backlog:
        first, *rest = backlog
        backlog = tuple(rest)
        state = decider.evolve(state, first.event)
        if (decided := decider.react(state, first.event)) is not None:
            assert met.at.position is not None
            return Journal(state, met.at.position.offset, backlog), Decision(decided, first)
    return Journal(state), None
