"""A partition with one stream on it and workers that decide there, as values: what the log does, without a broker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from schemas.envelope import Envelope, Position, Recorded, decided, fact
from streams.domain.decider import Decider, Journal, step
from tests.support.given_when_then import WHEN, Given

Checkpoint = tuple[int, Journal[Any]]


class SimulatedLog:
    """The records, and every checkpoint that was committed. Facts happen an hour apart."""

    def __init__(self, decider: Decider[Any]) -> None:
        self.records: list[Recorded] = []
        self.checkpoints: list[Checkpoint] = [(0, Journal(decider.initial))]

    def happens(self, event: Any, id: str | None = None) -> None:  # noqa: A002
        """A fact is appended; with an id that was used before, it is a repeat."""
        number = len(self.records)
        time = WHEN + timedelta(hours=number)
        self._append(event, fact(event, time=time, id=id or f"fact {number}", source="test"))

    def work(self, decider: Decider[Any], *, batch: int = 1, behind: int = 0, commit: bool = True) -> bool:
        """A worker takes a batch, appends what it decides, and commits. Returns whether there was anything to read.

        ``commit=False`` is a crash in between. ``behind`` is a worker that goes on from an older checkpoint, not
        knowing that it lost the partition; it is not let to commit.
        """
        start, journal = self.checkpoints[max(0, len(self.checkpoints) - 1 - behind)]
        todo = self.records[start : start + batch]
        for offset, met in enumerate(todo, start):
            journal, decision = step(decider, journal, met)
            if decision is not None:
                at = decided(decision.event, because=decision.because.at, cause=offset, source="test")
                self._append(decision.event, at)
        if commit and not behind:
            self.checkpoints.append((start + len(todo), journal))
        return bool(todo)

    def settle(self, decider: Decider[Any]) -> Journal[Any]:
        """Let a worker go on until there is nothing left to do. Returns its journal."""
        while self.work(decider):
            assert len(self.records) < 1000, "deciding does not come to an end"
        return self.checkpoints[-1][1]

    def facts(self) -> list[Recorded]:
        """The facts, in order."""
        return [one for one in self.records if one.at.cause is None]

    def counted(self) -> list[Recorded]:
        """The decisions that count: those made with all earlier ones known."""
        kept: list[Recorded] = []
        for one in self.records:
            if one.at.cause is not None and (not kept or one.at.cause >= kept[-1].at.position.offset):
                kept.append(one)
        return kept

    def _append(self, event: Any, at: Envelope) -> None:
        position = Position("test", 0, len(self.records))
        self.records.append(Recorded(event, replace(at, position=position)))


def read(decider: Decider[Any], records: list[Recorded]) -> Journal[Any]:
    """The journal of somebody who reads the log from its beginning, and appends nothing."""
    journal = Journal(decider.initial)
    for met in records:
        journal, _ = step(decider, journal, met)
    return journal


def one_at_a_time(decider: Decider[Any], facts: list[Recorded]) -> tuple[Any, list[Any]]:
    """What should come of the facts: the state and the decisions, if each were decided in full before the next."""
    state, decisions = decider.initial, []
    for event, at in facts:
        came = Given(decider, state).when(event, at.time)
        state = came.state
        decisions += came.decided
    return state, decisions
