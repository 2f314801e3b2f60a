"""The clock by which it is told how old something is, where it matters that it is not older than it seems."""

from __future__ import annotations

import time


def uptime() -> float:
    """Seconds since the machine started, those in which it slept too. Nobody who sets the clock changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
