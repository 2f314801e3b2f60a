"""From a record of the log to what it says. Whatever brought the record, it has these five attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.catalogue import key_of
from schemas.codec import decode
from schemas.envelope import Envelope, Position, Recorded, read_envelope
from schemas.errors import Unreadable


class LogRecord(Protocol):
    """A record as aiokafka reads it, or as we kept it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


def envelope_of(record: LogRecord) -> Envelope:
    """The envelope of a record. Raises Unreadable when its headers are not those of an event of ours."""
    try:
        envelope = read_envelope(record.headers, Position(record.topic, record.partition, record.offset))
    except (KeyError, ValueError, OverflowError) as fault:
        raise Unreadable(f"the headers are not those of an event: {type(fault).__name__}") from fault
    if record.key != key_of(envelope.stream).encode():
        raise Unreadable("the key is not that of the stream that the headers name: it may lie in a wrong partition")
    return envelope


def recorded(record: LogRecord) -> Recorded:
    """The event and the envelope of a record. Raises Unreadable or NotYetKnown."""
    return Recorded(decode(record.value), envelope_of(record))
