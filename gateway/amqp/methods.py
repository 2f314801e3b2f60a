"""What each method of a channel asks for, and which of them are not for clients of ours. Contract: fiks-io.md 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from uuid import UUID

from pamqp import commands
from pamqp.base import Frame as Method

from gateway.amqp.actions import Consume, Consumer, Get, Inspect, Out
from gateway.amqp.channel import Channel
from gateway.amqp.deliveries import Outcome
from gateway.amqp.faults import ChannelFault, ConnectionFault, Reply
from gateway.amqp.queues import konto_of

TAG = "amq.ctag-"
"""How tags begin that servers make."""
MOST_CONSUMERS = 100

NewTag: TypeAlias = Callable[[], str]

PUBLISH = "meldinger sendes med REST (POST /fiks-io/api/v1/send), ikke over AMQP"
TOPOLOGY = "køene følger av kontoene, og kan ikke endres over AMQP"
TRANSACTIONS = "transaksjoner finnes ikke her: kvitter for hver melding"
REFUSED: dict[type[Method], str] = {
    commands.Basic.Publish: PUBLISH,
    commands.Exchange.Declare: TOPOLOGY,
    commands.Exchange.Delete: TOPOLOGY,
    commands.Exchange.Bind: TOPOLOGY,
    commands.Exchange.Unbind: TOPOLOGY,
    commands.Queue.Declare: TOPOLOGY,
    commands.Queue.Bind: TOPOLOGY,
    commands.Queue.Unbind: TOPOLOGY,
    commands.Queue.Purge: TOPOLOGY,
    commands.Queue.Delete: TOPOLOGY,
    commands.Tx.Select: TRANSACTIONS,
    commands.Tx.Commit: TRANSACTIONS,
    commands.Tx.Rollback: TRANSACTIONS,
}
"""What RabbitMQ would do, and why we do not."""


def handle(channel: Channel, out: Out, method: Method, new_tag: NewTag) -> None:  # noqa: PLR0912
    """Do or ask for what the client wants on an open channel. Raises ChannelFault and ConnectionFault."""
    match method:
        case commands.Basic.Ack():
            channel.settle(_tag(method), method.multiple, Outcome.ACKED)
        case commands.Basic.Nack():
            channel.settle(_tag(method), method.multiple, _given_up(method.requeue))
        case commands.Basic.Reject():
            channel.settle(_tag(method), False, _given_up(method.requeue))
        case commands.Basic.Qos():
            _qos(channel, out, method)
        case commands.Basic.Consume():
            _consume(channel, out, method, new_tag)
        case commands.Basic.Cancel():
            channel.cancel(method.consumer_tag or "")
            if not method.nowait:
                out.say(channel.number, commands.Basic.CancelOk(method.consumer_tag))
        case commands.Basic.Get():
            out.ask(Get(channel.number, _konto(method.queue), method.no_ack))
        case commands.Basic.Recover() | commands.Basic.RecoverAsync():
            _recover(channel, out, method)
        case commands.Queue.Declare() if method.passive:
            out.ask(Inspect(channel.number, _konto(method.queue), method.nowait))
        case commands.Confirm.Select():
            # No harm: nothing that is published is ever accepted, so nothing is ever to be confirmed. Some clients
            # open every channel with it.
            if not method.nowait:
                out.say(channel.number, commands.Confirm.SelectOk())
        case commands.Channel.Flow():
            if not method.active:
                raise ConnectionFault(Reply.NOT_IMPLEMENTED, "bruk basic.qos, ikke channel.flow")
            out.say(channel.number, commands.Channel.FlowOk(True))
        case _ if (why := REFUSED.get(type(method))) is not None:
            raise ChannelFault(Reply.ACCESS_REFUSED, why)
        case _:
            raise ConnectionFault(Reply.COMMAND_INVALID, f"{method.name} er ikke for klienter")


def _tag(method: commands.Basic.Ack | commands.Basic.Nack | commands.Basic.Reject) -> int:
    """pamqp takes its 64 bits for a number with a sign."""
    return (method.delivery_tag or 0) % (1 << 64)


def _given_up(requeue: bool) -> Outcome:
    return Outcome.REQUEUED if requeue else Outcome.REJECTED


def _qos(channel: Channel, out: Out, method: commands.Basic.Qos) -> None:
    if method.prefetch_size:
        raise ConnectionFault(Reply.NOT_IMPLEMENTED, "prefetch_size finnes ikke her: bruk prefetch_count")
    if method.global_:
        channel.limit_to(method.prefetch_count)
    else:
        channel.prefetch = method.prefetch_count
    out.say(channel.number, commands.Basic.QosOk())


def _consume(channel: Channel, out: Out, method: commands.Basic.Consume, new_tag: NewTag) -> None:
    konto_id, tag = _konto(method.queue), method.consumer_tag or TAG + new_tag()
    if method.exclusive:
        raise ChannelFault(Reply.ACCESS_REFUSED, "en konto kan ikke leses eksklusivt: flere kan lese den på likt")
    if tag in channel.consumers:
        raise ConnectionFault(Reply.NOT_ALLOWED, f"attempt to reuse consumer tag '{tag}'")
    if len(channel.consumers) >= MOST_CONSUMERS:
        raise ConnectionFault(Reply.NOT_ALLOWED, f"en kanal kan ha {MOST_CONSUMERS} konsumenter")
    consumer = Consumer(channel.number, tag, konto_id, method.no_ack, channel.prefetch)
    out.ask(Consume(consumer, method.nowait, revived=method.consumer_tag.startswith(TAG)))


def _recover(channel: Channel, out: Out, method: commands.Basic.Recover | commands.Basic.RecoverAsync) -> None:
    if not method.requeue:
        raise ConnectionFault(Reply.NOT_IMPLEMENTED, "basic.recover finnes bare med requeue=true")
    channel.release()
    if isinstance(method, commands.Basic.Recover):
        out.say(channel.number, commands.Basic.RecoverOk())


def _konto(queue: str) -> UUID:
    konto_id = konto_of(queue)
    if konto_id is None:
        raise ChannelFault(Reply.NOT_FOUND, f"no queue '{queue}' in vhost '/'")
    return konto_id
