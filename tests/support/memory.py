"""What this process takes."""

from __future__ import annotations

import resource
from pathlib import Path


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
