"""The port between AMQP and the queues of accounts: what is leased to whom, and what became of it.

A queue hands out leases, which nobody else gets meanwhile (``FOR UPDATE SKIP LOCKED`` where it is a table, so that many
gateways share one), and takes back how each ended. A lease that never ends by itself ends with the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from schemas.envelope import By


class Outcome(StrEnum):
    """How a lease ended. All but the first two put the message back, in its old place in the order of the queue."""

    ACKED = "acked"
    """The receiver has it."""
    REJECTED = "rejected"
    """The receiver does not want it, nor want it again."""
    REQUEUED = "requeued"
    """The receiver gave it back: an attempt that failed. It is handed out as redelivered."""
    LOST = "lost"
    """The receiver went away while this one can have been in its hands: an attempt that failed. Redelivered."""
    RETURNED = "returned"
    """It was sent, and what ended the lease says nothing of it: no attempt. Redelivered."""
    UNSEEN = "unseen"
    """It was never sent: no attempt, and redelivered only if it was before."""
    UNFIT = "unfit"
    """As ``UNSEEN``, since its headers do not fit the client's frames: it rests, or it would stop what is behind it."""


@dataclass(frozen=True, slots=True)
class Melding:
    """A message as it goes out. ``expiration`` is its time to live in milliseconds.

    Names of headers are of 1 to 255 octets; all headers together must fit a frame (``codec.FRAME_MAX``).
    """

    headers: Mapping[str, str]
    body: bytes = b""
    expiration: int | None = None


Receipt: TypeAlias = object
"""What names a lease to the queue that gave it, and to nobody else."""


class Lease(NamedTuple):
    """A message, and what settles it."""

    receipt: Receipt
    melding: Melding
    redelivered: bool


class Got(NamedTuple):
    """One message, and how many more there are to be had."""

    lease: Lease
    left: int


class Count(NamedTuple):
    """How many messages wait (those that are leased do not), and how many consumers there are, in all gateways.

    A queue need not count further than to where it is clear that very many wait.
    """

    meldinger: int
    konsumenter: int


Give: TypeAlias = Callable[[Sequence[Lease]], None]
"""Takes leases as they come, in the order of the queue; from the loop's own thread, and it never waits."""


class Subscription(Protocol):
    """A consumer of one account. It is given nothing before it wants something."""

    def want(self, messages: int, octets: int) -> None:
        """From now on it may be given so many messages, as long as the bodies before each are below ``octets``.

        Takes the place of what it wanted before. Consumers of one account that want something take turns.
        """
        ...

    def close(self) -> None:
        """It is given nothing any more; what it was given stays leased until it is settled."""
        ...


class Deliveries(Protocol):
    """The queues. Only ``get``, ``count`` and ``settled`` may have to wait for somebody.

    ``by`` is who is given the messages.
    """

    def subscribe(self, konto_id: UUID, by: By, give: Give) -> Subscription:
        """A new consumer of the account's queue. While the store is away it is simply given nothing."""
        ...

    async def get(self, konto_id: UUID, by: By) -> Got | None:
        """The first message that waits, leased; None when there is none. Raises Unavailable."""
        ...

    async def count(self, konto_id: UUID) -> Count:
        """How the queue is just now. Raises Unavailable."""
        ...

    def settle(self, receipts: Sequence[Receipt], outcome: Outcome) -> None:
        """The leases ended so. Never waits and never fails: a queue that cannot write it down at once does so later,
        and gives out less meanwhile. One that is settled already, or is no more, is passed over.
        """
        ...

    async def settled(self) -> None:
        """Returns once everything that was settled so far is written down."""
        ...

    def tell(self, forfeited: Callable[[], None]) -> None:
        """Call this where all that was handed out here so far has come to be somebody else's to hand out."""
        ...
