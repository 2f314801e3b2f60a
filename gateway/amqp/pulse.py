"""What is due on a connection as time passes. Knows no clock: it is told what time it is. Seconds throughout."""

from __future__ import annotations

from enum import Enum, auto

LOGIN_LIMIT = 30.0
"""To log in: the published client fetches its token meanwhile."""
CLOSE_LIMIT = 5.0
"""Until the client has confirmed that the connection is closed."""
DEAF_LIMIT = 10.0
"""Without a consumer after its channel was closed."""
STALL_LIMIT = 60.0
"""Until the client must have read something of what waits for it."""
FORGIVEN = 10.0
"""After a fault of ours, in which a client may still go away because of it."""


class Due(Enum):
    """What is to be done."""

    NOTHING = auto()
    HEARTBEAT = auto()
    END = auto()
    """The client does not confirm the end."""
    LATE = auto()
    """It has not logged in."""
    GONE = auto()
    """It says nothing any more."""
    STALLED = auto()
    """It reads nothing of what waits for it."""
    DEAF = auto()
    """It has no consumer any more, and believes that it has."""


class Pulse:
    """When what happened last on one connection."""

    __slots__ = ("_deaf", "_forgiven", "_heard", "_since", "_spoke", "_stalled", "now")

    def __init__(self, now: float) -> None:
        self.now = self._since = self._heard = self._spoke = now
        self._deaf: float | None = None
        self._stalled: float | None = None
        self._forgiven = now

    @property
    def stalled(self) -> bool:
        """Whether so much waits to be written that nothing should be added."""
        return self._stalled is not None

    @property
    def forgiven(self) -> bool:
        """Whether it is our own fault if the client goes away."""
        return self.now < self._forgiven

    def excuse(self, now: float) -> None:
        """Until now we heard nothing of the client, nor did it of us, by a fault of ours."""
        self.now = self._heard = now
        if self._stalled is not None:
            self._stalled = now
        self._forgiven = now + FORGIVEN

    def hear(self, now: float) -> None:
        """The client has said something."""
        self.now = self._heard = now

    def speak(self) -> None:
        """Something is written."""
        self._spoke = self.now

    def stall(self, stalled: bool) -> None:
        """Much waits to be written, or no longer."""
        self._stalled = self.now if stalled else None

    def begin_to_close(self) -> None:
        """The client has been told that the connection is closed."""
        self._since, self._stalled, self._deaf = self.now, None, None

    def pass_to(self, now: float, *, reads: bool, listening: bool, orphaned: bool) -> None:
        """It is ``now``. ``reads``: a stalled client has read since; ``listening``: what it says is read by us;
        ``orphaned``: the channel of its last consumer was closed.
        """
        self.now = now
        if self._stalled is not None and reads:
            self._stalled = now
        if self._stalled is not None or not listening:
            self._heard = now  # it may have said something that nobody has read
        self._deaf = (self._deaf or now) if orphaned else None

    def login(self) -> Due:
        """What is due before the connection is open."""
        return Due.LATE if self.now >= self._since + LOGIN_LIMIT else Due.NOTHING

    def closing(self) -> Due:
        """What is due once the client has been told that the connection is closed."""
        return Due.END if self.now >= self._since + CLOSE_LIMIT else Due.NOTHING

    def open(self, heartbeat: float) -> Due:
        """What is due while the connection is open; 0 is no heartbeat."""
        if heartbeat and self.now >= self._heard + 2 * heartbeat:
            return Due.GONE
        if self._stalled is not None and self.now >= self._stalled + STALL_LIMIT:
            return Due.STALLED
        if self._deaf is not None and self.now >= self._deaf + DEAF_LIMIT:
            return Due.DEAF
        return Due.HEARTBEAT if heartbeat and self.now >= self._spoke + heartbeat / 2 else Due.NOTHING
