"""Secrets that a local run makes once and keeps in its state folder, for their owner alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text of the file, which is made (mode 0600) if there is none. Two that make it at once get the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
            os.link(draft, path)
        except FileExistsError:
            pass  # the other one's counts
        finally:
            Path(draft).unlink()
    return path.read_text()
