"""The journals of a decider's streams and the deadlines that run in them, as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from aiokafka import TopicPartition

from infra.database import Connection
from schemas.catalogue import key_of
from schemas.codec import encode
from schemas.envelope import Recorded
from schemas.errors import NotYetKnown
from schemas.topics import TOPICS
from streams.domain.decider import Deadline, Decider, Journal
from streams.records import recorded

Journals = dict[str, Journal[Any]]
DUE_AT_ONCE = 500

LOAD = "select stream, journal from journal where decider = $1 and stream = any($2)"
SAVE = """
    with saved as (
        insert into journal (decider, stream, journal) select $6::text, * from unnest($7::text[], $8::bytea[])
        on conflict (decider, stream) do update set journal = excluded.journal),
    dropped as (
        delete from frist where decider = $6 and stream = any($7)
        and (stream, name, due) not in (select * from unnest($11::text[], $12::text[], $13::timestamptz[]))),
    running as (
        insert into frist (decider, topic, partition, stream, name, due)
        select $6, * from unnest($9::text[], $10::int[], $11::text[], $12::text[], $13::timestamptz[])
        on conflict do nothing)
"""
"""Goes with ``checkpoints.move``."""
OVERDUE = """
    select partition from generate_series(0, $3 - 1) as of (partition) cross join lateral (
        select from frist where decider = $1 and topic = $2 and partition = of.partition
        and not appended and due <= now() order by due limit 1) as first
"""
DUE = """
    select stream, name, due, journal from frist join journal using (decider, stream)
    where decider = $1 and topic = $2 and partition = $3 and not appended and due <= now()
    order by due limit $4
"""
APPENDED = """
    update frist f set appended = true
    from unnest($2::text[], $3::text[], $4::timestamptz[]) as done (stream, name, due)
    where f.decider = $1 and (f.stream, f.name, f.due) = (done.stream, done.name, done.due)
"""


class Due(NamedTuple):
    """A deadline that has passed, and the correlation of its stream."""

    stream: str
    deadline: Deadline
    correlation: str | None


class _Waiting(msgspec.Struct, array_like=True):
    """A record of the backlog."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class JournalStore:
    """Loads and saves the journals of one decider, always within the caller's transaction."""

    def __init__(self, decider: Decider[Any]) -> None:
        self._decider = decider
        self._row_type = msgspec.defstruct(
            "JournalRow",
            [
                ("state", msgspec.Raw),
                ("last", int),
                ("backlog", list[_Waiting]),
                ("correlation", str | None, None),  # what an earlier release wrote has none
            ],
            array_like=True,
        )
        self._row: Callable[[bytes], Any] = msgspec.msgpack.Decoder(self._row_type).decode
        self._decode_state = msgspec.msgpack.Decoder(decider.state).decode

    async def load(self, connection: Connection, streams: set[str]) -> Journals:
        """The journals of those streams that have one. Raises NotYetKnown where a newer release wrote one of which this
        one does not know all.
        """
        rows = await connection.fetch(LOAD, self._decider.name, sorted(streams))
        return {row["stream"]: self._journal(row["journal"]) for row in rows}

    def saving(self, journals: Journals, partitions: Mapping[str, TopicPartition]) -> list[Any]:
        """What ``SAVE`` needs to write the journals, whose streams lie in ``partitions``, and to let exactly their
        states' deadlines run.
        """
        running = [
            (*partitions[stream], stream, one.name, one.due)
            for stream, journal in journals.items()
            for one in self._decider.deadlines(journal.state)
        ]
        columns = [list(column) for column in zip(*running, strict=True)] or [[], [], [], [], []]
        return [self._decider.name, list(journals), [self._bytes(one) for one in journals.values()], *columns]

    async def overdue(self, connection: Connection) -> list[TopicPartition]:
        """The partitions in which ``due`` would find something."""
        topic = self._decider.topic
        rows = await connection.fetch(OVERDUE, self._decider.name, topic, TOPICS[topic].partitions)
        return [TopicPartition(topic, row["partition"]) for row in rows]

    async def due(self, connection: Connection, partition: TopicPartition) -> list[Due]:
        """Deadlines of the partition that have passed by PostgreSQL's clock and were not appended, oldest first."""
        rows = await connection.fetch(DUE, self._decider.name, *partition, DUE_AT_ONCE)
        return [
            Due(row["stream"], Deadline(row["name"], row["due"]), self._row(row["journal"]).correlation) for row in rows
        ]

    async def appended(self, connection: Connection, due: Sequence[Due]) -> None:
        """Remember that these were appended; reading them from the log is what settles them."""
        columns: Mapping[str, list[Any]] = {
            "stream": [one.stream for one in due],
            "name": [one.deadline.name for one in due],
            "due": [one.deadline.due for one in due],
        }
        await connection.execute(APPENDED, self._decider.name, *columns.values())

    def _bytes(self, journal: Journal[Any]) -> bytes:
        waiting = [_waiting(one) for one in journal.backlog]
        state = msgspec.Raw(msgspec.msgpack.encode(journal.state))
        return msgspec.msgpack.encode(self._row_type(state, journal.last, waiting, journal.correlation))

    def _journal(self, data: bytes) -> Journal[Any]:
        row = self._row(data)
        backlog = tuple(recorded(one) for one in row.backlog)
        return Journal(self._state(bytes(row.state)), row.last, backlog, row.correlation)

    def _state(self, stored: bytes) -> Any:
        """Whatever this release does not know of it would be lost as it is saved again."""
        try:
            state = self._decode_state(stored)
        except msgspec.ValidationError as fault:
            raise NotYetKnown(f"a journal of {self._decider.name} is a newer release's: {fault}") from fault
        known = msgspec.msgpack.encode(state)
        if known != stored and not _holds(msgspec.msgpack.decode(known), msgspec.msgpack.decode(stored)):
            raise NotYetKnown(f"a journal of {self._decider.name} has fields that only a newer release knows")
        return state


def _holds(known: Any, stored: Any) -> bool:
    """Whether nothing has a field in ``stored`` that it does not have in ``known``."""
    if isinstance(stored, dict):
        return all(name in known and _holds(known[name], value) for name, value in stored.items())
    if isinstance(stored, list):
        return all(map(_holds, known, stored))
    return True


def _waiting(one: Recorded) -> _Waiting:
    assert one.at.position is not None
    topic, partition, offset = one.at.position
    return _Waiting(topic, partition, offset, key_of(one.at.stream).encode(), encode(one.event), one.at.headers())
