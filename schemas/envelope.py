"""What the log says about an event: CloudEvents headers in binary mode, and the event's position.

CloudEvents 1.0.2, Kafka protocol binding 3.2: attribute ``x`` travels as header ``ce_x``, as UTF-8 text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec

from schemas.catalogue import event_type

Headers = list[tuple[str, bytes]]

REQUIRED = ("ce_type", "ce_id", "ce_source", "ce_subject", "ce_time", "ce_correlationid")
WHO = ("ce_actor", "ce_onbehalfof", "ce_supplier", "ce_integration")
TEXTS = {*REQUIRED, *WHO, "ce_causationid", "ce_legalbasis", "traceparent"} - {"ce_time"}
LEVELS = {b"3": 3, b"4": 4}
"""Of login. Others, of a newer release, read as none: they are shown, and nothing is decided by them."""
"""Levels of login, as they travel."""
LONGEST = 1024
"""Bytes of a header, at most: what is longer is none of ours, and no index takes it."""
DECISIONS = UUID("7b9c5e0a-3c0e-5f0e-9a3c-6d1f0f5b8a11")
"""The namespace in which the ids of decisions are derived; it must never change."""


class Position(NamedTuple):
    """Where on the log a record lies."""

    topic: str
    partition: int
    offset: int


class By(NamedTuple):
    """Who did something, as the log names them, and how they came in.

    ``on_behalf_of`` is the orgnr that it was done for, ``supplier`` that of who really called where a token was
    delegated, ``level`` that of a person's login (3 or 4), ``integration`` the one through which a person called.
    """

    actor: str | None = None
    on_behalf_of: str | None = None
    supplier: str | None = None
    level: int | None = None
    integration: str | None = None


NOBODY = By()


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """All that is known of an event without decoding it. Ids are texts, as they travel.

    ``cause`` is set on decisions: the offset, in the same partition, of the record that made the owner of the partition
    decide. It grows within a stream, so a repeated or late decision is known by a cause that was met before.
    """

    type: str
    id: str
    source: str
    stream: str
    time: datetime
    correlation_id: str
    causation_id: str | None = None
    actor: str | None = None
    on_behalf_of: str | None = None
    supplier: str | None = None
    level: int | None = None
    integration: str | None = None
    legal_basis: str | None = None
    traceparent: str | None = None
    cause: int | None = None
    position: Position | None = None

    @property
    def by(self) -> By:
        """Who did it."""
        return By(self.actor, self.on_behalf_of, self.supplier, self.level, self.integration)

    def headers(self) -> Headers:
        """The Kafka headers that carry this envelope. Its position is not among them: the log itself knows that."""
        optional = (
            ("ce_causationid", self.causation_id),
            ("ce_actor", self.actor),
            ("ce_onbehalfof", self.on_behalf_of),
            ("ce_supplier", self.supplier),
            ("ce_level", None if self.level is None else str(self.level)),
            ("ce_integration", self.integration),
            ("ce_legalbasis", self.legal_basis),
            ("traceparent", self.traceparent),
            ("cause", None if self.cause is None else str(self.cause)),
        )
        return [
            ("content-type", b"application/avro"),
            ("ce_specversion", b"1.0"),
            ("ce_type", self.type.encode()),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_subject", self.stream.encode()),
            ("ce_time", self.time.isoformat().encode()),
            ("ce_correlationid", self.correlation_id.encode()),
            *((name, value.encode()) for name, value in optional if value is not None),
        ]


def read_envelope(headers: Iterable[tuple[str, bytes]], position: Position) -> Envelope:
    """The envelope that the headers of the record at ``position`` carry.

    Raises ValueError, OverflowError or KeyError when they are not those of one of our events; ``fault_in`` says why.
    """
    of = dict(headers)
    for value in of.values():
        if value is None or len(value) > LONGEST or 0 in value:  # no text in PostgreSQL holds a NUL
            raise ValueError("a header that no table takes")
    get = of.get
    causation, actor, on_behalf_of = get("ce_causationid"), get("ce_actor"), get("ce_onbehalfof")
    supplier, level, integration = get("ce_supplier"), get("ce_level"), get("ce_integration")
    legal_basis, traceparent, cause = get("ce_legalbasis"), get("traceparent"), get("cause")
    return Envelope(  # by place: names would cost as much as all the texts
        of["ce_type"].decode(),
        of["ce_id"].decode(),
        of["ce_source"].decode(),
        of["ce_subject"].decode(),
        _time(of["ce_time"]),
        of["ce_correlationid"].decode(),
        None if causation is None else causation.decode(),
        None if actor is None else actor.decode(),
        None if on_behalf_of is None else on_behalf_of.decode(),
        None if supplier is None else supplier.decode(),
        None if level is None else LEVELS.get(level),
        None if integration is None else integration.decode(),
        None if legal_basis is None else legal_basis.decode(),
        None if traceparent is None else traceparent.decode(),
        None if cause is None else _offset(cause),
        position,
    )


def type_in(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The type that the headers of a record say, whoever wrote it; empty where they say none."""
    return (dict(headers).get("ce_type") or b"").decode(errors="replace")


