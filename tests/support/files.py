"""Files for tests of what is sent, and what must have arrived."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from infra.blobs import OWN

Measured = dict[str, list[int | str]]
"""Size and SHA-256 of each file by its name, as the programs of tests/contract/java tell them."""


def some(folder: Path, name: str, size: int) -> Path:
    """A file with content that repeats nowhere."""
    file, seeded = folder / name, random.Random(size)
    with file.open("wb") as made:
        for _ in range(size // 1_000_000):
            made.write(seeded.randbytes(1_000_000))
        made.write(seeded.randbytes(size % 1_000_000))
    return file


def measured(*files: Path) -> Measured:
    """What is in files."""
    return {one.name: measure(one.read_bytes()) for one in files}


def measure(content: bytes) -> list[int | str]:
    """Size and SHA-256."""
    return [len(content), hashlib.sha256(content).hexdigest()]


def stored_in(folder: Path) -> set[str]:
    """The names of all that lies in a blob store, but for what tells which store it is."""
    return {file.name for file in folder.iterdir()} - OWN
