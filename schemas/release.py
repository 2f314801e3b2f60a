"""Releases the schemas of the catalogue and guards what was released: one ``.avsc`` a version, and the lock file.

A released schema is for ever, since events written with it are. Knows nothing of any running system.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from schemas.catalogue import EventType, event_types
from schemas.compatibility import clashes
from schemas.derive import Schema, derive
from schemas.registry import AVRO, Entry, Lock, Released, lock_file, read_lock, read_released

WRITE = "run `fiks schemas write` and commit what it wrote"
RESTORE = "restore it with `git checkout`: what was released never changes"
ADVICE = "make the change compatible, or make it a new event type"


class Incompatible(Exception):
    """A changed event type cannot be released as a new version of itself."""


def write(avro: Path = AVRO, types: Collection[EventType] | None = None) -> list[str]:
    """Release what is new or changed in the catalogue. Returns a line a schema that was written.

    Raises Incompatible, and writes nothing, when a change would leave old events or old readers behind.
    """
    lock, released = read_lock(avro), read_released(avro)
    schemas = _unreleased(released, _all(types))
    if problems := [problem for schema in schemas for problem in _clashes(schema, released)]:
        raise Incompatible("\n".join(problems))
    avro.mkdir(exist_ok=True)
    entries = []
    for schema_id, schema in enumerate(schemas, lock.next_id):
        text = f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n".encode()
        entry = Entry(schema_id, _subject(schema), 1 + len(_versions(schema, released)), _digest(text))
        (avro / entry.file).write_bytes(text)
        entries.append(entry)
    _write_lock(Lock(lock.next_id + len(entries), (*lock.schemas, *entries)), avro)
    return [f"{entry.subject} version {entry.version}, id {entry.id}" for entry in entries]


def check(avro: Path = AVRO, types: Collection[EventType] | None = None) -> list[str]:
    """What is wrong with the released schemas, each with what to do about it; empty when all is well."""
    lock = read_lock(avro)
    if damaged := [*_misnumbered(lock), *_edited(lock, avro)]:
        return damaged
    released = read_released(avro)
    unreleased = [
        f"{_subject(schema)} differs from what is committed; {WRITE}" for schema in _unreleased(released, _all(types))
    ]
    known = {event_type.subject for event_type in _all(types)}
    gone = [
        f"{subject} was released but is no event type any more; put its class back: its events lie on the log for ever"
        for subject in sorted({one.subject for one in released} - known)
    ]
    clashing = [clash for one in released for clash in _clashes(one.schema, released[: released.index(one)])]
    return [*unreleased, *gone, *clashing]


def check_against(then: Lock, now: Lock) -> list[str]:
    """What was released ``then`` and has changed or vanished since, each with what to do about it."""
    return [
        f"{entry.file} (id {entry.id}) was released and is changed or gone; {RESTORE}"
        for entry in then.schemas
        if entry not in now.schemas
    ]


def lock_at(revision: str, avro: Path = AVRO) -> Lock:
    """The lock file of a git revision; an empty one when nothing was released there. Raises CalledProcessError."""
    name = lock_file(avro).name
    listed = ["git", "ls-tree", "--name-only", revision, "--", name]
    if not subprocess.run(listed, cwd=avro, check=True, capture_output=True).stdout:
        return Lock()
    shown = subprocess.run(["git", "show", f"{revision}:./{name}"], cwd=avro, check=True, capture_output=True)
    return msgspec.json.decode(shown.stdout, type=Lock)


def _all(types: Collection[EventType] | None) -> Collection[EventType]:
    return event_types().values() if types is None else types


def _unreleased(released: Iterable[Released], types: Iterable[EventType]) -> list[Schema]:
    newest = {one.subject: one.schema for one in released}
    return [schema for one in types if (schema := derive(one)) != newest.get(one.subject)]


def _versions(schema: Schema, released: Iterable[Released]) -> list[Released]:
    return [one for one in released if one.subject == _subject(schema)]


def _clashes(schema: Schema, released: Iterable[Released]) -> list[str]:
    """Why ``schema`` cannot follow the versions of its subject that were released."""
    return [
        f"{_subject(schema)} clashes with its version {other.version}: {clash}; {ADVICE}"
        for other in _versions(schema, released)
        for clash in clashes(schema, other.schema)
    ]


def _misnumbered(lock: Lock) -> list[str]:
    ids = [entry.id for entry in lock.schemas]
    problems = [f"lock.json: ids {ids} must rise and be below next_id; {RESTORE}"]
    if ids == sorted(set(ids)) and all(schema_id < lock.next_id for schema_id in ids):
        problems = []
    for subject in {entry.subject for entry in lock.schemas}:
        versions = [entry.version for entry in lock.schemas if entry.subject == subject]
        if versions != list(range(1, len(versions) + 1)):
            problems.append(f"lock.json: {subject} has versions {versions}, they must be 1, 2, 3 ...; {RESTORE}")
    return problems


def _edited(lock: Lock, avro: Path) -> list[str]:
    problems = []
    for entry in lock.schemas:
        file = avro / entry.file
        if not file.exists():
            problems.append(f"{entry.file} is gone; {RESTORE}")
        elif _digest(file.read_bytes()) != entry.sha256:
            problems.append(f"{entry.file} was edited; {RESTORE}")
    known = {entry.file for entry in lock.schemas}
    strays = sorted(file.name for file in avro.glob("*.avsc") if file.name not in known)
    return [*problems, *(f"{name} is not in lock.json; delete it" for name in strays)]


def _subject(schema: Schema) -> str:
    return f"{schema['namespace']}.{schema['name']}"


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _write_lock(lock: Lock, avro: Path) -> None:
    lock_file(avro).write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")