def fault_in(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Why ``read_envelope`` does not read these headers: which of them is wrong, and nothing of what stands in it."""
    of = dict(headers)
    for name in REQUIRED:
        if name not in of:
            return f"{name} is missing"
    for name, value in of.items():
        if value is None or len(value) > LONGEST or 0 in value:
            return f"{name} is none, holds a NUL or is longer than {LONGEST} bytes"
        read, what = _READERS.get(name, (bytes, "read"))
        try:
            read(value)
        except (ValueError, OverflowError):
            return f"{name} is not {what}"
    raise AssertionError("these headers can be read")


def _time(value: bytes) -> datetime:
    time = datetime.fromisoformat(value.decode())
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _offset(value: bytes) -> int:
    if 0 <= (offset := int(value)) < 1 << 63:
        return offset
    raise ValueError("no offset")


_READERS: dict[str, tuple[Callable[[bytes], object], str]] = {
    **dict.fromkeys(sorted(TEXTS), (bytes.decode, "UTF-8")),
    "ce_time": (_time, "a time"),
    "cause": (_offset, "an offset"),
}


def fact(
    event: object,
    *,
    time: datetime,
    id: str,  # noqa: A002 - what CloudEvents calls it
    source: str,
    correlation_id: str | None = None,
    by: By = NOBODY,
    legal_basis: str | None = None,
    traceparent: str | None = None,
) -> Envelope:
    """The envelope of a fact. Without a correlation id it starts a correlation of its own."""
    kind = event_type(event)
    return Envelope(
        type=kind.name,
        id=id,
        source=source,
        stream=kind.stream(event),
        time=time,
        correlation_id=correlation_id or id,
        **by._asdict(),
        legal_basis=legal_basis,
        traceparent=traceparent,
    )


def decided(event: object, *, because: Envelope, cause: int, source: str, traceparent: str | None = None) -> Envelope:
    """The envelope of a decision: its id, time and correlation are those of the event that it follows from.

    Who decided is its actor; how the caller came in (supplier, level, integration) is told of the cause alone, as who
    it was is.

    ``cause`` is the offset of the record that set the decision off (see ``Envelope.cause``).
    """
    kind = event_type(event)
    return Envelope(
        type=kind.name,
        id=derived_id(because.id, kind.name),
        source=source,
        stream=because.stream,
        time=because.time,
        correlation_id=because.correlation_id,
        causation_id=because.id,
        actor=source,
        on_behalf_of=because.on_behalf_of,
        legal_basis=because.legal_basis,
        traceparent=traceparent or because.traceparent,
        cause=cause,
    )


def derived_id(cause_id: str, name: str) -> str:
    """The id of what follows from the event ``cause_id``: a repeated decision is the same event (DESIGN.md, rule 4)."""
    return str(uuid5(DECISIONS, f"{cause_id}/{name}"))


class Recorded(NamedTuple):
    """An event as it was met on the log."""

    event: Any
    at: Envelope
