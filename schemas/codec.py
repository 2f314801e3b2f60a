"""Events to bytes and back: Avro in Confluent wire format (magic 0x00, four bytes of schema id, Avro binary).

An event is written with the newest released schema of its type and read with the schema that it was written with;
fields that the reader does not know are passed over, fields that the writer did not know take their default.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import fastavro
import msgspec

from schemas.catalogue import event_type
from schemas.errors import NotYetKnown, Unreadable
from schemas.registry import by_id, newest

MAGIC = 0
PREFIX = struct.Struct(">bI")


def encode(event: object) -> bytes:
    """The record value of an event. Raises KeyError when its type was never released (``fiks schemas write``)."""
    schema_id = newest()[event_type(event).name].id
    out = io.BytesIO()
    out.write(PREFIX.pack(MAGIC, schema_id))
    said = msgspec.to_builtins(event, builtin_types=(datetime, bytes))
    # Without the option a tuple in an optional field is taken for a hint of its type.
    fastavro.schemaless_writer(out, _parsed(schema_id), said, disable_tuple_notation=True)
    return out.getvalue()


def decode(value: bytes | None, view: type | None = None, name: str | None = None) -> Any:
    """The event in a record value, of the type ``name`` where that is given.

    ``view`` is a class with some of the event's fields: then reading stops behind the last of them, which is cheaper,
    and an instance of it is returned. Raises NotYetKnown for a schema id or type that this release does not have,
    Unreadable for anything that is not an event in wire format, or one of another type.
    """
    if value is None or len(value) < PREFIX.size:
        raise Unreadable("the value is too short to hold a schema id")
    magic, schema_id = PREFIX.unpack_from(value)
    if magic != MAGIC:
        raise Unreadable(f"the value starts with byte {magic}, not with 0: it is not in Confluent wire format")
    cls, schema = _reader(schema_id, view, name)
    body = io.BytesIO(value)
    body.seek(PREFIX.size)
    try:
        event: Any = msgspec.convert(fastavro.schemaless_reader(body, schema, None), cls)
    except Exception as fault:
        raise Unreadable(f"schema {schema_id}: {type(fault).__name__}") from fault
    if view is None and body.read(1):
        raise Unreadable(f"schema {schema_id}: bytes are left over after the event")
    return event


def prefixes(types: Collection[str]) -> frozenset[bytes]:
    """What the values of events of these types begin with, by whichever released schema they were written."""
    return frozenset(PREFIX.pack(MAGIC, id_) for id_, schema in by_id().items() if schema.name in types)


@cache
def _reader(schema_id: int, view: type | None, name: str | None) -> tuple[type, Any]:
    """The class to make, and the schema to read it by."""
    if schema_id not in by_id():
        raise NotYetKnown(f"schema id {schema_id} is not in this release's lock file")
    if name not in (None, by_id()[schema_id].name):
        raise Unreadable(f"schema {schema_id} is of {by_id()[schema_id].name}, but the headers say {name}")
    try:
        cls = event_type(by_id()[schema_id].name).cls
    except KeyError:
        raise NotYetKnown(f"event type {by_id()[schema_id].name} is not in this release") from None
    return (cls, _parsed(schema_id)) if view is None else (view, _beginning(schema_id, view))


def _beginning(schema_id: int, view: type) -> Any:
    """The schema up to the last field of the view: Avro lays the fields end to end, so reading may stop anywhere.
    It has none where the schema is older than all that the view has.
    """
    schema = _with_uuids_as_text(by_id()[schema_id].schema)
    wanted = [number for number, field in enumerate(schema["fields"], 1) if field["name"] in view.__annotations__]
    return fastavro.parse_schema(schema | {"fields": schema["fields"][: max(wanted, default=0)]})


@cache
def _parsed(schema_id: int) -> Any:
    """The released schema as fastavro takes it. UUIDs stay text: msgspec reads them faster."""
    return fastavro.parse_schema(_with_uuids_as_text(by_id()[schema_id].schema))


def _with_uuids_as_text(schema: Any) -> Any:
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if (key, value) != ("logicalType", "uuid")}
        return {key: _with_uuids_as_text(value) for key, value in kept.items()}
    if isinstance(schema, list):
        return [_with_uuids_as_text(one) for one in schema]
    return schema
