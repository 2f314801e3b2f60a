"""What a session wants done by whoever runs it. Asks are answered by ``Session.granted`` or ``Session.refused``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias
from uuid import UUID

from pamqp.base import Frame as Method

from gateway.amqp.codec import FRAME_MAX, method_frame
from gateway.amqp.deliveries import Count, Got, Outcome, Receipt


@dataclass(slots=True, eq=False)
class Consumer:
    """A consumer of one account. ``prefetch`` 0 is no limit of its own; ``unacked`` counts what it has in hand."""

    channel: int
    tag: str
    konto_id: UUID
    no_ack: bool = False
    prefetch: int = 0
    unacked: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """Is this who it says it is? ``secret`` is all that came as the password."""

    user: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Renew:
    """Does the new secret prove the same integration?"""

    secret: bytes = field(repr=False)


class Consume(NamedTuple):
    """May the integration read this account? Then subscribe.

    ``revived``: the client had this consumer on a connection that was lost, and takes no for an answer in silence.
    """

    consumer: Consumer
    nowait: bool
    revived: bool


class Get(NamedTuple):
    """May the integration read this account, and what is first in its queue? Granted with a Got or None."""

    channel: int
    konto_id: UUID
    no_ack: bool


class Inspect(NamedTuple):
    """May the integration read this account, and how is its queue? Granted with a Count."""

    channel: int
    konto_id: UUID
    nowait: bool


Ask: TypeAlias = Login | Renew | Consume | Get | Inspect
Value: TypeAlias = Got | Count | None
"""What an ask is granted with."""


class Settle(NamedTuple):
    """These leases have ended so."""

    receipts: Sequence[Receipt]
    outcome: Outcome


class Unsubscribe(NamedTuple):
    """The consumer is no more."""

    consumer: Consumer


Action: TypeAlias = Ask | Settle | Unsubscribe


@dataclass(slots=True)
class Out:
    """What a session and its channels have to say: octets for the client, actions for whoever runs the session."""

    octets: list[bytes] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    asked: Ask | None = None
    changed: dict[Consumer, None] = field(default_factory=dict)
    """Consumers that can take more or less than before, in the order of the changes."""
    largest: int = FRAME_MAX
    written: int = 0
    """Octets that were sent since the connection began, those that wait in ``octets`` included."""

    def write(self, *frames: bytes) -> None:
        """Send frames."""
        self.octets.extend(frames)
        self.written += sum(map(len, frames))

    def say(self, channel: int, method: Method) -> None:
        """Send a method."""
        self.write(method_frame(channel, method))

    def ask(self, ask: Ask) -> None:
        """Ask, and take nothing more from the client before it is answered."""
        self.asked = ask
        self.actions.append(ask)

    def settle(self, receipts: Sequence[Receipt], outcome: Outcome) -> None:
        """Settle leases, if there are any."""
        if receipts:
            self.actions.append(Settle(receipts, outcome))
