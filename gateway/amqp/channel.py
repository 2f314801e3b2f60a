"""One channel: who consumes on it, and what it has in hand. Knows nothing of rights, nor of other channels."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import takewhile
from typing import NamedTuple

from pamqp import commands

from gateway.amqp.actions import Consumer, Out, Unsubscribe
from gateway.amqp.content import delivered, got, message
from gateway.amqp.deliveries import Got, Lease, Outcome, Receipt
from gateway.amqp.faults import ChannelFault, ConnectionFault, Reply
from gateway.amqp.queues import queue_of

MOST_IN_HAND = 2000
"""Messages that a consumer without a prefetch of its own may have in hand."""
AT_ONCE = 64
"""Messages that are wanted at once, so that others who compete have a turn."""


class InHand(NamedTuple):
    """A message that was sent and is not settled; ``consumer`` is None where it was got. It is all of what the
    connection had written when that was ``end`` octets.
    """

    receipt: Receipt
    consumer: Consumer | None
    end: int


class Channel:
    """An open channel."""

    __slots__ = ("_in_hand", "_last", "_out", "consumers", "limit", "number", "prefetch")

    def __init__(self, number: int, out: Out) -> None:
        self.number = number
        self.consumers: dict[str, Consumer] = {}
        self.prefetch = 0
        """That of consumers that are yet to come."""
        self.limit = 0
        """How many messages the whole channel may have in hand; 0 is no limit."""
        self._out = out
        self._in_hand: dict[int, InHand] = {}
        self._last = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand."""
        return not self._in_hand

    def room(self, consumer: Consumer) -> int:
        """How many messages the consumer can take now; none once it is cancelled."""
        if self.consumers.get(consumer.tag) is not consumer:
            return 0
        if consumer.no_ack:
            return AT_ONCE
        room = min((consumer.prefetch or MOST_IN_HAND) - consumer.unacked, AT_ONCE)
        return max(0, min(room, self.limit - len(self._in_hand)) if self.limit else room)

    def begin(self, consumer: Consumer) -> None:
        """The consumer has come."""
        self.consumers[consumer.tag] = consumer
        self._out.changed[consumer] = None

    def cancel(self, tag: str) -> None:
        """The consumer goes; what it has in hand it can still settle."""
        if (consumer := self.consumers.pop(tag, None)) is not None:
            self._out.actions.append(Unsubscribe(consumer))

    def limit_to(self, count: int) -> None:
        """Set how many messages the channel may have in hand."""
        self.limit = count
        self._out.changed.update(dict.fromkeys(self.consumers.values()))

    def deliver(self, consumer: Consumer, leases: Sequence[Lease]) -> None:
        """Send what was leased for the consumer; what it has no room for goes back unseen.

        Raises ConnectionFault when a message does not fit the client's frames: that one goes back as unfit.
        """
        queue, room = queue_of(consumer.konto_id), self.room(consumer)
        sent: list[tuple[Lease, int]] = []
        unfit: Sequence[Lease] = ()
        try:
            for lease in leases[:room]:
                end = self._send(lease, delivered(self._last + 1, consumer.tag, queue, lease.redelivered))
                sent.append((lease, end))
        except ConnectionFault:
            unfit = leases[len(sent) : len(sent) + 1]
            raise
        finally:
            self._sent(sent, consumer, consumer.no_ack)
            self._out.settle([lease.receipt for lease in unfit], Outcome.UNFIT)
            self._out.settle([lease.receipt for lease in leases[len(sent) + len(unfit) :]], Outcome.UNSEEN)

    def got(self, found: Got | None, queue: str, no_ack: bool) -> None:
        """Send what was asked for by basic.get. Raises ConnectionFault when it does not fit the client's frames."""
        if found is None:
            self._out.say(self.number, commands.Basic.GetEmpty())
            return
        try:
            end = self._send(found.lease, got(self._last + 1, queue, found.lease.redelivered, found.left))
        except Exception as fault:
            is_unfit = isinstance(fault, ConnectionFault)
            self._out.settle([found.lease.receipt], Outcome.UNFIT if is_unfit else Outcome.UNSEEN)
            raise
        self._sent([(found.lease, end)], None, no_ack)

    def settle(self, tag: int, multiple: bool, outcome: Outcome) -> None:
        """What the client says of a message, or of all up to it; tag 0 is all.

        Nothing comes of a message that is settled already: a fault would cost the published clients their consumer.
        Raises ChannelFault for a tag that was never sent.
        """
        if tag > self._last or (tag == 0 and not multiple):
            raise ChannelFault(Reply.PRECONDITION_FAILED, f"unknown delivery tag {tag}")
        if multiple:
            tags = list(takewhile(lambda sent: sent <= (tag or self._last), self._in_hand))
        else:
            tags = [tag] if tag in self._in_hand else []
        self._settle(tags, outcome)

    def release(self, lowest: Outcome = Outcome.RETURNED, missing: Container[int] = ()) -> None:
        """All in hand ends; of the first it can be said how, since only that one can have been in a handler, unless it
        ended among the octets of the connection that are ``missing``: they never came to the client.
        """
        tags = list(self._in_hand)
        if tags and self._in_hand[tags[0]].end not in missing:
            self._settle(tags[:1], lowest)
        self._settle(list(self._in_hand), Outcome.RETURNED)

    def end(self, lowest: Outcome = Outcome.RETURNED, missing: Container[int] = ()) -> None:
        """The channel is no more: nor are its consumers, and all in hand is released."""
        for tag in list(self.consumers):
            self.cancel(tag)
        self.release(lowest, missing)

    def _send(self, lease: Lease, method: bytes) -> int:
        """Returns how much was written by then."""
        frames = message(self.number, method, lease.melding, self._out.largest)
        self._out.write(*frames)
        self._last += 1
        return self._out.written

    def _sent(self, sent: Sequence[tuple[Lease, int]], consumer: Consumer | None, no_ack: bool) -> None:
        """Keep what was sent last in hand, unless nothing will be heard of it. With each is where it ended."""
        if consumer is not None:
            self._out.changed[consumer] = None
        if no_ack:
            self._out.settle([lease.receipt for lease, _ in sent], Outcome.ACKED)
            return
        for tag, (lease, end) in enumerate(sent, self._last - len(sent) + 1):
            self._in_hand[tag] = InHand(lease.receipt, consumer, end)
        if consumer is not None:
            consumer.unacked += len(sent)

    def _settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        ended = [self._in_hand.pop(tag) for tag in tags]
        for one in ended:
            if one.consumer is not None:
                one.consumer.unacked -= 1
                self._out.changed[one.consumer] = None
        if ended and self.limit:
            self._out.changed.update(dict.fromkeys(self.consumers.values()))
        self._out.settle([one.receipt for one in ended], outcome)
