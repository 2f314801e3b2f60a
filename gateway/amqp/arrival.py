"""How much of what was written to a client has come to its host, as far as looks at the socket tell. Pure."""

from __future__ import annotations

SURE = 4096
"""Octets that wait where they can be counted: behind more TLS keeps others, which nobody can count."""
ADDED = 512
"""One octet in as many is that of TLS, about, where much is written at a time."""


class Arrival:
    """What had come by the last look. ``written`` is in octets that we wrote; what waits, and what the client's host
    acknowledged, is in those of TLS where there is TLS: never fewer than ours.
    """

    __slots__ = ("_acknowledged", "_came", "_looked", "_sure", "_sure_acknowledged")

    def __init__(self) -> None:
        self._looked = self._came = self._sure = self._sure_acknowledged = self._acknowledged = 0

    @property
    def missing(self) -> range:
        """The ends of what had been written by then and had not come."""
        return range(self._came + 1, self._looked + 1)

    def look(self, written: int, waiting: int, acknowledged: int) -> bool:
        """So many were written and so many acknowledged since the connection began, and so many are seen to wait.
        Returns whether any came since the last look.
        """
        goes_on = acknowledged > self._acknowledged
        since, seen = acknowledged - self._sure_acknowledged, written - waiting
        if waiting <= SURE and since >= seen - self._sure:  # else others wait where nobody sees them
            self._came = self._sure = seen
            self._sure_acknowledged = acknowledged
        else:
            self._came = max(self._came, min(self._sure + since - since // ADDED, seen))
        self._looked, self._acknowledged = written, acknowledged
        return goes_on
