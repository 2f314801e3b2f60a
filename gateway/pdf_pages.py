"""How many pages a PDF has, by the root of its page tree (ISO 32000-1, 7.5.4, 7.5.7, 7.5.8 and 7.7.3).

Sans-IO like ``gateway.pdf``: what it needs of the file it asks for by ranges. What a reader would have to guess or to
mend is not told.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gateway.pdf_syntax import STREAM, Dictionary, dictionary

T = TypeVar("T")
Range = tuple[int, int]
Reading = Generator[Range, bytes, T]
"""Yields ranges (offset, length) of the file, expects their bytes, fewer at its end, and returns a T."""

WINDOW = 1 << 16
"""Bytes asked for at a time; no dictionary that is looked at is longer."""
MOST_ASKED = 512
MOST_INFLATED = 2 << 20
ENTRY = 20
"""Bytes of an entry of a cross-reference table."""

_SUBSECTION = re.compile(rb"[\0\s]*(\d{1,10})[\0\s]+(\d{1,10})[\0\s]+")
_IN_USE = re.compile(rb"(\d{10}) \d{5} n")
_OBJECT = re.compile(rb"[\0\s]*(\d{1,10})[\0\s]+\d{1,5}[\0\s]+obj[\0\s]*")
_REFERENCE = re.compile(rb"(\d{1,10}) \d{1,5} R")
_WHOLE = re.compile(rb"[+-]?\d{1,10}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object stands: at an offset of the file, or as the nth in an object stream."""

    offset: int = 0
    container: int | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A cross-reference section: where the entries of its table or the bytes of its stream begin, and its trailer."""

    at: int
    is_stream: bool
    trailer: Dictionary


@dataclass(frozen=True, slots=True)
class File:
    """A file of so many bytes, the header at ``begin``, and its sections, the newest first."""

    size: int
    begin: int
    sections: Sequence[Section]


def count_pages(file: File) -> Reading[int | None]:
    """The number of pages; None when that cannot be told, also where it takes too much reading."""
    counting = _count(file)
    try:
        asked = next(counting)
        for _ in range(MOST_ASKED):
            asked = counting.send((yield asked))
    except StopIteration as end:
        count: int | None = end.value
        return count
    return None


def _count(file: File) -> Reading[int | None]:
    catalog = yield from _referred(file, file.sections[0].trailer, b"Root")
    pages = (yield from _referred(file, catalog, b"Pages")) if catalog else None
    count = _WHOLE.fullmatch(pages.get(b"Count", b"")) if pages else None
    return int(count[0]) if count else None


def _referred(file: File, of: Dictionary, name: bytes) -> Reading[Dictionary | None]:
    """The dictionary that an entry refers to."""
    reference = _REFERENCE.fullmatch(of.get(name, b""))
    if reference is None:
        return None
    number = int(reference[1])
    place = yield from _place(file, number)
    if place is None:
        return None
    if place.container is None:
        return dictionary((yield from _object(file, number, place.offset))[0])
    return (yield from _contained(file, number, place.container, place.index))


def _object(file: File, number: int, offset: int) -> Reading[tuple[bytes, int]]:
    """What stands behind ``number 0 obj`` at ``offset``, which some count from the header, and where; else nothing."""
    for start in dict.fromkeys((offset, offset + file.begin)):
        if start < file.size:
            text = yield start, WINDOW
            if (head := _OBJECT.match(text)) and int(head[1]) == number:
                return text[head.end() :], start + head.end()
    return b"", 0


def _contained(file: File, number: int, container: int, index: int) -> Reading[Dictionary | None]:
    """The dictionary of an object that stands as the nth in an object stream."""
    place = yield from _place(file, container)
    if place is None or place.container is not None:
        return None
    text, at = yield from _object(file, container, place.offset)
    said, begins = dictionary(text), STREAM.search(text)
    if not said or not begins:
        return None
    content = yield from _inflated(file, at + begins.end(), said, MOST_INFLATED)
    first = max(_number(said, b"First") or 0, 0)
    told, offset = [*_numbers(content[: min(first, WINDOW)])[2 * index : 2 * index + 2], 0, 0][:2]
    return dictionary(content[first + offset :][:WINDOW]) if told == number else None


def _place(file: File, number: int) -> Reading[Place | None]:
    """Where the newest section that names the object says that it stands."""
    for section in file.sections:
        lookup = _in_stream if section.is_stream else _in_table
        found, place = yield from lookup(file, section, number)
        if found:
            return place
    return None


def _in_table(file: File, section: Section, number: int) -> Reading[tuple[bool, Place | None]]:
    at = section.at
    while at < file.size and (head := _SUBSECTION.match((yield at, 64))):
        first, count = int(head[1]), int(head[2])
        at += head.end()
        if first <= number < first + count:
            entry = _IN_USE.match((yield at + ENTRY * (number - first), ENTRY))
            return True, Place(int(entry[1])) if entry else None
        at += ENTRY * count
    return False, None


def _in_stream(file: File, section: Section, number: int) -> Reading[tuple[bool, Place | None]]:
    said = section.trailer
    widths = _numbers(said.get(b"W", b""))
    row = _row(_numbers(said.get(b"Index", b"")) or [0, _number(said, b"Size") or 0], number)
    if row is None:
        return False, None
    if len(widths) != 3 or not 0 < sum(widths) <= 32 or min(widths) < 0:
        return True, None
    step = sum(widths) + (1 if _is_predicted(said) else 0)
    if (row + 1) * step > MOST_INFLATED:
        return True, None
    rows = yield from _inflated(file, section.at, said, (row + 1) * step)
    cells = _cells(rows, row, step, predicted=_is_predicted(said))
    if cells is None:
        return True, None
    kind, second, third = _split(cells, widths)
    if widths[0] and kind not in (1, 2):
        return True, None
    return True, Place(container=second, index=third) if widths[0] and kind == 2 else Place(second)


def _row(index: Sequence[int], number: int) -> int | None:
    """Which row is the object's, by pairs of a first number and a count."""
    passed = 0
    for first, count in zip(index[::2], index[1::2], strict=False):
        if first <= number < first + count:
            return passed + number - first
        passed += max(count, 0)
    return None


