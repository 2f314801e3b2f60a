"""Derives the Avro schema of an event type from its class. Avro 1.11, sections Complex Types and Logical Types."""

from __future__ import annotations

import types
import typing
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from schemas.catalogue import PERSONAL, EventType, module_of

Schema = dict[str, Any]

VALUES = "fiks.values"
"""The schema property of a text field that takes only certain values."""

PRIMITIVES: dict[type, Any] = {
    str: "string",
    bool: "boolean",
    int: "long",
    float: "double",
    bytes: "bytes",
    UUID: {"type": "string", "logicalType": "uuid"},
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
}


def derive(event_type: EventType) -> Schema:
    """The Avro record schema of an event type, as a JSON value. Raises TypeError for a type that has no Avro form."""
    schema = _record(event_type.cls, event_type.namespace, set())
    within = {} if event_type.within is None else {"fiks.within": event_type.within}
    return schema | {"fiks.topic": event_type.topic, "fiks.stream": event_type.stream_field} | within


def fields_of(cls: type) -> list[tuple[msgspec.structs.FieldInfo, Any]]:
    """The fields of an event or a part with their resolved annotations, in order."""
    hints = get_type_hints(cls, module_of(cls), include_extras=True)
    return [(field, hints[field.name]) for field in msgspec.structs.fields(cls)]


def optional_of(annotation: Any) -> Any | None:
    """``T`` when the annotation is ``T | None``, otherwise None. Raises TypeError for any other union."""
    if get_origin(annotation) not in (types.UnionType, typing.Union):
        return None
    rest = [arg for arg in get_args(annotation) if arg is not type(None)]
    if len(rest) != 1 or len(get_args(annotation)) != 2:
        raise TypeError(f"{annotation}: the only union that an event may have is with None")
    return rest[0]


def is_personal(annotation: Any) -> bool:
    """Whether the annotation is ``Personal[…]``."""
    return get_origin(annotation) is Annotated and PERSONAL in get_args(annotation)[1:]


def _record(cls: type, namespace: str, named: set[str]) -> Schema:
    named.add(cls.__name__)
    schema: Schema = {"type": "record", "name": cls.__name__, "namespace": namespace}
    if doc := (cls.__doc__ or "").strip():
        schema["doc"] = " ".join(doc.split())
    schema["fields"] = [_field(field, annotation, namespace, named) for field, annotation in fields_of(cls)]
    return schema


def _field(field: msgspec.structs.FieldInfo, annotation: Any, namespace: str, named: set[str]) -> Schema:
    made: Schema = {"name": field.name, "type": _type(annotation, namespace, named)}
    if field.default is not msgspec.NODEFAULT:
        made["default"] = _default(field.default)
    elif field.default_factory is not msgspec.NODEFAULT:
        made["default"] = _default(field.default_factory())
    return made


def _default(value: Any) -> Any:
    if isinstance(value, tuple):
        if value:
            raise TypeError(f"{value!r}: the only list that can be a default is the empty one")
        return []
    if value is None or isinstance(value, str | bool | int | float | dict):
        return value
    raise TypeError(f"{value!r} cannot be a default of an event's field")


def _type(annotation: Any, namespace: str, named: set[str]) -> Any:
    if (inner := optional_of(annotation)) is not None:
        return ["null", _type(inner, namespace, named)]
    if is_personal(annotation):
        if get_args(annotation)[0] is not str:
            raise TypeError(f"{annotation}: only text can be Personal")
        return {"type": "string", PERSONAL: True}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return {"type": "array", "items": _type(args[0], namespace, named)}
    if origin is dict and args[0] is str:
        return {"type": "map", "values": _type(args[1], namespace, named)}
    if annotation in PRIMITIVES:
        return PRIMITIVES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        # Text, not an Avro enum: whoever reads the topic must be able to pass over a value that is newer than itself.
        # The values stand in the schema, so that a new one makes a new version, which an older release waits for.
        return {"type": "string", VALUES: [str(value) for value in annotation]}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        full_name = f"{namespace}.{annotation.__name__}"
        return full_name if annotation.__name__ in named else _record(annotation, namespace, named)
    raise TypeError(f"{annotation!r} has no Avro form; add it to schemas/derive.py")
