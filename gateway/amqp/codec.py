"""Frames and methods of AMQP 0-9-1, from octets and to octets. Knows nothing of what they ask for.

Walls off pamqp: it never meets a frame whose lengths do not add up, nor a table or text that it cannot carry. Tables of
clients are passed over undecoded, since nothing in them matters and their cost is the sender's to choose.
"""

from __future__ import annotations

import struct
from functools import cache
from itertools import groupby
from typing import NamedTuple

from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.frame import marshal

from gateway.amqp.faults import ConnectionFault, Reply

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
HEAD = struct.Struct(">BHI")
OVERHEAD = HEAD.size + len(END)
FRAME_MAX = 131_072
"""The largest frame that we take and send, in octets. The headers of every message must fit one."""
FRAME_MIN = 4096
"""The least that a client may choose as its largest frame (AMQP 0-9-1, frame-min-size)."""

SIZES = {"octet": 1, "short": 2, "long": 4, "longlong": 8}
NO_TABLE = bytes(4)
SHORTEST = 255
"""Octets of a short string, at most."""


class Frame(NamedTuple):
    """One frame, its payload not yet looked at."""

    kind: int
    channel: int
    payload: bytes


class Frames:
    """Cuts what arrives into frames of at most ``limit`` octets, which may be changed between two of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._octets = bytearray()

    def feed(self, octets: bytes) -> None:
        """More has arrived."""
        self._octets += octets

    def take(self) -> Frame | None:
        """The next frame that is whole. Raises ConnectionFault for what can never be one; then take no more."""
        if len(self._octets) < HEAD.size:
            return None
        kind, channel, size = HEAD.unpack_from(self._octets)
        if kind not in (METHOD, HEADER, BODY, HEARTBEAT):
            raise ConnectionFault(Reply.FRAME_ERROR, f"{kind} er ingen type ramme")
        if size > self.limit - OVERHEAD:
            raise ConnectionFault(
                Reply.FRAME_ERROR, f"rammen er på {size + OVERHEAD} oktetter, her er grensen {self.limit}"
            )
        end = HEAD.size + size
        if len(self._octets) <= end:
            return None
        if self._octets[end] != END[0]:
            raise ConnectionFault(Reply.FRAME_ERROR, "rammen slutter ikke med 0xCE")
        payload = bytes(self._octets[HEAD.size : end])
        del self._octets[: end + 1]
        return Frame(kind, channel, payload)


def read_method(payload: bytes) -> Method:
    """The method in the payload of a method frame, each of its tables empty. Raises ConnectionFault."""
    if len(payload) < 4:
        raise ConnectionFault(Reply.SYNTAX_ERROR, "rammen er for kort for en metode")
    index = int.from_bytes(payload[:4], "big")
    cls: type[Method] | None = commands.INDEX_MAPPING.get(index)
    if cls is None:
        raise ConnectionFault(Reply.COMMAND_INVALID, f"klasse {index >> 16} har ingen metode {index & 0xFFFF}")
    method: Method = cls.__new__(cls)  # without its defaults: some of those warn
    try:
        method.unmarshal(_without_tables(index, payload))
    except Exception as fault:  # whatever it is: another's codec, and what it is given is the client's to choose
        raise ConnectionFault(Reply.SYNTAX_ERROR, f"argumentene til {method.name} kan ikke leses", index) from fault
    return method


def _without_tables(index: int, payload: bytes) -> bytes:
    """The arguments, tables emptied. Raises ValueError or IndexError where their lengths do not add up."""
    if len(payload) - 4 == _fixed_size(index):  # most methods by far acknowledge something
        return payload[4:]
    kept, at, bits = [], 4, 0
    for kind in _kinds(index):
        begin = at
        if kind == "bit":
            at += bits % 8 == 0
            bits += 1
        else:
            bits = 0
            at += SIZES.get(kind) or _length(kind, payload, at)
        kept.append(NO_TABLE if kind == "table" else payload[begin:at])
    if at != len(payload):
        raise ValueError(f"{at} octets are told of, {len(payload)} are there")
    return b"".join(kept)


@cache
def _kinds(index: int) -> tuple[str, ...]:
    cls: type[Method] = commands.INDEX_MAPPING[index]
    return tuple(cls.amqp_type(name) for name in cls.attributes())


@cache
def _fixed_size(index: int) -> int | None:
    """The length of all arguments, where it is always the same."""
    kinds = _kinds(index)
    if any(kind != "bit" and kind not in SIZES for kind in kinds):
        return None
    runs = [(kind, len(list(run))) for kind, run in groupby(kinds)]
    return sum((number + 7) // 8 if kind == "bit" else number * SIZES[kind] for kind, number in runs)


def _length(kind: str, payload: bytes, at: int) -> int:
    if kind == "shortstr":
        return 1 + payload[at]
    if at + 4 > len(payload):
        raise ValueError("a length is cut off")
    return 4 + int.from_bytes(payload[at : at + 4], "big")


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame as octets."""
    return b"".join((HEAD.pack(kind, channel, len(payload)), payload, END))


ALIVE = frame(HEARTBEAT, 0, b"")


def method_frame(channel: int, method: Method) -> bytes:
    """A method as octets. Its texts must be short enough: see ``clipped``."""
    return marshal(method, channel)


def clipped(text: str) -> str:
    """As much of the text as a short string holds."""
    return text.encode(errors="replace")[:SHORTEST].decode(errors="ignore")
