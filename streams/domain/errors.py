"""What can go wrong, by what it means to whoever asked. DESIGN.md, Errors: each is turned into an answer in one place.

``Unreadable`` and ``NotYetKnown`` belong to the codec and stand in ``schemas.errors``.
"""


class Rejected(Exception):
    """Read, but the rules say no."""


class TooLarge(Rejected):
    """What was said is more than one event can hold. Nothing of it was accepted, nor will be."""


class TooLate(Rejected):
    """It would have been right earlier, but not as things stand."""


class NotAuthenticated(Exception):
    """Who calls is not known: no valid token, integration or password."""


class NotAllowed(Exception):
    """Who calls is known, but has no access."""


class NotFound(Exception):
    """There is nothing there."""


class Gone(Exception):
    """There was something there, but no more."""


class Unavailable(Exception):
    """Something that we depend on is down. Nothing was accepted; try again after ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unacknowledged(Unavailable):
    """The log did not acknowledge an event that was on its way: it may be there all the same."""


class PerhapsAccepted(Exception):
    """The log did not acknowledge what was asked for: whoever asks again may have asked for it twice."""
