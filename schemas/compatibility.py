"""Whether one schema may follow another as its next version. Decides for two schemas; knows no files.

Apache Avro decides whether the bytes fit (specification 1.11, Schema Resolution), both ways: new readers meet old
events, and old readers new ones. Avro has no opinion on what a field means, so that may not change, but for one thing:
a text may become personal, since its ciphertext takes the same place and those in the clear are read as they are
(``schemas.personal``). What became personal stays so: who took it for clear would show what is sealed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.catalogue import PERSONAL
from schemas.derive import VALUES, Schema

MEANING = ("logicalType", PERSONAL, "fiks.topic", "fiks.stream", "fiks.within")


def clashes(new: Schema, old: Schema) -> list[str]:
    """Why ``new`` cannot follow ``old``; empty when it can."""
    return [
        *(f"it cannot read what that one wrote: {fault}" for fault in faults(new, old)),
        *(f"it cannot be read with that one: {fault}" for fault in faults(old, new)),
        *_changes(_properties(new), _properties(old)),
    ]


def faults(reader: Schema, writer: Schema) -> list[str]:
    """What keeps ``reader`` from reading the bytes that were written with ``writer``; empty when nothing does."""
    # Imported here: it takes as long as all the rest of this package, and no running process needs it.
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
    from avro.schema import parse

    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(parse(json.dumps(reader)), parse(json.dumps(writer)))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = sorted({kind.value.replace("_", " ") for kind in result.incompatibilities})
    return [f"{', '.join(kinds)} ({'; '.join(sorted(result.messages))}) at {', '.join(sorted(result.locations))}"]


def _changes(new: dict[str, Schema], old: dict[str, Schema]) -> Iterator[str]:
    """What became of the properties of the records and fields that both have."""
    for place in sorted(new.keys() & old.keys()):
        for key in MEANING:
            if new[place].get(key) != old[place].get(key) and not (key == PERSONAL and new[place].get(key)):
                yield f"{place}: {key} was {old[place].get(key)} and is {new[place].get(key)}"
        if VALUES in new[place] and (lost := _values(old[place]) - _values(new[place])):
            yield f"{place} does not take {', '.join(sorted(lost))} any more"


def _values(properties: Schema) -> set[str]:
    return set(properties.get(VALUES, ["any text"]))


def _properties(schema: Schema) -> dict[str, Schema]:
    """What is said about each record and each of its fields."""
    said: dict[str, Schema] = {}
    for place, properties in _said(schema, schema["name"]):
        said.setdefault(place, {}).update(properties)
    return said


def _said(schema: Any, place: str) -> Iterator[tuple[str, Schema]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _said(branch, place)
    elif not isinstance(schema, dict):
        yield place, {}
    elif schema["type"] == "record":
        yield schema["name"], schema
        for field in schema["fields"]:
            yield from _said(field["type"], f"{schema['name']}.{field['name']}")
    else:
        yield place, schema
        for inner in ("items", "values"):
            if inner in schema:
                yield from _said(schema[inner], place)
