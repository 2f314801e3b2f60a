"""Writes and checks what is derived from the catalogue: one ``.avsc`` a released version, and the lock file of ids."""

from __future__ import annotations

import json
from typing import Any

from schemas.catalogue import event_types
from schemas.derive import Schema, derive
from schemas.registry import AVRO, LOCK, path_of


def write() -> list[str]:
    """Release what is new or changed in the catalogue. Returns a line a schema that was written."""
    lock: dict[str, Any] = json.loads(LOCK.read_text()) if LOCK.exists() else {"next_id": 1, "schemas": []}
    written = []
    for event_type in event_types().values():
        schema = derive(event_type)
        entries = [entry for entry in lock["schemas"] if entry["subject"] == event_type.subject]
        if entries and _read(entries[-1]) == schema:
            continue
        entry = {"id": lock["next_id"], "subject": event_type.subject, "version": len(entries) + 1}
        lock["next_id"] += 1
        lock["schemas"].append(entry)
        AVRO.mkdir(exist_ok=True)
        path_of(entry).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        written.append(f"{entry['subject']} version {entry['version']}, id {entry['id']}")
    LOCK.write_text(json.dumps(lock, indent=2) + "\n")
    return written


def _read(entry: dict[str, Any]) -> Schema:
    read: Schema = json.loads(path_of(entry).read_text())
    return read