def _cells(rows: bytes, row: int, step: int, *, predicted: bool) -> bytes | None:
    """The bytes of a row; where each begins with its predictor those of PNG's Up and None alone (RFC 2083, 6)."""
    if len(rows) < (row + 1) * step:
        return None
    if not predicted:
        return rows[row * step : (row + 1) * step]
    kinds = rows[: (row + 1) * step : step]
    begin = max(kinds.rfind(b"\0"), 0)
    if kinds[begin:].strip(b"\2").strip(b"\0"):
        return None
    columns = (rows[begin * step + column : (row + 1) * step : step] for column in range(1, step))
    return bytes(sum(column) & 255 for column in columns)


def _split(cells: bytes, widths: Sequence[int]) -> tuple[int, int, int]:
    first, second = widths[0], widths[0] + widths[1]
    kind, one, other = cells[:first], cells[first:second], cells[second:]
    return int.from_bytes(kind), int.from_bytes(one), int.from_bytes(other)


def _is_predicted(said: Dictionary) -> bool:
    parameters = dictionary(said.get(b"DecodeParms", b"").strip(b"[] ")) or {}
    return (_number(parameters, b"Predictor") or 1) >= 10


def _inflated(file: File, at: int, said: Dictionary, wanted: int) -> Reading[bytes]:
    """So many bytes of a stream as it was before it was compressed, fewer where it ends or cannot be read."""
    coded = said.get(b"Filter", b"").strip(b"[] ")
    if coded not in (b"", b"/FlateDecode"):
        return b""
    end = min(file.size, at + (_number(said, b"Length") or file.size))
    unpacking, found = zlib.decompressobj(), b""
    while at < end and len(found) < wanted and not unpacking.eof:
        packed = yield at, min(WINDOW, end - at)
        if not packed:
            break
        at += len(packed)
        try:
            found += unpacking.decompress(packed, wanted - len(found)) if coded else packed
        except zlib.error:
            return b""
    return found[:wanted]


def _number(said: Dictionary, name: bytes) -> int | None:
    whole = _WHOLE.fullmatch(said.get(name, b""))
    return int(whole[0]) if whole else None


def _numbers(text: bytes) -> list[int]:
    """Those of an array; none where it holds anything else."""
    parts = text.strip(b"[]").split()
    return [int(one) for one in parts] if all(map(_WHOLE.fullmatch, parts)) else []
