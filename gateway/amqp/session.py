"""One connection, sans-IO: octets and answers in, octets and actions out. Knows neither sockets, clocks nor rights.

Where the published client would be left alive but deaf (its channel closed, or its consumer refused after a recovery)
the whole connection is closed with 320 instead: only from that does it recover.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from pamqp import commands
from pamqp.base import Frame as Method

from gateway.amqp import handshake
from gateway.amqp.actions import Action, Ask, Consumer, Login, Out, Renew, Value
from gateway.amqp.arrival import Arrival
from gateway.amqp.channels import Channels, undo
from gateway.amqp.codec import ALIVE, HEARTBEAT, METHOD, Frame, Frames, clipped, read_method
from gateway.amqp.deliveries import Lease, Outcome
from gateway.amqp.faults import ORDINARY, ChannelFault, ConnectionFault, Fault, Reply
from gateway.amqp.handshake import GREETING, Tuned
from gateway.amqp.methods import NewTag
from gateway.amqp.pulse import Due, Pulse

OCTETS = 256 * 1024
"""How much body a consumer wants at once; once as much waits in the socket nothing is wanted."""
REASONS = {
    Due.LATE: "innloggingen tok for lang tid",
    Due.STALLED: "klienten leser ikke",
    Due.DEAF: "tilkoblingen har ingen konsument lenger: koble til igjen",
}


class State(IntEnum):
    """What a connection waits for."""

    GREETING = 0
    LOGIN = 1
    TUNING = 2
    OPENING = 3
    OPEN = 4
    CLOSING = 5
    OVER = 6
    """Nothing more: write what is left, and close the transport."""


class Session:
    """A connection. Times are seconds of one clock; ``new_tag`` makes names of consumers, each but once."""

    __slots__ = (
        *("_arrival", "_broken", "_channels", "_draining", "_frames", "_greeting", "_out", "_pulse"),
        *("ended", "state", "tuned"),
    )

    def __init__(self, now: float, new_tag: NewTag) -> None:
        self.state = State.GREETING
        self.tuned = Tuned()
        self.ended: Fault | None = None
        """Why we closed it."""
        self._out = Out()
        self._channels = Channels(self._out, new_tag)
        self._greeting, self._frames, self._broken = b"", Frames(handshake.LOGIN_MAX), False
        self._draining = False
        self._pulse, self._arrival = Pulse(now), Arrival()

    # --- What comes in ------------------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """The client has sent this."""
        self._pulse.hear(now)
        if self.state is State.GREETING:
            octets = self._greet(octets)
        if not self._broken and self.state is not State.OVER:
            self._frames.feed(octets)
            self._proceed()

    def granted(self, ask: Ask, value: Value = None) -> None:
        """Yes to ``ask``, with what it says it is granted with."""
        if self._out.asked is not ask:
            undo(self._out, ask, value)
            return
        self._out.asked = None
        try:
            self._grant(ask, value)
        except ConnectionFault as fault:
            self.close(fault)
        self._proceed()

    def refused(self, ask: Ask, fault: ChannelFault | ConnectionFault) -> None:
        """No to ``ask``. To a login, old or new, only a ConnectionFault can say so."""
        if self._out.asked is not ask:
            return
        self._out.asked = None
        try:
            if isinstance(fault, ConnectionFault) or isinstance(ask, Login | Renew):
                self.close(fault)
            else:
                self._channels.refused(ask, fault)
        except ConnectionFault as fatal:
            self.close(fatal)
        self._proceed()

    def give(self, consumer: Consumer, leases: Sequence[Lease]) -> None:
        """These are leased for the consumer."""
        try:
            self._channels.deliver(consumer, leases)
        except ConnectionFault as fault:
            self.close(fault)

    def stall(self, stalled: bool) -> None:
        """Whether so much waits to be written that nothing should be added."""
        self._pulse.stall(stalled)
        self._all_changed()

    def tick(self, now: float, reads: bool = True) -> None:
        """Time passes; call it twice in the shortest heartbeat. ``reads``: whether a stalled client has read since."""
        orphaned = self._channels.orphaned
        self._pulse.pass_to(now, reads=reads, listening=not self.asking, orphaned=orphaned)
        match due := self._due():
            case Due.HEARTBEAT:
                self._out.write(ALIVE)
            case Due.GONE:
                self.lost()
            case Due.END:
                self.state = State.OVER
            case Due.LATE | Due.STALLED:
                self._over(Fault(Reply.CONNECTION_FORCED, REASONS[due]))
            case Due.DEAF:
                self.close(Fault(Reply.CONNECTION_FORCED, REASONS[due]))

    def _due(self) -> Due:
        if self.state is State.OVER:
            return Due.NOTHING
        if self.state is State.CLOSING:
            return self._pulse.closing()
        return self._pulse.open(self.tuned.heartbeat) if self.state is State.OPEN else self._pulse.login()

    def look(self, waiting: int, acknowledged: int) -> bool:
        """So many octets are seen to wait, and so many did the client's host acknowledge since the connection began.
        Returns whether any came since the last look.
        """
        return self._arrival.look(self._out.written, waiting, acknowledged)

    @property
    def misses(self) -> bool:
        """Whether something had not come to the client by the last look."""
        return bool(self._arrival.missing)

    def excuse(self, now: float) -> None:
        """We stood still, or are about to break off: should the client go away now, that is no fault of its own."""
        self._pulse.excuse(now)

    def lost(self) -> None:
        """The client is gone without a word: what it had in its hands has failed, unless the fault is ours, or it never
        had it by the last look. What was written since is taken to have come: handlers may fail at once.
        """
        self._channels.end(self._loss, self._arrival.missing)
        self._out.asked, self.state = None, State.OVER

    def drain(self) -> None:
        """Hand out nothing more, and close once nothing is in hand."""
        self._draining = True
        self._all_changed()
        self._leave_if_idle()

    def close(self, fault: Fault) -> None:
        """Close the connection, for a reason that makes no failed attempt of what is in hand."""
        if self.state is State.GREETING:
            self._over(fault)
        elif self.state < State.CLOSING:
            self._over(fault)
            self.state = State.CLOSING
            self._pulse.begin_to_close()
            blamed = divmod(fault.method, 1 << 16)
            self._out.say(0, commands.Connection.Close(fault.reply, clipped(fault.said), *blamed))

    # --- What goes out ------------------------------------------------------------------------------------------------

    def take_octets(self) -> bytes:
        """What is to be written, in order."""
        if not self._out.octets:
            return b""
        octets = b"".join(self._out.octets)
        self._out.octets.clear()
        self._pulse.speak()
        return octets

    def take_actions(self) -> list[Action]:
        """What is to be done, in order."""
        actions, self._out.actions = self._out.actions, []
        return actions

    def take_wants(self) -> list[tuple[Consumer, int, int]]:
        """Consumers that want something else than before: how many messages, and how many octets. Write first."""
        changed, self._out.changed = self._out.changed, {}
        silent = self._pulse.stalled or self._draining
        return [(one, 0 if silent else self._channels.room(one), OCTETS) for one in changed]

    @property
    def asking(self) -> bool:
        """Whether an answer is waited for: until then what the client sends is only kept."""
        return self._out.asked is not None

    @property
    def _loss(self) -> Outcome:
        return Outcome.RETURNED if self._pulse.forgiven else Outcome.LOST

    @property
    def idle(self) -> bool:
        """Whether nothing is in hand."""
        return self._channels.idle

    @property
    def consumers(self) -> list[Consumer]:
        """All consumers of the connection."""
        return self._channels.consumers

    # --- How it goes on -----------------------------------------------------------------------------------------------

    def _greet(self, octets: bytes) -> bytes:
        """Take the protocol header. Returns what comes after it."""
        before = len(self._greeting)
        self._greeting = (self._greeting + octets)[: len(GREETING)]
        if not GREETING.startswith(self._greeting):
            self._out.write(GREETING)
            self._over(Fault(Reply.FRAME_ERROR, "klienten snakker ikke AMQP 0-9-1"))
        elif self._greeting == GREETING:
            self.state = State.LOGIN
            self._out.say(0, handshake.start())
        return octets[len(self._greeting) - before :]

    def _proceed(self) -> None:
        """Take frames until one asks for something that must be answered first."""
        while self._out.asked is None and self.state is not State.OVER and (frame := self._next()) is not None:
            try:
                self._take(frame)
            except ConnectionFault as fault:
                self.close(fault)
        self._leave_if_idle()

    def _next(self) -> Frame | None:
        if self._broken:
            return None
        try:
            return self._frames.take()
        except ConnectionFault as fault:
            self._broken = True
            self.close(fault)
            return None

    def _take(self, frame: Frame) -> None:
        if frame.kind == HEARTBEAT:
            if frame.channel:
                raise ConnectionFault(Reply.FRAME_ERROR, "heartbeat hører til kanal 0")
        elif self.state is State.CLOSING:
            if frame.kind == METHOD and not frame.channel:
                self._take_last(read_method(frame.payload))
        elif frame.channel and self.state is State.OPEN:
            self._channels.take(frame, self.tuned.channel_max)
        elif frame.channel or frame.kind != METHOD:
            raise ConnectionFault(Reply.UNEXPECTED_FRAME, "her ventes en metode på kanal 0")
        else:
            self._on_connection(read_method(frame.payload))

    def _take_last(self, method: Method) -> None:
        """Nothing matters any more but that the client knows."""
        if isinstance(method, commands.Connection.Close):
            self._out.say(0, commands.Connection.CloseOk())
        if isinstance(method, commands.Connection.Close | commands.Connection.CloseOk):
            self.state = State.OVER

    def _on_connection(self, method: Method) -> None:
        match method:
            case commands.Connection.Close():
                loss = Outcome.RETURNED if method.reply_code in ORDINARY else self._loss
                self._channels.end(loss, self._arrival.missing)
                self._out.say(0, commands.Connection.CloseOk())
                self.state = State.OVER
            case commands.Connection.StartOk() if self.state is State.LOGIN:
                self._out.ask(handshake.login(method))
            case commands.Connection.TuneOk() if self.state is State.TUNING:
                self.tuned = handshake.tuned(method)
                self._frames.limit = self._out.largest = self.tuned.frame_max
                self.state = State.OPENING
            case commands.Connection.Open() if self.state is State.OPENING:
                handshake.require_vhost(method)
                self._out.say(0, commands.Connection.OpenOk())
                self.state = State.OPEN
            case commands.Connection.UpdateSecret() if self.state is State.OPEN:
                self._out.ask(Renew(handshake.octets(method.new_secret)))
            case _:
                raise ConnectionFault(Reply.COMMAND_INVALID, f"{method.name} kommer utenom tur", method.index)

    def _grant(self, ask: Ask, value: Value) -> None:
        match ask:
            case Login():
                self._out.say(0, handshake.tune())
                self.state = State.TUNING
            case Renew():
                self._out.say(0, commands.Connection.UpdateSecretOk())
            case _:
                self._channels.granted(ask, value)

    # --- The end ------------------------------------------------------------------------------------------------------

    def _leave_if_idle(self) -> None:
        if self._draining and self._out.asked is None and self._channels.idle:
            self.close(Fault(Reply.CONNECTION_FORCED, "tjenesten starter på nytt: koble til igjen"))

    def _over(self, fault: Fault) -> None:
        self._channels.end(Outcome.RETURNED)
        self._out.asked = None
        self.ended, self.state = fault, State.OVER

    def _all_changed(self) -> None:
        self._out.changed.update(dict.fromkeys(self._channels.consumers))
