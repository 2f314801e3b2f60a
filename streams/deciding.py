"""Deciding as the work of an agent: fold each stream's records, append what follows, remember the journal.

The decisions are acknowledged before the transaction commits; a crash between the two repeats them under the same ids,
and every fold ignores repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from infra.database import Connection
from infra.metrics import DECISIONS
from schemas.catalogue import key_of
from schemas.envelope import By, Envelope, Recorded, decided, derived_id, fact
from streams import checkpoints
from streams.agents import Lot, Record, check_follows
from streams.dead_letters import DeadLetters
from streams.domain.decider import Decider, Decision, Journal, step
from streams.journals import SAVE, Due, Journals, JournalStore
from streams.log import Log
from streams.records import recorded

Met = list[tuple[Lot, list[Recorded]]]


class Deciding:
    """The work of one decider."""

    batch = 500  # small: a crash repeats up to one batch of decisions

    def __init__(self, decider: Decider[Any], log: Log, dead_letters: DeadLetters, patience: float = 0.0) -> None:
        self.decider, self.patience = decider, patience
        self.role = f"decider:{decider.name}"
        self.topics: tuple[str, ...] = (decider.topic,)
        self._source = f"urn:fiks:beslutning:{decider.name}"
        self._log, self._dead_letters, self._journals = log, dead_letters, JournalStore(decider)

    async def load(self, connection: Connection, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The decider's checkpoint of each partition."""
        return await checkpoints.load(connection, self.role, partitions)

    async def prepare(self, lots: Sequence[Lot]) -> Met:
        """Each lot with its events: a decider reads everything on its topic, personal texts as they are sealed."""
        return [(lot, [recorded(record) for record in lot.records]) for lot in lots]

    async def carry(self, connection: Connection, prepared: Met) -> None:
        """Fold the records that were not folded yet, append the decisions, save the journals."""
        async with connection.transaction():
            positions = await checkpoints.lock(connection, self.role, [lot.claim.partition for lot, _ in prepared])
            todo: Met = []
            for lot, events in prepared:
                at = positions[lot.claim.partition]
                check_follows(self.role, lot, at)
                if fresh := events[at - lot.records[0].offset :]:
                    todo.append((lot, fresh))
            if not todo:
                return
            journals = await self._journals.load(connection, {one.at.stream for _, events in todo for one in events})
            decisions = self._fold(journals, [one for _, events in todo for one in events])
            await self._append(decisions, [record for lot, _ in todo for record in (*lot.records, *lot.following)])
            after = {lot.claim.partition: lot.records[-1].offset + 1 for lot, _ in todo}
            await checkpoints.move(
                connection, self.role, after, SAVE, *self._journals.saving(journals, _partitions_of(todo))
            )

    async def set_aside(self, connection: Connection, lot: Lot, reason: str) -> None:
        """Dead-letter the record and move past it: its stream goes on without it."""
        partition, record = lot.claim.partition, lot.records[0]
        at = (await checkpoints.lock(connection, self.role, [partition]))[partition]
        check_follows(self.role, lot, at)
        if at == record.offset:
            await self._dead_letters.append(self.role, record, reason)
            await checkpoints.move(connection, self.role, {partition: record.offset + 1})

    async def overdue(self, connection: Connection) -> list[TopicPartition]:
        """The partitions, whoever owns them, in which a deadline has passed."""
        return await self._journals.overdue(connection)

    async def expire(self, connection: Connection, partition: TopicPartition, carried: int) -> int:
        """Append the deadlines of the partition that have passed, guarded as every write is. Returns how many: none
        where the checkpoint lies before what was ``carried``, since what was forgotten may have settled them.
        """
        if (await checkpoints.lock(connection, self.role, [partition]))[partition] < carried:
            return 0
        due = await self._journals.due(connection, partition)
        if due:
            await self._log.append_all([self._expired(one) for one in due])
            await self._journals.appended(connection, due)
        return len(due)

    def _expired(self, due: Due) -> tuple[object, Envelope]:
        stream, deadline, correlation = due
        event = self.decider.expired(stream, deadline)
        event_id = derived_id(stream, f"{deadline.name}@{deadline.due.isoformat()}")
        source = self._source
        return event, fact(
            event, time=deadline.due, id=event_id, source=source, correlation_id=correlation, by=By(source)
        )

    def _fold(self, journals: Journals, met: Sequence[Recorded]) -> list[tuple[int, Decision]]:
        """Bring ``journals`` past the records. Returns the decisions, each with the offset that set it off."""
        decisions = []
        for one in met:
            journal = journals.get(one.at.stream) or Journal(self.decider.initial)
            journals[one.at.stream], decision = step(self.decider, journal, one)
            if decision is not None and one.at.position is not None:
                decisions.append((one.at.position.offset, decision))
        return decisions

    async def _append(self, decisions: Sequence[tuple[int, Decision]], seen: Sequence[Record]) -> None:
        """Append the decisions that are not among ``seen``.

        After a crash (or when a journal is rebuilt) a decision lies just behind its cause. Leaving it out keeps
        repeats off the log; nothing depends on it.
        """
        DECISIONS.labels(self.role).inc(len(decisions))
        if not decisions:
            return
        there = {(record.key, dict(record.headers).get("cause")) for record in seen}
        await self._log.append_all(
            [
                (one.event, decided(one.event, because=one.because.at, cause=cause, source=self._source))
                for cause, one in decisions
                if (key_of(one.because.at.stream).encode(), str(cause).encode()) not in there
            ]
        )


def _partitions_of(met: Met) -> dict[str, TopicPartition]:
    """Where each stream lies."""
    return {one.at.stream: lot.claim.partition for lot, events in met for one in events}
