"""Whether a file is a PDF that can be opened without a password and has the pages that are spoken of, by its structure
alone (ISO 32000-1, 7.5).

Pure, and in Python on purpose: what it reads comes from strangers. It never holds more than a window of the file, and
what one inflates (``gateway.pdf_pages``).
"""

from __future__ import annotations

import re

from gateway.pdf_pages import WINDOW, File, Reading, Section, count_pages
from gateway.pdf_syntax import STREAM, dictionary
from schemas.svarut import Feilkode

HEAD = 1024
"""The header must begin within this (Annex H, note 13)."""
TAIL = 1024
"""``%%EOF`` must lie within this (note 18)."""
MOST_WINDOWS = 512
MOST_REVISIONS = 32

_STARTXREF = re.compile(rb"startxref\s+(\d{1,12})\s+%%EOF")
_XREF_TABLE = re.compile(rb"\s*xref\b")
_XREF_STREAM = re.compile(rb"\s*\d{1,10}\s+\d{1,5}\s+obj\s*(?=<<)")
_TRAILER = re.compile(rb"trailer\s*(?=<<)")


def inspect(size: int, head: bytes, tail: bytes, highest: int = 1) -> Reading[Feilkode | None]:
    """What is wrong with the file, if anything. ``highest`` is the last page that is spoken of, from 1.

    ``head`` and ``tail`` are its first and last kilobyte or more. Yields the ranges (offset, length) that must be read,
    expects their bytes (shorter at the end of the file), returns the fault. How many pages there are is no fault where
    that cannot be told.
    """
    begin = head[:HEAD].find(b"%PDF-")
    tail = tail[-2 * TAIL :]
    ends = list(_STARTXREF.finditer(tail))
    if begin < 0 or not ends or len(tail) - ends[-1].end() > TAIL:
        return Feilkode.UGYLDIG_PDF
    sections: list[Section] = []
    seen: set[bytes] = set()
    at = ends[-1][1]
    while at.isdigit() and at not in seen and len(sections) <= MOST_REVISIONS:
        seen.add(at)
        section = yield from _section(size, begin, int(at[:12]))
        if section is None:
            break
        if section.trailer.get(b"Encrypt", b"null") != b"null":
            return Feilkode.PASSORDBESKYTTET_PDF
        sections.append(section)
        at = section.trailer.get(b"Prev", b"")
    if not sections:
        return Feilkode.UGYLDIG_PDF
    pages = yield from count_pages(File(size, begin, sections))
    if pages is None or pages >= max(highest, 1):
        return None
    return Feilkode.UGYLDIG_PDF if pages < 1 else Feilkode.KAN_IKKE_SKRIVES_UT


def _section(size: int, begin: int, offset: int) -> Reading[Section | None]:
    """The cross-reference section at ``offset``, which some count from the header."""
    for start in dict.fromkeys((offset, offset + begin)):
        if start >= size:
            return None
        text = yield start, WINDOW
        if stream := _XREF_STREAM.match(text):
            found, content = dictionary(text[stream.end() :]), STREAM.search(text)
            if found is None or found.get(b"Type") != b"/XRef" or content is None:
                return None
            return Section(start + content.end(), True, found)
        if table := _XREF_TABLE.match(text):
            return (yield from _table(size, start + table.end()))
    return None


def _table(size: int, start: int) -> Reading[Section | None]:
    """The section whose table begins at ``start``: looks for the trailer behind it, however long it is."""
    overlap = 16
    for window in range(MOST_WINDOWS):
        at = start + window * (WINDOW - overlap)
        if at >= size:
            return None
        if found := _TRAILER.search((yield at, WINDOW)):
            trailer = dictionary((yield at + found.end(), WINDOW))
            return Section(start, False, trailer) if trailer is not None else None
    return None
