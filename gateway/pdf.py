"""Whether a file is a PDF that can be opened without a password, by its structure alone (ISO 32000-1, 7.5).

Pure, and in Python on purpose: what it reads comes from strangers. It never holds more than a window of the file.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from schemas.svarut import Feilkode

Range = tuple[int, int]
Inspection = Generator[Range, bytes, Feilkode | None]

HEAD = 1024
"""The header must begin within this (Annex H, note 13)."""
TAIL = 1024
"""``%%EOF`` must lie within this (note 18)."""
WINDOW = 1 << 16
"""Bytes asked for at a time; no trailer dictionary is longer."""
MOST_WINDOWS = 512
MOST_REVISIONS = 32

_STARTXREF = re.compile(rb"startxref\s+(\d{1,12})\s+%%EOF")
_XREF_TABLE = re.compile(rb"\s*xref\b")
_XREF_STREAM = re.compile(rb"\s*\d{1,10}\s+\d{1,5}\s+obj\s*(?=<<)")
_TRAILER = re.compile(rb"trailer\s*(?=<<)")
_TOKEN = re.compile(
    rb"[\0\s]*(?:%[^\r\n]*|(?P<value>/?[^\0\s()<>\[\]{}/%]+|<[^<>]*>|/)|(?P<open><<|\[)|(?P<close>>>|\])|(?P<text>\())"
)
_PARENTHESIS = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_NESTED = b"[]"


def inspect(size: int, head: bytes, tail: bytes) -> Inspection:
    """What is wrong with the file, if anything.

    ``head`` and ``tail`` are its first and last kilobyte or more. Yields the ranges (offset, length) that must be read,
    expects their bytes (shorter at the end of the file), returns the fault.
    """
    begin = head[:HEAD].find(b"%PDF-")
    tail = tail[-2 * TAIL :]
    ends = list(_STARTXREF.finditer(tail))
    if begin < 0 or not ends or len(tail) - ends[-1].end() > TAIL:
        return Feilkode.UGYLDIG_PDF
    newest = yield from _trailer(size, begin, int(ends[-1][1]))
    if newest is None:
        return Feilkode.UGYLDIG_PDF
    trailer: dict[bytes, bytes] | None = newest
    seen: set[bytes] = set()
    while trailer is not None:
        if trailer.get(b"Encrypt", b"null") != b"null":
            return Feilkode.PASSORDBESKYTTET_PDF
        previous = trailer.get(b"Prev", b"")
        if not previous.isdigit() or previous in seen or len(seen) == MOST_REVISIONS:
            return None
        seen.add(previous)
        trailer = yield from _trailer(size, begin, int(previous[:12]))
    return None


def _trailer(size: int, begin: int, offset: int) -> Generator[Range, bytes, dict[bytes, bytes] | None]:
    """The trailer dictionary of the cross-reference section at ``offset``, which some count from the header."""
    for start in dict.fromkeys((offset, offset + begin)):
        if start >= size:
            return None
        section = yield start, WINDOW
        if stream := _XREF_STREAM.match(section):
            found = _dictionary(section[stream.end() :])
            return found if found and found.get(b"Type") == b"/XRef" else None
        if _XREF_TABLE.match(section):
            return (yield from _after_table(size, start))
    return None


def _after_table(size: int, start: int) -> Generator[Range, bytes, dict[bytes, bytes] | None]:
    """Looks for the trailer behind a cross-reference table, however long that is."""
    overlap = 16
    for window in range(MOST_WINDOWS):
        at = start + window * (WINDOW - overlap)
        if at >= size:
            return None
        if found := _TRAILER.search((yield at, WINDOW)):
            return _dictionary((yield at + found.end(), WINDOW))
    return None


def _dictionary(text: bytes) -> dict[bytes, bytes] | None:
    """The entries of the dictionary that ``text`` begins with; what nests is not told. None when it does not end."""
    tokens = list(_tokens(text))
    if not tokens or tokens.pop() != b">>":
        return None
    entries, at = {}, 1
    while at + 1 < len(tokens):
        key, value = tokens[at], tokens[at + 1]
        entries[_ESCAPE.sub(lambda code: bytes([int(code[1], 16)]), key.removeprefix(b"/"))] = value
        is_reference = tokens[at + 3 : at + 4] == [b"R"]
        at += 4 if is_reference else 2
    return entries


def _tokens(text: bytes) -> Iterator[bytes]:
    """The tokens of the outermost dictionary, from ``<<`` to ``>>``; what nests in it comes as one token."""
    depth, at = 0, 0
    while token := _TOKEN.match(text, at):
        at = token.end()
        match token.lastgroup:
            case "open":
                depth += 1
                if depth < 3:
                    yield token[token.lastgroup] if depth == 1 else _NESTED
            case "close":
                depth -= 1
                if depth == 0:
                    yield b">>"
                    return
            case "text":
                at = _end_of_text(text, at)
                if depth == 1:
                    yield _NESTED
            case "value" if depth == 1:
                yield token[token.lastgroup]


def _end_of_text(text: bytes, at: int) -> int:
    """Where the literal string ends whose opening parenthesis is behind us."""
    depth = 1
    for found in _PARENTHESIS.finditer(text, at):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)
