"""An example of every event type, as JSON in ``examples/``: derived where there is none, and then edited by hand.

Documentation, and the input of every test that goes through the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin
from uuid import UUID, uuid5

import msgspec

from schemas.catalogue import EventType, event_types
from schemas.codec import decode, encode
from schemas.derive import fields_of, is_personal, optional_of

EXAMPLES = Path(__file__).parent / "examples"
IDS = UUID("1f5f8a54-0c5c-5f0d-8f6e-2a7a3f6f7d10")
"""The namespace of derived example ids: a field of one name has one id, so the examples of a stream belong together."""

VALUES: dict[type, Any] = {bool: True, int: 1, float: 1.5, bytes: b"bytes"}
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def example(event_type: EventType, folder: Path = EXAMPLES) -> Any:
    """The committed example of an event type. Raises FileNotFoundError or msgspec.ValidationError."""
    return msgspec.json.decode(_file(event_type, folder).read_bytes(), type=event_type.cls)


def derived(cls: type) -> Any:
    """An event or part of a class with every field filled in, the same each time."""
    return cls(**{field.name: _value(annotation, field.name) for field, annotation in fields_of(cls)})


def write(folder: Path = EXAMPLES, types: Collection[EventType] | None = None) -> list[str]:
    """Write each missing example and bring the others to their written form. Returns a line a file that was written.

    Raises msgspec.ValidationError when an edited example is none: mend it, or delete it and it is derived again.
    """
    folder.mkdir(exist_ok=True)
    written = []
    for event_type in event_types().values() if types is None else types:
        file = _file(event_type, folder)
        text = _text(example(event_type, folder) if file.exists() else derived(event_type.cls))
        if not file.exists() or file.read_bytes() != text:
            file.write_bytes(text)
            written.append(f"example {file.name}")
    return written


def check(folder: Path = EXAMPLES, types: Collection[EventType] | None = None) -> list[str]:
    """What is wrong with the examples, each with what to do about it; empty when all is well."""
    chosen = event_types().values() if types is None else types
    known = {_file(event_type, folder) for event_type in chosen}
    strays = sorted(file.name for file in folder.glob("*.json") if file not in known)
    problems = [problem for event_type in chosen if (problem := _problem(event_type, folder))]
    return [*problems, *(f"examples/{name} is of no event type; delete it" for name in strays)]


def _problem(event_type: EventType, folder: Path) -> str | None:
    file = _file(event_type, folder)
    if not file.exists():
        return f"{event_type.name} has no example; run `fiks schemas write`"
    try:
        event = example(event_type, folder)
        faithful = decode(encode(event)) == event
    except Exception as fault:
        return f"examples/{file.name} does not encode ({fault}); mend it, or delete it and run `fiks schemas write`"
    if not faithful:
        return f"examples/{file.name} is read back as something else than was written; mend schemas/codec.py"
    if _text(event) != file.read_bytes():
        return f"examples/{file.name} is not in its written form; run `fiks schemas write`"
    return None


def _file(event_type: EventType, folder: Path) -> Path:
    return folder / f"{event_type.name}.json"


def _text(event: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(event), indent=2) + b"\n"


def _value(annotation: Any, name: str) -> Any:
    if (inner := optional_of(annotation)) is not None:
        return _value(inner, name)
    origin, args = get_origin(annotation), get_args(annotation)
    if is_personal(annotation) or annotation is str:
        return name
    if origin is tuple:
        return (_value(args[0], name),)
    if origin is dict:
        return {name: _value(args[1], name)}
    if annotation is UUID:
        return uuid5(IDS, name)
    if annotation is datetime:
        return WHEN
    if issubclass(annotation, StrEnum):
        return next(iter(annotation))
    return VALUES[annotation] if annotation in VALUES else derived(annotation)
