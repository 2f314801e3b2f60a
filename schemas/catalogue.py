"""The catalogue of event types: a type is registered where it is defined, and nowhere else.

Knows nothing of Kafka, the clock or any file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args, get_type_hints

import msgspec

from schemas.topics import TOPICS

T = TypeVar("T")

PERSONAL = "fiks.personal"
"""The schema property of a field whose text must never be readable on the log (DESIGN.md, rule 8)."""

Personal = Annotated[T, PERSONAL]
"""``Personal[str]``: text about a person. Only text can be personal, since its ciphertext takes the same place."""

NAMESPACE = "no.fiks"


@dataclass(frozen=True, slots=True)
class EventType:
    """What the catalogue knows of one type of event."""

    cls: type
    topic: str
    stream_field: str
    within: str | None = None

    @property
    def name(self) -> str:
        """The short name, which is also the CloudEvents type: ``ForsendelseMottatt``."""
        return self.cls.__name__

    @property
    def namespace(self) -> str:
        """The Avro namespace: ``no.fiks.svarut`` for everything defined in ``schemas/svarut.py``."""
        return f"{NAMESPACE}.{self.cls.__module__.rpartition('.')[2]}"

    @property
    def subject(self) -> str:
        """The Avro full name, and the subject in a schema registry (record name strategy)."""
        return f"{self.namespace}.{self.name}"

    def stream(self, event: object) -> str:
        """The id of the stream that the event belongs to. See ``key_of``."""
        own = str(getattr(event, self.stream_field))
        return own if self.within is None else f"{getattr(event, self.within)}/{own}"

    def key_id(self, stream: str) -> str:
        """The id of the data keys under which personal texts of a stream are sealed: ``svarut:<forsendelseId>``."""
        return f"{self.topic.rpartition('.')[2]}:{stream}"


def key_of(stream: str) -> str:
    """The key of the records of a stream: the stream itself, or what many streams of one order lie ``within``."""
    return stream.partition("/")[0]


_types: dict[str, EventType] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(*, topic: str, stream: str, within: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class an immutable record and register it as an event type of ``topic``.

    ``stream`` names the field that holds the stream id. Where many streams share one order, as messages do that wait
    for the same account, ``within`` names the field of what they have in common. Raises ValueError for an unknown
    topic, an unknown field or a name that is taken: a catalogue with a hole must not start.
    """

    def register(cls: type[T]) -> type[T]:
        made = part(cls)
        registered = EventType(made, topic, stream, within)
        if topic not in TOPICS:
            raise ValueError(f"{registered.name}: there is no topic {topic!r}; declare it in schemas/topics.py")
        for field in (stream, within):
            if field is not None and field not in cls.__annotations__:
                raise ValueError(f"{registered.name}: its stream names the field {field!r}, which it does not have")
        if registered.name in _types:
            raise ValueError(f"two event types are called {registered.name}; every name is used once")
        _types[registered.name] = registered
        return made

    return register


@dataclass_transform(frozen_default=True, kw_only_default=True)
def part(cls: type[T]) -> type[T]:
    """Make a class an immutable record that events are made of.

    It is a ``msgspec.Struct`` and not a dataclass: reading an event back is then several times cheaper. Shown (in the
    message of an exception, say, which lands in a log) it is without its personal texts.
    """
    own = dict(vars(cls))
    fields = [(name, kind, own[name]) if name in own else (name, kind) for name, kind in cls.__annotations__.items()]
    rest = {name: value for name, value in own.items() if name == "__doc__" or not name.startswith("__")}
    namespace = {name: value for name, value in rest.items() if name not in cls.__annotations__}
    namespace["__repr__"] = _shown
    made = msgspec.defstruct(
        cls.__name__, fields, namespace=namespace, module=cls.__module__, frozen=True, kw_only=True, gc=False
    )
    return made  # type: ignore[return-value]


def _shown(record: Any) -> str:
    cls = record.__class__
    hidden = _personal_fields(cls)
    values = ((name, getattr(record, name)) for name in record.__struct_fields__)
    shown = (f"{name}={'***' if name in hidden and value else repr(value)}" for name, value in values)
    return f"{cls.__name__}({', '.join(shown)})"


@cache
def _personal_fields(cls: type) -> frozenset[str]:
    hints = get_type_hints(cls, module_of(cls), include_extras=True)
    return frozenset(name for name, annotation in hints.items() if _names_personal(annotation))


def _names_personal(annotation: Any) -> bool:
    return annotation == PERSONAL or any(map(_names_personal, get_args(annotation)))


def event_types() -> dict[str, EventType]:
    """Every registered type by its name. Importing ``schemas`` has registered them all."""
    return dict(_types)


def event_type(event_or_name: object) -> EventType:
    """The type of an event, of an event's class, or of that name. Raises KeyError when there is none."""
    if isinstance(event_or_name, str):
        return _types[event_or_name]
    cls = event_or_name if isinstance(event_or_name, type) else type(event_or_name)
    return _types[cls.__name__]


def topic_of(name: str) -> str | None:
    """The topic of events of the type of that name; None where this release has no such type."""
    return _types[name].topic if name in _types else None


def module_of(cls: type) -> dict[str, object]:
    """The names that annotations of ``cls`` may use."""
    return vars(sys.modules[cls.__module__])
