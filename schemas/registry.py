"""The released schemas: the committed ``.avsc`` files and the lock file that allots their ids.

Reads files of this package, nothing else. Ids are the same everywhere, so a record can be read without asking anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

AVRO = Path(__file__).parent / "avro"


class Entry(msgspec.Struct, frozen=True):
    """A line of the lock file: a released version of a subject, its schema id and its file's SHA-256 in hex."""

    id: int
    subject: str
    version: int
    sha256: str

    @property
    def file(self) -> str:
        """The name of the file that holds the schema."""
        return f"{self.subject}.v{self.version}.avsc"


class Lock(msgspec.Struct, frozen=True):
    """The lock file. It only grows: ``next_id`` was never given to any schema, not even to one that is gone."""

    next_id: int = 1
    schemas: tuple[Entry, ...] = ()


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


def lock_file(avro: Path) -> Path:
    """Where the lock of a folder of schemas stands."""
    return avro / "lock.json"


def read_lock(avro: Path = AVRO) -> Lock:
    """The lock of a folder of schemas; an empty one where nothing was ever released."""
    file = lock_file(avro)
    return msgspec.json.decode(file.read_bytes(), type=Lock) if file.exists() else Lock()


def read_released(avro: Path = AVRO) -> tuple[Released, ...]:
    """Every released schema of a folder, by id."""
    return tuple(
        Released(entry.id, entry.subject, entry.version, json.loads((avro / entry.file).read_bytes()))
        for entry in read_lock(avro).schemas
    )


@cache
def released() -> tuple[Released, ...]:
    """Every released schema, by id."""
    return read_released()


@cache
def by_id() -> dict[int, Released]:
    """The released schemas by their id."""
    return {one.id: one for one in released()}


@cache
def newest() -> dict[str, Released]:
    """The newest released version of each event type, by short name."""
    return {one.name: one for one in released()}
