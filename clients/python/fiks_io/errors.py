"""What can go wrong. Nothing here holds a password, a token or content."""

from __future__ import annotations


class FiksIOError(Exception):
    """Whatever this package raises by itself."""


class HttpError(FiksIOError):
    """The platform, or the token server, did not answer what was asked for, but ``status`` and ``body``."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body

    def __str__(self) -> str:
        return f"{self.status}: {self.body}"


class Unavailable(FiksIOError):
    """No whole answer came. Whether a message was accepted is not known: send it again, with its klient_melding_id."""


class Denied(FiksIOError):
    """The platform does not let the integration in, or not read the account, or it shows it none. To try again does not
    help.
    """


class Refused(FiksIOError):
    """The content is not whole, not signed, or not what was signed. Nothing of it was handed out."""


class Lost(FiksIOError):
    """The connection by which the message came is gone, so it can no longer be settled: it comes again."""
