"""Events to bytes and back: Avro in Confluent wire format (magic 0x00, four bytes of schema id, Avro binary).

An event is written with the newest released schema of its type and read with the schema that it was written with; fields
that the reader does not know are passed over, fields that the writer did not know take their default.
"""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin
from uuid import UUID

import fastavro

from schemas.catalogue import event_type
from schemas.derive import fields_of, is_personal, optional_of
from schemas.errors import NotYetKnown, Unreadable
from schemas.registry import by_id, newest

MAGIC = 0
PREFIX = struct.Struct(">bI")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Convert = Callable[[Any], Any]


def encode(event: object) -> bytes:
    """The record value of an event. Raises KeyError when its type was never released (``fiks schemas write``)."""
    kind = event_type(event)
    schema = newest()[kind.name]
    out = io.BytesIO()
    out.write(PREFIX.pack(MAGIC, schema.id))
    fastavro.schemaless_writer(out, _parsed(schema.id), _plain(event))
    return out.getvalue()


def decode(value: bytes | None) -> Any:
    """The event in a record value.

    Raises NotYetKnown for a schema id or type that this release does not have, Unreadable for anything that is not an
    event in wire format.
    """
    if value is None or len(value) < PREFIX.size:
        raise Unreadable("the value is too short to hold a schema id")
    magic, schema_id = PREFIX.unpack_from(value)
    if magic != MAGIC:
        raise Unreadable(f"the value starts with byte {magic}, not with 0: it is not in Confluent wire format")
    if schema_id not in by_id():
        raise NotYetKnown(f"schema id {schema_id} is not in this release's lock file")
    build = _builder_of(by_id()[schema_id].name)
    body = io.BytesIO(value)
    body.seek(PREFIX.size)
    try:
        event = build(fastavro.schemaless_reader(body, _parsed(schema_id), None))
    except Exception as fault:
        raise Unreadable(f"schema {schema_id}: {type(fault).__name__}: {fault}") from fault
    if body.read(1):
        raise Unreadable(f"schema {schema_id}: bytes are left over after the event")
    return event


@cache
def _parsed(schema_id: int) -> Any:
    """The schema without logical types: text and numbers are converted by us, once, where a field wants it."""
    return fastavro.parse_schema(_without_logical_types(by_id()[schema_id].schema))


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(one) for one in schema]
    return schema


def _plain(value: Any) -> Any:
    """An event or part as fastavro writes it."""
    if isinstance(value, str | int | float | bytes | None):
        return value.value if isinstance(value, StrEnum) else value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return (value - EPOCH) // MICROSECOND
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}


def _builder_of(name: str) -> Convert:
    try:
        return _builder(event_type(name).cls)
    except KeyError:
        raise NotYetKnown(f"event type {name} is not in this release") from None


@cache
def _builder(cls: type) -> Convert:
    """A function that makes an instance of ``cls`` from the dict that fastavro read."""
    converts = {field.name: _convert(annotation) for field, annotation in fields_of(cls)}
    needed = [(name, convert) for name, convert in converts.items() if convert is not None]

    def build(read: dict[str, Any]) -> Any:
        for name, convert in needed:
            if name in read:
                read[name] = convert(read[name])
        if read.keys() - converts.keys():
            read = {name: value for name, value in read.items() if name in converts}
        return cls(**read)

    return build


def _convert(annotation: Any) -> Convert | None:
    """How a value that fastavro read becomes the annotated type; None when it already is."""
    if (inner := optional_of(annotation)) is not None:
        convert = _convert(inner)
        return convert and (lambda value: None if value is None else convert(value))
    if is_personal(annotation) or annotation in (str, bool, int, float, bytes):
        return None
    if annotation is datetime:
        return lambda value: EPOCH + timedelta(microseconds=value)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        each = _convert(args[0])
        return tuple if each is None else (lambda value: tuple(each(one) for one in value))
    if origin is dict:
        each = _convert(args[1])
        return each and (lambda value: {key: each(one) for key, one in value.items()})
    if dataclasses.is_dataclass(annotation):
        return _builder(annotation)  # type: ignore[arg-type]
    return annotation  # type: ignore[no-any-return]  # UUID and StrEnum are their own converters
