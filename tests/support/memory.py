"""What a process takes."""

from __future__ import annotations

import resource
from pathlib import Path


def resident(pid: int | None = None) -> int:
    """Bytes of memory that this process, or that of ``pid``, has now."""
    return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * resource.getpagesize()
