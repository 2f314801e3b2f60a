"""Counts what comes too often to be told one by one, so that nobody can fill the log. Knows no clock and no log.

A window also ends where the clock is set back by as much: it would last until that is as late again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Rate:
    """Whether there is room for one more: there is for ``most`` in a window of ``length``."""

    def __init__(self, most: int, length: timedelta) -> None:
        self._most, self._length = most, length
        self._begin, self._told = datetime.min.replace(tzinfo=UTC), 0

    def has_room(self, now: datetime) -> bool:
        """Whether this one has room; then it takes it."""
        if abs(now - self._begin) >= self._length:
            self._begin, self._told = now, 0
        self._told += 1
        return self._told <= self._most


@dataclass(slots=True)
class _Window:
    begin: datetime
    told: int = 0
    more: int = 0
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sum(Generic[K]):
    """So many of a kind, from ``begin`` to ``end``, were not told one by one."""

    kind: K
    count: int
    begin: datetime
    end: datetime


class Tally(Generic[K]):
    """Of each kind ``most`` are told one by one in a window of ``length``, and of the rest how many there were.

    At most ``kinds`` are told apart at once; what comes beyond them is counted as ``rest`` of its kind.
    """

    def __init__(self, most: int, length: timedelta, kinds: int, rest: Callable[[K], K]) -> None:
        self._most, self._length, self._kinds, self._rest = most, length, kinds, rest
        self._windows: dict[K, _Window] = {}

    @property
    def counted(self) -> int:
        """How many are counted that no sum has told yet."""
        return sum(window.more for window in self._windows.values())

    def has_room(self, kind: K, now: datetime) -> bool:
        """Whether this one is to be told by itself. If not, it is counted."""
        window = self._window(kind, now)
        if window.told < self._most:
            window.told += 1
            return True
        window.more, window.end = window.more + 1, max(window.end or window.begin, now)
        return False

    def take(self, now: datetime | None = None) -> list[Sum[K]]:
        """The sums of the windows that have ended by then, of all where no time is given. Each is taken once."""
        ended = [(kind, one) for kind, one in self._windows.items() if now is None or self._ended(one, now)]
        for kind, _ in ended:
            del self._windows[kind]
        return [Sum(kind, one.more, one.begin, one.end) for kind, one in ended if one.end is not None]

    def put_back(self, taken: Sum[K]) -> None:
        """What was taken could not be told: it is counted on."""
        window = self._windows.setdefault(taken.kind, _Window(taken.begin, self._most))
        window.begin = min(window.begin, taken.begin)
        window.end = max(window.end or taken.end, taken.end)
        window.more += taken.count

    def _window(self, kind: K, now: datetime) -> _Window:
        known = self._windows.get(kind)
        if known is not None and (known.more or not self._ended(known, now)):
            return known
        if known is None and len(self._windows) >= self._kinds:
            self._forget_silent(now)
            if len(self._windows) >= self._kinds:
                kind = self._rest(kind)
                return self._windows.setdefault(kind, _Window(now))
        window = self._windows[kind] = _Window(now)
        return window

    def _forget_silent(self, now: datetime) -> None:
        """Windows that have ended and counted nothing."""
        ended = [kind for kind, one in self._windows.items() if not one.more and self._ended(one, now)]
        for kind in ended:
            del self._windows[kind]

    def _ended(self, window: _Window, now: datetime) -> bool:
        return abs(now - window.begin) >= self._length
