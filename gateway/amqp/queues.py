"""Names of queues: an account's is ``fiksio.konto.<kontoId>``, in lower case. Contract: fiks-io.md 2.2."""

from __future__ import annotations

from uuid import UUID

PREFIX = "fiksio.konto."


def queue_of(konto_id: UUID) -> str:
    """The name of the account's queue."""
    return f"{PREFIX}{konto_id}"


def konto_of(queue: str) -> UUID | None:
    """The account whose queue is so named; None where it is no account's. Spelt in one way only, as in RabbitMQ."""
    try:
        konto_id = UUID(queue.removeprefix(PREFIX))
    except ValueError:
        return None
    return konto_id if queue_of(konto_id) == queue else None
