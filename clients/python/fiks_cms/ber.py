"""Reads BER (ITU-T X.690) as it arrives, in any chunks and with bounded memory, and writes DER. Knows no schema.

A reading function is a generator: it yields each time it needs more input than has been fed, and returns what it read.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

INTEGER, OCTET_STRING, NULL, OID, SEQUENCE, SET = 0x02, 0x04, 0x05, 0x06, 0x30, 0x31
CONSTRUCTED = 0x20

DEEPEST = 24
"""Elements within each other."""
LARGEST = 64 * 1024
"""Octets of all that is kept in memory until ``Reader.forget`` is called."""

T = TypeVar("T")
Reading = Generator[None, None, T]


class NotBer(Exception):
    """The input is not BER, not what was asked for, or larger than it may be."""


def context(number: int) -> int:
    """The tag of a primitive element [number]."""
    return 0x80 | number


@dataclass(frozen=True, slots=True)
class Element:
    """A small element, read whole: its content is ``octets`` when primitive, ``parts`` when constructed."""

    tag: int
    octets: bytes = b""
    parts: tuple[Element, ...] = ()

    def __iter__(self) -> Iterator[Element]:
        return iter(self.parts)

    @property
    def der(self) -> bytes:
        """The element again, with lengths as DER writes them."""
        return encoded(self.tag, *(part.der for part in self.parts)) if self.parts else encoded(self.tag, self.octets)

    def of(self, tag: int) -> Element:
        """The element itself. Raises NotBer if it has another tag."""
        if self.tag != tag:
            raise NotBer
        return self

    def as_string(self, tag: int) -> bytes:
        """The content of an OCTET STRING with this (primitive) tag, also where it comes in parts."""
        if self.tag == tag:
            return self.octets
        return b"".join(part.as_string(OCTET_STRING) for part in self.of(tag | CONSTRUCTED).parts)


def encoded(tag: int, *contents: bytes) -> bytes:
    """An element as DER writes it."""
    return opening(tag, sum(map(len, contents))) + b"".join(contents)


def opening(tag: int, length: int) -> bytes:
    """The octets before the content of an element: its tag and its length."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets


def oid(dotted: str) -> bytes:
    """The content of an OBJECT IDENTIFIER, such as ``oid("1.2.840.113549.1.1.1")``."""
    first, second, *rest = map(int, dotted.split("."))
    return b"".join(_base_128(number) for number in (40 * first + second, *rest))


def _base_128(number: int) -> bytes:
    octets = bytearray((number & 0x7F,))
    while number := number >> 7:
        octets.insert(0, 0x80 | number & 0x7F)
    return bytes(octets)


