"""A message as frames: the method that hands it out, its header, its body. Written by hand: each message passes here,
and pamqp would cut the names of headers at 128 octets.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from gateway.amqp.codec import BODY, HEADER, METHOD, OVERHEAD, frame
from gateway.amqp.deliveries import Melding
from gateway.amqp.faults import ConnectionFault, Reply

DELIVER, GET_OK = 0x003C003C, 0x003C0047
BASIC = 60
HEADERS, DELIVERY_MODE, EXPIRATION = 1 << 13, 1 << 12, 1 << 8
PERSISTENT = b"\x02"
LONG_STRING = b"S"


def delivered(tag: int, consumer: str, queue: str, redelivered: bool) -> bytes:
    """The payload of basic.deliver: from the default exchange, by the name of the queue."""
    return b"".join(
        (struct.pack(">I", DELIVER), short(consumer), struct.pack(">QB", tag, redelivered), short(""), short(queue))
    )


def got(tag: int, queue: str, redelivered: bool, left: int) -> bytes:
    """The payload of basic.get-ok, with so many messages left in the queue."""
    return b"".join(
        (
            struct.pack(">IQB", GET_OK, tag, redelivered),
            short(""),
            short(queue),
            struct.pack(">I", min(left, 2**32 - 1)),
        )
    )


def message(channel: int, method: bytes, melding: Melding, largest: int) -> list[bytes]:
    """The frames of a message, none of them over ``largest`` octets. Raises ConnectionFault if its header is."""
    header = _header(melding)
    if len(header) + OVERHEAD > largest:
        raise ConnectionFault(
            Reply.RESOURCE_ERROR,
            f"headerne til neste melding trenger rammer på {len(header) + OVERHEAD} oktetter, du har valgt {largest}",
        )
    room = largest - OVERHEAD
    body = (melding.body[at : at + room] for at in range(0, len(melding.body), room))
    return [
        frame(METHOD, channel, method),
        frame(HEADER, channel, header),
        *(frame(BODY, channel, piece) for piece in body),
    ]


def _header(melding: Melding) -> bytes:
    flags, properties = HEADERS | DELIVERY_MODE, [_table(melding.headers), PERSISTENT]
    if melding.expiration is not None:
        flags |= EXPIRATION
        properties.append(short(str(melding.expiration)))
    return struct.pack(">HHQH", BASIC, 0, len(melding.body), flags) + b"".join(properties)


def _table(headers: Mapping[str, str]) -> bytes:
    """Every value as a long string: the published clients can choke on any other."""
    entries = b"".join(
        short(name) + LONG_STRING + len(octets := value.encode()).to_bytes(4, "big") + octets
        for name, value in headers.items()
    )
    return len(entries).to_bytes(4, "big") + entries


def short(text: str) -> bytes:
    """A short string. Raises OverflowError over 255 octets."""
    octets = text.encode()
    return len(octets).to_bytes(1, "big") + octets
