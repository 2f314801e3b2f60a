"""What was found to be an orphan, and for how long by a clock that nobody sets: those of hosts, stores and PostgreSQL
may be wrong by days, and what they say is old was perhaps made a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from infra.uptime import uptime

Ripe = Callable[[Collection[str]], set[str]]
"""Those of orphans that may be swept."""
MOST = 200_000
"""Orphans that are remembered; the turn of others comes when these are gone."""


class Orphans:
    """Those of one kind, by name. One that sweeps looks at all there are in each turn. Who has been one for ``sure``
    seconds belongs to no call under way.
    """

    def __init__(self, sure: float) -> None:
        self._sure = sure
        self._since: dict[str, float] = {}
        self._met: set[str] = set()

    def ripe(self, names: Collection[str]) -> set[str]:
        """Those among the names, all found to be orphans just now, that have been it for long enough."""
        now = uptime()
        for name in names:
            if name in self._since or len(self._since) < MOST:
                self._since.setdefault(name, now)
                self._met.add(name)
        return {name for name in names if now - self._since.get(name, now) >= self._sure}

    def turned(self) -> None:
        """The turn is over: what was no orphan in it is none."""
        self._since = {name: since for name, since in self._since.items() if name in self._met}
        self._met = set()
