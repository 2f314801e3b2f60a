"""How much of what was written to a client has come to its host, as far as looks at the socket tell. Pure."""

from __future__ import annotations

SURE = 4096
"""Octets that wait where they can be counted, and are then all that wait: behind more TLS may keep others uncounted."""


class Arrival:
    """What had come by the last look. All in octets that we wrote, but for those that the client's host acknowledged:
    they are of TLS where there is TLS, and more by what that adds.
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
        if waiting <= SURE:
            self._sure, self._sure_acknowledged = written - waiting, acknowledged
            self._came = self._sure
        else:
            since = acknowledged - self._sure_acknowledged
            since -= since // 64  # what TLS adds where so much is written, and more
            self._came = max(self._came, min(self._sure + since, written - waiting))
        self._looked, self._acknowledged = written, acknowledged
        return goes_on
