"""From a record of the log to what it says. Whatever brought the record, it has these five attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

from schemas.catalogue import event_type, key_of, topic_of
from schemas.codec import decode
from schemas.envelope import Envelope, Position, Recorded, fault_in, read_envelope
from schemas.errors import Unreadable


class LogRecord(Protocol):
    """A record as aiokafka reads it, or as we kept it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def envelope_of(record: LogRecord) -> Envelope:
    """The envelope of a record. Raises Unreadable when its headers are not those of an event of ours, on its topic."""
    envelope = envelope_in(record)
    if (home := topic_of(envelope.type)) not in (None, record.topic):
        raise Unreadable(f"an event of the type {envelope.type} lies on {home} alone")
    return envelope


def envelope_in(record: LogRecord) -> Envelope:
    """The same, whatever topic it lies on: for who reads one topic alone, and of that not all types."""
    try:
        envelope = read_envelope(record.headers, Position(record.topic, record.partition, record.offset))
    except (KeyError, ValueError, OverflowError) as fault:
        raise Unreadable(f"the headers are not those of an event: {fault_in(record.headers)}") from fault
    if record.key != key_of(envelope.stream).encode():
        raise Unreadable("the key is not that of the stream that the headers name: it may lie in a wrong partition")
    return envelope


def event_of(record: LogRecord, at: Envelope, view: type | None = None) -> Any:
    """The event of a record with that envelope, or a view of it (``decode``). Raises Unreadable or NotYetKnown."""
    event = decode(record.value, view, at.type)
    stream_in = _stream_in(at.type, event.__class__)
    if stream_in is not None and stream_in(event) != at.stream:
        raise Unreadable(f"the {at.type} is of another stream than its headers name")
    return event


@cache
def _stream_in(name: str, view: type) -> Callable[[object], str] | None:
    """How the stream of an event of that type is read in the view; None where that does not tell it."""
    kind = event_type(name)
    return kind.stream if {kind.stream_field, kind.within or kind.stream_field} <= view.__annotations__.keys() else None


def recorded(record: LogRecord) -> Recorded:
    """The event and the envelope of a record. Raises Unreadable or NotYetKnown."""
    at = envelope_of(record)
    return Recorded(event_of(record, at), at)
