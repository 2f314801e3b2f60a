"""The channels of one connection: opened, closed, and failed, with what is asked for on each."""

from __future__ import annotations

from collections.abc import Container, Sequence

from pamqp import commands
from pamqp.base import Frame as Method

from gateway.amqp.actions import Ask, Consume, Consumer, Get, Inspect, Out, Unsubscribe, Value
from gateway.amqp.channel import Channel
from gateway.amqp.codec import METHOD, Frame, clipped, read_method
from gateway.amqp.deliveries import Count, Got, Lease, Outcome
from gateway.amqp.faults import ORDINARY, ChannelFault, ConnectionFault, Reply
from gateway.amqp.methods import NewTag, handle
from gateway.amqp.queues import queue_of

CRASH = "Closed due to exception"
"""How amqp-client for Java begins when it closes a channel since a handler threw."""


ASKED_BY = {
    Consume: commands.Basic.Consume.index,
    Get: commands.Basic.Get.index,
    Inspect: commands.Queue.Declare.index,
}
"""The method that asks for it."""


class Channels:
    """What is open, and what is being closed from our side: of that all is passed over until the client confirms it."""

    __slots__ = ("_ending", "_new_tag", "_open", "_out", "orphaned")

    def __init__(self, out: Out, new_tag: NewTag) -> None:
        self._out, self._new_tag = out, new_tag
        self._open: dict[int, Channel] = {}
        self._ending: set[int] = set()
        self.orphaned = False
        """Whether the client closed the channel of its last consumer, and has none since."""

    @property
    def consumers(self) -> list[Consumer]:
        """All consumers of the connection."""
        return [consumer for channel in self._open.values() for consumer in channel.consumers.values()]

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand."""
        return all(channel.idle for channel in self._open.values())

    def room(self, consumer: Consumer) -> int:
        """How many messages the consumer can take now."""
        channel = self._open.get(consumer.channel)
        return channel.room(consumer) if channel else 0

    def take(self, frame: Frame, channel_max: int) -> None:
        """A frame of a channel has come. Raises ConnectionFault."""
        channel = self._open.get(frame.channel)
        if frame.kind != METHOD:
            if channel is None and frame.channel in self._ending:
                return  # the content of a message that was refused
            raise ConnectionFault(Reply.UNEXPECTED_FRAME, "innhold hører til en melding, og ingen er ventet")
        method = read_method(frame.payload)
        try:
            if channel is None:
                self._on_no_channel(frame.channel, method, channel_max)
            else:
                self._on_channel(channel, method)
        except ChannelFault as fault:
            fault.method = method.index
            self.fail(frame.channel, fault)
        except ConnectionFault as fault:
            fault.method = method.index
            raise

    def fail(self, number: int, fault: ChannelFault, *, fatal: bool = False) -> None:
        """Close the channel. Raises ConnectionFault where the client would not mind the loss of its consumer."""
        channel = self._open[number]
        if fatal or channel.consumers:
            raise ConnectionFault(Reply.CONNECTION_FORCED, fault.said, fault.method)
        self._remove(channel)
        self._ending.add(number)
        blamed = divmod(fault.method, 1 << 16)
        self._out.say(number, commands.Channel.Close(fault.reply, clipped(fault.said), *blamed))

    def deliver(self, consumer: Consumer, leases: Sequence[Lease]) -> None:
        """Send what was leased for the consumer. Raises ConnectionFault as ``Channel.deliver``."""
        channel = self._open.get(consumer.channel)
        if channel is None:
            self._out.settle([lease.receipt for lease in leases], Outcome.UNSEEN)
        else:
            channel.deliver(consumer, leases)

    def granted(self, ask: Consume | Get | Inspect, value: Value) -> None:
        """What was asked for is granted. Raises ConnectionFault."""
        match ask, value:
            case Consume(consumer, nowait), None:
                self.orphaned = False
                self._open[consumer.channel].begin(consumer)
                if not nowait:
                    self._out.say(consumer.channel, commands.Basic.ConsumeOk(consumer.tag))
            case Get(number, konto_id, no_ack), Got() | None:
                self._open[number].got(value, queue_of(konto_id), no_ack)
            case Inspect(number, konto_id, nowait), Count(meldinger, konsumenter):
                if not nowait:
                    answer = commands.Queue.DeclareOk(queue_of(konto_id), meldinger, konsumenter)
                    self._out.say(number, answer)
            case _:
                raise TypeError(f"{ask} is not granted with {value}")

    def refused(self, ask: Consume | Get | Inspect, fault: ChannelFault) -> None:
        """What was asked for is refused. Raises ConnectionFault where the client would go on without its consumer."""
        number = ask.consumer.channel if isinstance(ask, Consume) else ask.channel
        fault.method = ASKED_BY[type(ask)]
        self.fail(number, fault, fatal=isinstance(ask, Consume) and ask.revived)

    def end(self, lowest: Outcome, missing: Container[int] = ()) -> None:
        """All channels are no more; ``missing``, as ``Channel.release`` has it."""
        for channel in list(self._open.values()):
            self._remove(channel, lowest, missing)
        self.orphaned = False

    def _on_no_channel(self, number: int, method: Method, channel_max: int) -> None:
        match method:
            case commands.Channel.Open() if number <= channel_max:
                self._ending.discard(number)
                self._open[number] = Channel(number, self._out)
                self._out.say(number, commands.Channel.OpenOk())
            case commands.Channel.CloseOk():
                self._ending.discard(number)
            case commands.Channel.Close() if number in self._ending:
                self._out.say(number, commands.Channel.CloseOk())
            case _ if number not in self._ending:
                raise ConnectionFault(Reply.CHANNEL_ERROR, f"kanal {number} er ikke åpen; {channel_max} er høyest")

    def _on_channel(self, channel: Channel, method: Method) -> None:
        match method:
            case commands.Channel.Close():
                self._close(channel, method)
            case commands.Channel.Open():
                raise ConnectionFault(Reply.CHANNEL_ERROR, f"kanal {channel.number} er åpen")
            case _:
                handle(channel, self._out, method, self._new_tag)

    def _close(self, channel: Channel, method: commands.Channel.Close) -> None:
        """A handler that threw has failed; who merely closes has not. Who consumed is expected to do so again."""
        consumed = bool(channel.consumers)
        text = method.reply_text or ""
        crashed = method.reply_code not in ORDINARY or text.startswith(CRASH)
        self._remove(channel, Outcome.LOST if crashed else Outcome.RETURNED)
        self.orphaned = self.orphaned or (consumed and not self.consumers)
        self._out.say(channel.number, commands.Channel.CloseOk())

    def _remove(self, channel: Channel, lowest: Outcome = Outcome.RETURNED, missing: Container[int] = ()) -> None:
        channel.end(lowest, missing)
        del self._open[channel.number]


def undo(out: Out, ask: Ask, value: Value) -> None:
    """What was asked for comes too late: give it back."""
    match ask, value:
        case Consume(consumer), _:
            out.actions.append(Unsubscribe(consumer))
        case Get(), Got(lease):
            out.settle([lease.receipt], Outcome.UNSEEN)
