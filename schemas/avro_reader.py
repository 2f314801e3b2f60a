"""Reads Avro binary: a schema becomes a function, once, and the function reads values.

fastavro reads the same and takes twice the time, since it sets itself up at every call, and events are small. It goes
on writing them. What no field of an event can be (an enumeration, say) is not read here: a KeyError tells at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

Read: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""Takes bytes and where in them a value begins; returns it, as plain data, and where the next begins. Of what is no
such value it raises some Exception, or returns a place behind the end of the bytes.
"""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOUBLE = struct.Struct("<d")
LONGS = 1 << 64
"""How many longs there are."""
WIDEST = 63
"""The shift of the last bits that a long may have."""


def reader(schema: Any) -> Read:
    """What reads values of a schema as ``fastavro.parse_schema`` returns it, with all names in full."""
    return _reader(schema, {})


def _reader(schema: Any, named: dict[str, Read]) -> Read:
    if isinstance(schema, list):
        return _union([_reader(branch, named) for branch in schema])
    if isinstance(schema, str):
        return PRIMITIVES.get(schema) or named[schema]
    match schema["type"]:
        case "record":
            read = _record([(field["name"], _reader(field["type"], named)) for field in schema["fields"]])
            return named.setdefault(schema["name"], read)
        case "array":
            return _array(_reader(schema["items"], named))
        case "map":
            return _map(_reader(schema["values"], named))
        case "long" if schema.get("logicalType") == "timestamp-micros":
            return _moment
        case other:
            return PRIMITIVES[other]


def _null(_: bytes, at: int) -> tuple[None, int]:
    return None, at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    return (False, True)[data[at]], at + 1


def _long(data: bytes, at: int) -> tuple[int, int]:
    byte, shift = data[at], 7
    number = byte & 0x7F
    while byte & 0x80 and shift <= WIDEST:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift += 7
    if byte & 0x80 or number >= LONGS:
        raise ValueError("a long is too long")
    return (number >> 1) ^ -(number & 1), at + 1


def _double(data: bytes, at: int) -> tuple[float, int]:
    return DOUBLE.unpack_from(data, at)[0], at + DOUBLE.size


def _moment(data: bytes, at: int) -> tuple[datetime, int]:
    microseconds, at = _long(data, at)
    return EPOCH + timedelta(microseconds=microseconds), at


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _long(data, at)
    if length < 0:
        raise ValueError("a length is negative")
    return data[at : at + length], at + length


def _string(data: bytes, at: int) -> tuple[str, int]:
    length = data[at]
    if length & 0x81:  # negative, or of more than one byte
        text, at = _bytes(data, at)
        return text.decode(), at
    end = at + 1 + (length >> 1)
    return data[at + 1 : end].decode(), end


def _union(branches: Sequence[Read]) -> Read:
    by_byte = {number << 1: read for number, read in enumerate(branches)}

    def read(data: bytes, at: int) -> tuple[Any, int]:
        return by_byte[data[at]](data, at + 1)

    return read


def _record(fields: Sequence[tuple[str, Read]]) -> Read:
    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        said = {}
        for name, value in fields:
            said[name], at = value(data, at)
        return said, at

    return read


def _array(item: Read) -> Read:
    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            count, at = _block(data, at)
            if not count:
                return items, at
            for _ in range(count):
                one, at = item(data, at)
                items.append(one)

    return read


def _map(value: Read) -> Read:
    def read(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        said: dict[str, Any] = {}
        while True:
            count, at = _block(data, at)
            if not count:
                return said, at
            for _ in range(count):
                key, at = _string(data, at)
                said[key], at = value(data, at)

    return read


def _block(data: bytes, at: int) -> tuple[int, int]:
    """How many items follow. A negative number says that their size in bytes comes first."""
    count, at = _long(data, at)
    return (count, at) if count >= 0 else (-count, _long(data, at)[1])


PRIMITIVES: dict[str, Read] = {
    "null": _null,
    "boolean": _boolean,
    "long": _long,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}
