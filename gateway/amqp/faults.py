"""What AMQP calls errors: reply codes, and how much of a connection each one costs. AMQP 0-9-1, 1.3 and 4.2.8."""

from __future__ import annotations

from enum import IntEnum


class Reply(IntEnum):
    """The reply codes that we give."""

    REPLY_SUCCESS = 200
    CONNECTION_FORCED = 320
    ACCESS_REFUSED = 403
    NOT_FOUND = 404
    PRECONDITION_FAILED = 406
    FRAME_ERROR = 501
    SYNTAX_ERROR = 502
    COMMAND_INVALID = 503
    CHANNEL_ERROR = 504
    UNEXPECTED_FRAME = 505
    RESOURCE_ERROR = 506
    NOT_ALLOWED = 530
    NOT_IMPLEMENTED = 540
    INTERNAL_ERROR = 541


ORDINARY = (0, Reply.REPLY_SUCCESS)
"""What a client says that closes since it is done; 0 is how pika closes a channel."""


class Fault(Exception):
    """Why something is closed. ``method`` is the index of the method that is to blame; 0 where none is."""

    def __init__(self, reply: Reply, text: str, method: int = 0) -> None:
        super().__init__(text)
        self.reply, self.text, self.method = reply, text, method

    @property
    def said(self) -> str:
        """What the client is told, in the form that clients know from RabbitMQ."""
        return f"{self.reply.name} - {self.text}"


class ChannelFault(Fault):
    """Costs the channel."""


class ConnectionFault(Fault):
    """Costs the connection."""
