"""Queues of accounts in memory, as the port of AMQP asks for them, and a look at what became of each message."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple
from uuid import UUID

from gateway.amqp.deliveries import Count, Give, Got, Lease, Melding, Outcome, Receipt
from schemas.envelope import By


class Placed(NamedTuple):
    """Names a lease: the account, and the place in its queue."""

    konto_id: UUID
    nr: int


@dataclass
class Row:
    """A message in a queue."""

    melding: Melding
    redelivered: bool = False
    outcomes: list[Outcome] = field(default_factory=list)


@dataclass
class Queue:
    """The queue of one account."""

    rows: list[Row] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    leased: set[int] = field(default_factory=set)
    turns: list[MemorySubscription] = field(default_factory=list)
    due: bool = False


class MemorySubscription:
    """A consumer of a queue in memory."""

    def __init__(self, queues: MemoryDeliveries, konto_id: UUID, give: Give) -> None:
        self._queues, self._konto_id, self.give = queues, konto_id, give
        self.messages = self.octets = 0

    def want(self, messages: int, octets: int) -> None:
        self.messages, self.octets = messages, octets
        self._queues.look(self._konto_id)

    def close(self) -> None:
        self.messages = 0
        self._queues.queue(self._konto_id).turns.remove(self)


class MemoryDeliveries:
    """All queues of one process."""

    def __init__(self) -> None:
        self._queues: dict[UUID, Queue] = defaultdict(Queue)
        self.asked: list[By] = []
        """Who has asked for messages."""
        self.forfeited: list[Callable[[], None]] = []
        """Who is to be told where leases are another's."""

    def queue(self, konto_id: UUID) -> Queue:
        return self._queues[konto_id]

    def put(self, konto_id: UUID, *meldinger: Melding) -> None:
        """Put messages into the queue."""
        queue = self._queues[konto_id]
        for melding in meldinger:
            heappush(queue.waiting, len(queue.rows))
            queue.rows.append(Row(melding))
        self.look(konto_id)

    def outcomes(self, konto_id: UUID) -> list[list[Outcome]]:
        """How the leases of each message ended, in the order of the queue."""
        return [row.outcomes for row in self._queues[konto_id].rows]

    def subscribe(self, konto_id: UUID, by: By, give: Give) -> MemorySubscription:
        self.asked.append(by)
        subscription = MemorySubscription(self, konto_id, give)
        self._queues[konto_id].turns.append(subscription)
        return subscription

    async def get(self, konto_id: UUID, by: By) -> Got | None:
        self.asked.append(by)
        queue = self._queues[konto_id]
        if not queue.waiting:
            return None
        return Got(self._lease(konto_id, queue), len(queue.waiting))

    async def count(self, konto_id: UUID) -> Count:
        queue = self._queues[konto_id]
        return Count(len(queue.waiting), len(queue.turns))

    def settle(self, receipts: Sequence[Receipt], outcome: Outcome) -> None:
        for receipt in receipts:
            assert isinstance(receipt, Placed)
            queue = self._queues[receipt.konto_id]
            if receipt.nr not in queue.leased:
                continue
            queue.leased.remove(receipt.nr)
            row = queue.rows[receipt.nr]
            row.outcomes.append(outcome)
            if outcome not in (Outcome.ACKED, Outcome.REJECTED):
                row.redelivered = row.redelivered or outcome not in {Outcome.UNSEEN, Outcome.UNFIT}
                heappush(queue.waiting, receipt.nr)
                self.look(receipt.konto_id)

    async def settled(self) -> None:
        pass

    def tell(self, forfeited: Callable[[], None]) -> None:
        self.forfeited.append(forfeited)

    def look(self, konto_id: UUID) -> None:
        """Hand out what there is, once the loop comes to it: a queue in a database answers later, too."""
        queue = self._queues[konto_id]
        if not queue.due:
            queue.due = True
            asyncio.get_running_loop().call_soon(self._hand_out, konto_id, queue)

    def _hand_out(self, konto_id: UUID, queue: Queue) -> None:
        queue.due = False
        taken: dict[MemorySubscription, list[Lease]] = {}
        while queue.waiting and (wanting := [one for one in queue.turns if one.messages and one.octets > 0]):
            first = wanting[0]
            lease = self._lease(konto_id, queue)
            first.messages -= 1
            first.octets -= len(lease.melding.body)
            taken.setdefault(first, []).append(lease)
            queue.turns.remove(first)
            queue.turns.append(first)
        for subscription, leases in taken.items():
            subscription.give(leases)

    def _lease(self, konto_id: UUID, queue: Queue) -> Lease:
        nr = heappop(queue.waiting)
        queue.leased.add(nr)
        return Lease(Placed(konto_id, nr), queue.rows[nr].melding, queue.rows[nr].redelivered)