class Reader:
    """A place in BER that arrives bit by bit. Every function raises NotBer where the input cannot be read."""

    def __init__(self) -> None:
        self._input = b""
        self._at = 0
        self._before = 0  # octets that came before self._input
        self._ends: list[tuple[float, bool]] = [(float("inf"), False)]  # the last octet; whether by end-of-contents
        self._kept_until = LARGEST

    def feed(self, data: bytes) -> None:
        """What has arrived. Only what was not read of the chunk before is kept."""
        self._input = self._input[self._at :] + data if self._at < len(self._input) else data
        self._before += self._at
        self._at = 0

    @property
    def at_end_of_input(self) -> bool:
        """Whether all that arrived was read."""
        return self._at == len(self._input)

    def forget(self) -> None:
        """What was read so far is no longer in memory: as much again may be read."""
        self._kept_until = self._position + LARGEST

    def enter(self, tag: int) -> Reading[None]:
        """Goes into a constructed element."""
        if (yield from self._head(is_kept=False)) != tag:
            raise NotBer

    def more(self) -> Reading[bool]:
        """Whether another element follows in the one that we are in; if not, leaves it."""
        end, is_open = self._ends[-1]
        if is_open:
            yield from self._need(2)
            if self._input.startswith(b"\0\0", self._at):
                self._at += 2
            else:
                return True
        elif self._position < end:
            return True
        self._ends.pop()
        return False

    def leave(self) -> Reading[None]:
        """Out of an element in which nothing may follow."""
        if (yield from self.more()):
            raise NotBer

    def element(self) -> Reading[Element]:
        """The next element, whole."""
        tag = yield from self._head(is_kept=True)
        if not tag & CONSTRUCTED:
            return Element(tag, (yield from self._octets()))
        parts = []
        while (yield from self.more()):
            parts.append((yield from self.element()))
        return Element(tag, parts=tuple(parts))

    def string(self, tag: int, into: list[bytes]) -> Reading[None]:
        """An OCTET STRING of any size with this (primitive) tag, also where it comes in parts.

        Each time that this yields or returns, ``into`` has got all its octets that have arrived, in order; the caller
        empties it.
        """
        found = yield from self._head(is_kept=False)
        if found == tag:
            yield from self._pass(into)
        elif found == tag | CONSTRUCTED:
            while (yield from self._next_part(into)):
                yield from self.string(OCTET_STRING, into)
        else:
            raise NotBer

    def skip(self) -> Reading[None]:
        """Past the next element, whatever it is and however large: only that its lengths add up is seen."""
        if (yield from self._head(is_kept=False)) & CONSTRUCTED:
            passed: list[bytes] = []
            while (yield from self._next_part(passed)):
                passed.clear()
                yield from self.skip()
        else:
            end, _ = self._ends.pop()
            while (left := int(end) - self._position) > 0:
                yield from self._need(1)
                self._at += min(left, len(self._input) - self._at)

    def _next_part(self, into: list[bytes]) -> Reading[bool]:
        """Passes the whole parts that are at hand; then as ``more``. BouncyCastle writes a part for every 1000 octets,
        so this loop decides the speed."""
        octets, at, size = self._input, self._at, len(self._input)
        limit = min(self._ends[-1][0] - self._before, size)
        while at + 4 <= limit and octets[at] == OCTET_STRING and octets[at + 1] == 0x82:
            end = at + 4 + (octets[at + 2] << 8 | octets[at + 3])
            if end > limit:
                break
            into.append(octets[at + 4 : end])
            at = end
        self._at = at
        return (yield from self.more())

    def _pass(self, into: list[bytes]) -> Reading[None]:
        """The rest of the primitive element that we are in, as it arrives."""
        end, _ = self._ends.pop()
        while (left := int(end) - self._position) > 0:
            yield from self._need(1)
            piece = self._input[self._at : self._at + left]
            self._at += len(piece)
            into.append(piece)

    def _octets(self) -> Reading[bytes]:
        end, _ = self._ends.pop()
        length = int(end) - self._position
        yield from self._need(length)
        self._at += length
        return self._input[self._at - length : self._at]

    def _head(self, is_kept: bool) -> Reading[int]:
        """The tag of the next element, into which we go."""
        yield from self._need(2)
        tag, first = self._input[self._at], self._input[self._at + 1]
        self._at += 2
        if tag == 0 or tag & 0x1F == 0x1F or len(self._ends) > DEEPEST:
            raise NotBer
        limit, is_open = self._ends[-1][0], first == 0x80
        if is_open and not tag & CONSTRUCTED:
            raise NotBer
        end = limit if is_open else (yield from self._length(first)) + self._position
        if end > limit or (is_kept and (self._position if is_open else end) > self._kept_until):
            raise NotBer
        self._ends.append((end, is_open))
        return tag

    def _length(self, first: int) -> Reading[int]:
        if first < 0x80:
            return first
        octets = first & 0x7F
        if octets > 8:
            raise NotBer
        yield from self._need(octets)
        self._at += octets
        return int.from_bytes(self._input[self._at - octets : self._at])

    def _need(self, octets: int) -> Reading[None]:
        end, _ = self._ends[-1]
        if self._position + octets > end:
            raise NotBer
        while len(self._input) - self._at < octets:
            yield

    @property
    def _position(self) -> int:
        return self._before + self._at
