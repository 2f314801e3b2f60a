"""Which bytes of a representation a Range header asks for, and how several ranges are framed. RFC 9110, 14. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST = 32
"""Ranges in one header. Who asks for more gets the whole representation."""

_SET = re.compile(r"bytes=(.*)", re.ASCII | re.IGNORECASE)
_ONE = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Bytes ``first`` to ``last`` of a representation, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1

    def content_range(self, size: int) -> str:
        """The value of Content-Range, where the whole representation has ``size`` bytes."""
        return f"bytes {self.first}-{self.last}/{size}"


def wanted(header: str | None, size: int, *, if_range: str | None = None, etag: str = "") -> Sequence[Range] | None:
    """The ranges to send of a representation of ``size`` bytes, none of which overlap, in the order asked for.

    None: send it whole (200), as no range was asked for, or not in a way that must be obeyed, or ``if_range`` is not
    the strong ``etag`` (a date never is). Empty: no range can be satisfied (416, and Content-Range: bytes */size). To
    be called for GET alone. An empty representation is always sent whole.
    """
    if header is None or not size or (if_range is not None and not _is_same(if_range.strip(), etag)):
        return None
    found = _SET.fullmatch(header.strip())
    specs = [spec for part in found[1].split(",") if (spec := part.strip(" \t"))] if found else []
    if not 0 < len(specs) <= MOST:
        return None
    ranges = []
    for spec in specs:
        if (one := _ONE.fullmatch(spec)) is None or _is_backwards(*one.groups()):
            return None
        if (satisfied := _satisfied(*one.groups(), size=size)) is not None:
            ranges.append(satisfied)
    apart = _coalesced(ranges)
    return ranges if len(apart) == len(ranges) else apart


@dataclass(frozen=True, slots=True)
class Framing:
    """A body of several ranges: before the bytes of each range its head, after the last one the end."""

    content_type: str
    heads: Sequence[bytes]
    end: bytes
    length: int
    """Content-Length: of all of it, the bytes of the ranges too."""


def framing(ranges: Sequence[Range], size: int, content_type: str, boundary: str) -> Framing:
    """multipart/byteranges. ``content_type`` is that of the whole, ``boundary`` a token not found in it."""
    line = f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: "
    heads = [f"{line}{part.content_range(size)}\r\n\r\n".encode() for part in ranges]
    heads[1:] = [b"\r\n" + head for head in heads[1:]]
    end = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(part.length for part in ranges) + len(end)
    return Framing(f"multipart/byteranges; boundary={boundary}", heads, end, length)


def _is_same(tag: str, etag: str) -> bool:
    return tag == etag and tag.startswith('"')


def _is_backwards(first: str | None, last: str | None, _suffix: str | None) -> bool:
    return bool(first and last) and _magnitude(first) > _magnitude(last)


def _satisfied(first: str | None, last: str | None, suffix: str | None, *, size: int) -> Range | None:
    if first is None:
        length = min(_number(suffix), size)
        return Range(size - length, size - 1) if length else None
    begin = _number(first)
    end = min(_number(last), size - 1) if last else size - 1
    return Range(begin, end) if begin < size else None


def _magnitude(digits: str | None) -> tuple[int, str]:
    """By which numbers of any length are ordered."""
    digits = (digits or "").lstrip("0")
    return len(digits), digits


def _number(digits: str | None) -> int:
    """Of any length: what is larger than any representation may be as large as it likes."""
    length, digits = _magnitude(digits)
    return int(digits or "0") if length < 20 else 10**20


def _coalesced(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes, in order, each once."""
    apart: list[Range] = []
    for part in sorted(ranges):
        if apart and part.first <= apart[-1].last:
            apart[-1] = Range(apart[-1].first, max(apart[-1].last, part.last))
        else:
            apart.append(part)
    return apart
