"""The beginning of a connection: what we offer, and what a client may choose. AMQP 0-9-1, 2.2.4 and 4.2.2. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pamqp import commands
from pamqp.common import FieldTable

from gateway.amqp.actions import Login
from gateway.amqp.codec import FRAME_MAX, FRAME_MIN
from gateway.amqp.faults import ConnectionFault, Reply

GREETING = b"AMQP\x00\x00\x09\x01"
LOGIN_MAX = 65_536
"""The largest frame before login: a password of any length that a token can bring with it."""
CHANNEL_MAX = 32
HEARTBEAT = 60
"""Seconds; a client may choose any other, or 0 for none."""
VHOSTS = ("/", "")
"""All name the only one there is: clients in C read it from the path of a URL."""
CAPABILITIES = {
    "publisher_confirms": True,  # some clients connect to nobody who has it not; see ``methods``
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "per_consumer_qos": True,
    "authentication_failure_close": True,
}


@dataclass(frozen=True, slots=True)
class Tuned:
    """The limits that both have agreed on."""

    channel_max: int = CHANNEL_MAX
    frame_max: int = FRAME_MAX
    heartbeat: int = HEARTBEAT


def start() -> commands.Connection.Start:
    """What we can do, in answer to the protocol header."""
    properties: FieldTable = {"product": "Fiks", "platform": "Python", "capabilities": {**CAPABILITIES}}
    return commands.Connection.Start(0, 9, properties, "PLAIN", "en_US")


def login(method: commands.Connection.StartOk) -> Login:
    """Who the client says it is. Raises ConnectionFault for any other way than SASL PLAIN (RFC 4616)."""
    if method.mechanism != "PLAIN":
        raise ConnectionFault(Reply.COMMAND_INVALID, "logg inn med mekanismen PLAIN", method.index)
    parts = octets(method.response).split(b"\0")
    if len(parts) != 3:
        raise ConnectionFault(Reply.SYNTAX_ERROR, "PLAIN er tre deler med oktetten 0 imellom", method.index)
    return Login(parts[1], parts[2])


def tune() -> commands.Connection.Tune:
    """The limits that we offer."""
    return commands.Connection.Tune(CHANNEL_MAX, FRAME_MAX, HEARTBEAT)


def tuned(method: commands.Connection.TuneOk) -> Tuned:
    """What the client chose of it; 0 is what we offered. Raises ConnectionFault when it is more."""
    channel_max, frame_max = method.channel_max or CHANNEL_MAX, method.frame_max or FRAME_MAX
    if channel_max > CHANNEL_MAX:
        raise ConnectionFault(Reply.NOT_ALLOWED, f"channel_max kan være {CHANNEL_MAX}", method.index)
    if not FRAME_MIN <= frame_max <= FRAME_MAX:
        raise ConnectionFault(Reply.NOT_ALLOWED, f"frame_max kan være fra {FRAME_MIN} til {FRAME_MAX}", method.index)
    return Tuned(channel_max, frame_max, method.heartbeat)


def require_vhost(method: commands.Connection.Open) -> None:
    """Raises ConnectionFault for any but ours."""
    if method.virtual_host not in VHOSTS:
        raise ConnectionFault(Reply.NOT_ALLOWED, "vhost er '/'", method.index)


def octets(text: str | bytes | None) -> bytes:
    """A long string as it came: pamqp gives text where it is UTF-8."""
    return text if isinstance(text, bytes) else (text or "").encode()
