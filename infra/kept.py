"""Secrets that a local run makes once and keeps in its state folder, for their owner alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text of the file, which is made (mode 0600) if there is none. Two that make it at once get the same. It
    survives a power cut: what is sealed or named by it is lost without it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass  # the other one's counts
        finally:
            Path(draft).unlink()
        sync_folder(path.parent)
    return path.read_text()


def sync_folder(folder: Path) -> None:
    """A name that was given in it, or taken by another file, survives a power cut from here on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
