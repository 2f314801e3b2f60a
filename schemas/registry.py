"""The released schemas: the committed ``.avsc`` files and the lock file that allots their ids.

Reads files of this package, nothing else. Ids are the same everywhere, so a record can be read without asking anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

AVRO = Path(__file__).parent / "avro"
LOCK = AVRO / "lock.json"


@dataclass(frozen=True, slots=True)
class Released:
    """One released version of an event type's schema. ``id`` is the Confluent wire format's schema id."""

    id: int
    subject: str
    version: int
    schema: dict[str, Any]

    @property
    def name(self) -> str:
        """The event type's short name."""
        return self.subject.rpartition(".")[2]


@cache
def released() -> tuple[Released, ...]:
    """Every released schema, by id."""
    if not LOCK.exists():
        return ()
    return tuple(
        Released(entry["id"], entry["subject"], entry["version"], json.loads(path_of(entry).read_text()))
        for entry in json.loads(LOCK.read_text())["schemas"]
    )


def path_of(entry: dict[str, Any]) -> Path:
    """Where the schema of a lock entry stands."""
    return AVRO / f"{entry['subject']}.v{entry['version']}.avsc"


@cache
def by_id() -> dict[int, Released]:
    """The released schemas by their id."""
    return {one.id: one for one in released()}


@cache
def newest() -> dict[str, Released]:
    """The newest released version of each event type, by short name."""
    return {one.name: one for one in released()}
