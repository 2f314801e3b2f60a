"""What an issuer remembers for a while only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Expiring(Generic[V]):
    """Values by key, each for so many seconds. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._values: dict[str, tuple[V, float]] = {}

    def keep(self, value: V, seconds: float) -> str:
        """The new, unguessable key of the value."""
        key = secrets.token_urlsafe(32)
        self.put(key, value, seconds)
        return key

    def put(self, key: str, value: V, seconds: float) -> None:
        """Keep the value under this key, instead of what was there."""
        now = self._clock()
        self._values = {known: one for known, one in self._values.items() if one[1] > now}
        self._values[key] = (value, now + seconds)

    def get(self, key: str) -> V | None:
        """The value; None when there is none any more."""
        value, until = self._values.get(key, (None, 0.0))
        return value if until > self._clock() else None

    def take(self, key: str) -> V | None:
        """The value, which is there no more afterwards."""
        value = self.get(key)
        self._values.pop(key, None)
        return value
