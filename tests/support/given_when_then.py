"""Plain data in, plain data out: ``given(decider, *history).when(event).then(*decisions)``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from streams.domain.decider import Deadline, Decider

WHEN = datetime(2026, 3, 11, 9, 30, tzinfo=UTC)
"""A Wednesday, long before any holiday."""


@dataclass(frozen=True)
class Given:
    """A stream with a history."""

    decider: Decider[Any]
    state: Any

    def when(self, event: Any, time: datetime = WHEN) -> When:
        """The event happens, and everything that follows from it, one decision after the other."""
        state, decided = self.decider.evolve(self.state, event), []
        while (decision := self.decider.react(state, event, time)) is not None:
            state, event = self.decider.evolve(state, decision), decision
            decided.append(decision)
        return When(self.decider, state, tuple(decided))


@dataclass(frozen=True)
class When:
    """What came of it."""

    decider: Decider[Any]
    state: Any
    decided: tuple[Any, ...]

    def then(self, *decisions: Any) -> When:
        """Exactly these decisions were made, in this order."""
        assert self.decided == decisions
        return self

    def runs(self, *deadlines: Deadline) -> When:
        """Exactly these deadlines run now."""
        assert self.decider.deadlines(self.state) == deadlines
        return self


def given(decider: Decider[Any], *history: Any) -> Given:
    """A stream of ``decider`` with these events on it, decisions included."""
    return Given(decider, reduce(decider.evolve, history, decider.initial))
