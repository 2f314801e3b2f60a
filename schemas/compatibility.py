"""Whether events written with one schema can be read with another. Decides for two schemas; knows no files.

Apache Avro decides whether the bytes fit (specification 1.11, Schema Resolution). Avro has no opinion on what they
mean, so what our own properties and logical types say about a field may not change at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.catalogue import PERSONAL
from schemas.derive import Schema

MEANING = ("logicalType", PERSONAL, "fiks.topic", "fiks.stream")


def faults(reader: Schema, writer: Schema) -> list[str]:
    """What keeps ``reader`` from reading everything that was written with ``writer``; empty when nothing does."""
    return [*_misfits(reader, writer), *_changed_meanings(reader, writer)]


def _misfits(reader: Schema, writer: Schema) -> list[str]:
    # Imported here: it takes as long as all the rest of this package, and no running process needs it.
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
    from avro.schema import parse

    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(parse(json.dumps(reader)), parse(json.dumps(writer)))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = sorted({kind.value.replace("_", " ") for kind in result.incompatibilities})
    return [f"{', '.join(kinds)} ({'; '.join(sorted(result.messages))}) at {', '.join(sorted(result.locations))}"]


def _changed_meanings(reader: Schema, writer: Schema) -> list[str]:
    read, written = _meanings(reader), _meanings(writer)
    return [
        f"{place} means something else: {sorted(written[place])} became {sorted(read[place])}"
        for place in read.keys() & written.keys()
        if read[place] != written[place]
    ]


def _meanings(schema: Schema) -> dict[str, set[str]]:
    """What is said about each record and each of its fields, besides how it is written."""
    said: dict[str, set[str]] = {}
    for place, meaning in _said(schema, schema["name"]):
        said.setdefault(place, set()).update(meaning)
    return said


def _said(schema: Any, place: str) -> Iterator[tuple[str, set[str]]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _said(branch, place)
    elif not isinstance(schema, dict):
        yield place, set()
    elif schema["type"] == "record":
        yield schema["name"], {f"{key} {schema[key]}" for key in MEANING if key in schema}
        for field in schema["fields"]:
            yield from _said(field["type"], f"{schema['name']}.{field['name']}")
    else:
        yield place, {f"{key} {schema[key]}" for key in MEANING if key in schema}
        for inner in ("items", "values"):
            if inner in schema:
                yield from _said(schema[inner], place)
