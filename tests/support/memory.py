"""What a process takes."""

from __future__ import annotations

import resource
from pathlib import Path


def resident(pid: int | None = None) -> int:
    """Bytes of memory that this process, or that of ``pid``, has now."""
    return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * resource.getpagesize()


class Peak:
    """The most memory that a process has held since this was made. Only the kernel sees every moment."""

    def __init__(self, pid: int) -> None:
        self._process = Path(f"/proc/{pid}")
        (self._process / "clear_refs").write_text("5")

    @property
    def bytes(self) -> int:
        status = dict(line.split(":", 1) for line in (self._process / "status").read_text().splitlines())
        return int(status["VmHWM"].split()[0]) * 1024
