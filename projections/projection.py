"""What a projection is: pure handlers, event by event, from what was said to the rows that can be asked.

A handler takes (event, envelope) and returns the writes; it sees no clock, no database and no other event. The
tables stand in the ``.sql`` file beside the module, without a schema name: each version gets a schema of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import msgspec
from asyncpg.pgproto.pgproto import UUID

from schemas.catalogue import event_type
from schemas.envelope import Envelope
from schemas.errors import Unreadable
from schemas.personal import holds_personal


@final
class Create(msgspec.Struct, frozen=True, gc=False):
    """A new row with all its columns but the mark. Void where the row exists."""

    table: str
    key: tuple[Any, ...]
    values: dict[str, Any]


@final
class Change(msgspec.Struct, frozen=True, gc=False):
    """New values for some columns of a row. Void where there is no such row, or where it was changed since.

    ``made`` is the offset of the event and ``since`` the offset that it was made after (its cause): a change that was
    made without knowledge of the one before it is a repeat, or was overtaken, exactly as ``streams.domain.decider``
    sees it.
    """

    table: str
    key: tuple[Any, ...]
    since: int
    made: int
    values: dict[str, Any]


@final
class Append(msgspec.Struct, frozen=True, gc=False):
    """A row that no other event makes, in the order of the table's columns: it is keyed by the event's position."""

    table: str
    row: tuple[Any, ...]


@final
class Met(NamedTuple):
    """An event for the projection's ``Fold``."""

    event: Any
    at: Envelope


Write = Create | Change | Append | Met
Row = tuple[Any, ...]
"""In the order of the table's columns, those of its key first; arrays are tuples."""
Rows = dict[str, set[Row]]
Needs = dict[tuple[str, tuple[str, ...]], set[Row]]
"""Values of some columns of a table: all rows that have them are needed."""


class Fold(NamedTuple):
    """How tables that are a state move on. Both are pure.

    ``needs(rows, met)`` is all that must be there for the events to be folded; it is asked again with what was found.
    ``advance(rows, met)`` are the same rows after the events; those that it does not return are deleted.
    """

    needs: Callable[[Rows, Sequence[Met]], Needs]
    advance: Callable[[Rows, Sequence[Met]], Rows]


Handler = Callable[[Any, Envelope], Iterable[Write]]
EnvelopeHandler = Callable[[Envelope], Iterable[Write]]

_projections: dict[str, Projection] = {}


class Projection:
    """A read model: its name, the topics it reads and its handlers, registered here and nowhere else.

    ``logic`` is the handlers' version: raise it when what they write changes, and rebuild. ``fold`` takes what
    handlers return as ``Met``. For one that is ``gathered`` nobody waits long, so events may be taken in together
    after a while: it costs the least then.
    """

    def __init__(
        self,
        name: str,
        *,
        logic: int,
        topics: tuple[str, ...],
        sql: str,
        fold: Fold | None = None,
        gathered: bool = False,
    ) -> None:
        self.name, self.logic, self.topics, self.fold, self.gathered = name, logic, topics, fold, gathered
        self.handlers: dict[str, tuple[Handler, type | None]] = {}
        self.personal: dict[str, type | None] = {}
        """The event types whose handler is given personal texts, with its view."""
        self.envelope_handlers: dict[str, EnvelopeHandler] = {}
        self.every: EnvelopeHandler | None = None
        self.tables = _section(sql, "tables")
        self.indexes = _section(sql, "indexes")
        _projections[name] = self

    def on(self, *events: type, reads: type | None = None) -> Callable[[Handler], Handler]:
        """Register the handler of some event types. An event type that no handler is registered for is not decoded.

        ``reads`` is a class with the fields that the handler needs, where the event has many more: the handler is
        then given an instance of that. Personal texts are given in the clear, or as ERASED; a view without them needs
        no key.
        """

        def register(handler: Handler) -> Handler:
            self.handlers |= {event_type(one).name: (handler, reads) for one in events}
            self.personal |= {event_type(one).name: reads for one in events if holds_personal(reads or one)}
            return handler

        return register

    def on_envelope_of(self, *events: type) -> Callable[[EnvelopeHandler], EnvelopeHandler]:
        """Register the handler of event types that say all by their envelope: they are not decoded either."""

        def register(handler: EnvelopeHandler) -> EnvelopeHandler:
            self.envelope_handlers |= {event_type(one).name: handler for one in events}
            return handler

        return register

    def on_every_event(self, handler: EnvelopeHandler) -> EnvelopeHandler:
        """Register a handler of all events of the topics, whether their types are known or not."""
        self.every = handler
        return handler

    def envelope_handler(self, name: str) -> EnvelopeHandler | None:
        """What takes the envelope of events of this type."""
        return self.every or self.envelope_handlers.get(name)


def projections() -> dict[str, Projection]:
    """Every projection by name. Importing ``projections`` has registered them all."""
    return dict(_projections)


def sql_beside(module_file: str) -> str:
    """The ``.sql`` file beside a projection's module."""
    return Path(module_file).with_suffix(".sql").read_text()


def stream_id(at: Envelope) -> UUID:
    """The stream as a UUID, of the kind that PostgreSQL's driver writes fastest. Raises Unreadable."""
    try:
        return UUID(at.stream)
    except ValueError:
        raise Unreadable(f"the stream of {at.type} is no UUID") from None


def _section(sql: str, name: str) -> str:
    """The statements under ``-- name: …`` up to the next such line."""
    found = re.search(rf"^-- name: {name}\n(.*?)(?=^-- name: |\Z)", sql, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"the projection's .sql file has no section '-- name: {name}'")
    return found[1]
