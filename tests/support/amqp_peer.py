"""A client and a host of one AMQP session, without sockets: says methods, reads what comes, grants or refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Any
from uuid import UUID

from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.frame import marshal, unmarshal

from gateway.amqp.actions import Ask, Consume, Consumer, Login, Renew, Settle, Unsubscribe, Value
from gateway.amqp.codec import ALIVE, BODY, HEADER, frame
from gateway.amqp.deliveries import Count, Got, Lease, Melding, Outcome, Receipt
from gateway.amqp.faults import ChannelFault, ConnectionFault, Reply
from gateway.amqp.handshake import GREETING
from gateway.amqp.queues import queue_of
from gateway.amqp.session import Session, State

KONTO, OTHER, STRANGE = (UUID(int=number) for number in (1, 2, 3))
"""Two accounts that may be read, and one that may not."""
QUEUE, OTHER_QUEUE, STRANGE_QUEUE = queue_of(KONTO), queue_of(OTHER), queue_of(STRANGE)
MELDING = Melding({"melding-id": "1", "type": "no.ks.prøve"}, b"innhold", 1000)
LOGIN = commands.Connection.StartOk({}, "PLAIN", "\0bruker\0passord token", "en_US")


def capture(login: Method = LOGIN, queue: str = QUEUE) -> bytes:
    """What a client says from its first octet to its last."""
    said = [
        (login, 0),
        (commands.Connection.TuneOk(0, 0, 60), 0),
        (commands.Connection.Open("/"), 0),
        (commands.Channel.Open(), 1),
        (commands.Basic.Qos(0, 10, False), 1),
        (commands.Basic.Consume(queue=queue), 1),
        (commands.Basic.Get(queue=queue), 1),
        (commands.Basic.Nack(1), 1),
        (commands.Basic.Publish(exchange="", routing_key=queue), 1),
    ]
    content = (frame(HEADER, 1, b"\0\x3c\0\0\0\0\0\0\0\0\0\3\0\0"), frame(BODY, 1, b"abc"))
    last = [(commands.Channel.CloseOk(), 1), (commands.Connection.Close(200, "", 0, 0), 0)]
    return b"".join((GREETING, *(marshal(*one) for one in said), *content, ALIVE, *(marshal(*one) for one in last)))


class Peer:
    """Both sides of a session. The queues hold ``MELDING`` without end for whoever gets one."""

    def __init__(self) -> None:
        self.now = 0.0
        numbers = count(1)
        self.session = Session(self.now, lambda: str(next(numbers)))
        self.heard: list[tuple[int, Any]] = []
        """Each frame that the client was sent, with its channel."""
        self.asks: list[Ask] = []
        self.answers = True
        """Whether asks are answered at once."""
        self.subscribed: dict[Consumer, None] = {}
        self.wanted: dict[Consumer, int] = {}
        self.settled: dict[Receipt, list[Outcome]] = {}
        self.order: list[tuple[Receipt, Outcome]] = []
        self._receipts = count(1)

    # --- The client ---------------------------------------------------------------------------------------------------

    def say(self, *methods: Method, channel: int = 0) -> list[Any]:
        """Say methods; the frames that come back."""
        return self.send(b"".join(marshal(method, channel) for method in methods))

    def send(self, octets: bytes) -> list[Any]:
        """Send octets; the frames that come back."""
        before = len(self.heard)
        self.session.receive(octets, self.now)
        self.work()
        return [frame for _, frame in self.heard[before:]]

    def open(self, channels: Iterable[int] = (1,), tune_ok: Method | None = None) -> Peer:
        """Log in and open channels."""
        self.send(GREETING)
        self.say(LOGIN)
        self.say(tune_ok or commands.Connection.TuneOk(0, 0, 60), commands.Connection.Open("/"))
        assert self.session.state is State.OPEN
        for channel in channels:
            self.say(commands.Channel.Open(), channel=channel)
        return self

    def consume(self, queue: str = QUEUE, *, channel: int = 1, **more: Any) -> Consumer:
        """Consume; the consumer that came of it."""
        said = self.say(commands.Basic.Consume(queue=queue, **more), channel=channel)
        assert isinstance(said[-1], commands.Basic.ConsumeOk), said
        return list(self.subscribed)[-1]

    # --- The host -----------------------------------------------------------------------------------------------------

    def give(self, consumer: Consumer, *leases: Lease) -> list[Any]:
        """Lease messages to the consumer; the frames that come of it."""
        before = len(self.heard)
        self.session.give(consumer, leases)
        self.work()
        return [frame for _, frame in self.heard[before:]]

    def lease(self, melding: Melding = MELDING, redelivered: bool = False) -> Lease:
        receipt = next(self._receipts)
        self.settled[receipt] = []
        return Lease(receipt, melding, redelivered)

    def leases(self, number: int) -> list[Lease]:
        return [self.lease() for _ in range(number)]

    def tick(self, now: float, reads: bool = True) -> list[Any]:
        """Let it be that late; the frames that come of it."""
        before, self.now = len(self.heard), now
        self.session.tick(now, reads)
        self.work()
        return [frame for _, frame in self.heard[before:]]

    def work(self) -> None:
        """Do what the session wants."""
        self._hear()
        while actions := self.session.take_actions():
            for action in actions:
                match action:
                    case Settle(receipts, outcome):
                        for receipt in receipts:
                            self.settled[receipt].append(outcome)
                            self.order.append((receipt, outcome))
                    case Unsubscribe(consumer):
                        self.subscribed.pop(consumer, None)
                        self.wanted.pop(consumer, None)
                    case _:
                        self.asks.append(action)
                        if self.answers:
                            self.answer(action)
            self._hear()
        for consumer, messages, _ in self.session.take_wants():
            if consumer in self.subscribed:
                self.wanted[consumer] = messages

    def answer(self, ask: Ask) -> None:
        """Answer as a host would."""
        match ask:
            case Login(_, secret) | Renew(secret):
                if secret == b"galt":
                    self.session.refused(ask, ConnectionFault(Reply.ACCESS_REFUSED, "Autentisering feilet"))
                else:
                    self.session.granted(ask)
            case _:
                konto_id = ask.consumer.konto_id if isinstance(ask, Consume) else ask.konto_id
                if konto_id == STRANGE:
                    self.session.refused(ask, ChannelFault(Reply.ACCESS_REFUSED, "Mangler privilegiet"))
                elif konto_id not in (KONTO, OTHER):
                    self.session.refused(ask, ChannelFault(Reply.NOT_FOUND, "no queue"))
                else:
                    self.session.granted(ask, self._value(ask))

    def _value(self, ask: Ask) -> Value:
        if isinstance(ask, Consume):
            self.subscribed[ask.consumer] = None
            return None
        return Got(self.lease(), 7) if type(ask).__name__ == "Get" else Count(7, 2)

    def _hear(self) -> None:
        octets = self.session.take_octets()
        while octets:
            if octets == GREETING:
                self.heard.append((0, GREETING))
                return
            consumed, channel, frame = unmarshal(octets)
            octets = octets[consumed:]
            self.heard.append((channel, frame))

    # --- What a test looks at -----------------------------------------------------------------------------------------

    @property
    def counted(self) -> Counter[Outcome]:
        """How many leases have ended in each way."""
        return Counter(outcome for _, outcome in self.order)


def names(frames: Iterable[Any]) -> list[str]:
    """What the frames are."""
    return [frame.name for frame in frames]


def closing(frames: list[Any]) -> tuple[int, str]:
    """The code and the text of the only frame, which closes something."""
    (frame,) = frames
    assert isinstance(frame, commands.Channel.Close | commands.Connection.Close), frame
    return frame.reply_code, frame.reply_text
