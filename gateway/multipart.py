"""Reads a multipart body part by part as it arrives, with bounded memory. RFC 7578; knows nothing of forsendelser."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from aiohttp import web
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from schemas.errors import Unreadable

Read = Callable[[], Awaitable[bytes]]

# The extended notation has no quotes, so it is never mistaken for something inside a quoted name. RFC 5987, 3.2.1.
_EXTENDED = re.compile(r";\s*filename\*\s*=\s*([\w-]+)'[\w-]*'([^\s;\"]*)\s*(?=;|$)", re.ASCII | re.IGNORECASE)
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}
LINE, END, PADDING = b"\r\n", b"--", b" \t"
"""What follows a delimiter: a line, behind what some transport may have put there, or the end (RFC 2046, 5.1.1)."""
LARGEST_HEAD = 32 << 10
HEADS = 64
"""Heads whose meaning is remembered."""
DAMAGED = "Ugyldig innhold: kallet er ikke fullstendig eller ikke gyldig multipart"


@dataclass(frozen=True, slots=True)
class Part:
    """The head of a part. ``filename`` is in Unicode form NFC, ``content_type`` in lower case without options."""

    name: str
    filename: str | None
    charset: str | None
    content_type: str | None


class Multipart:
    """The parts of one body, in order. ``read`` gives the next chunk, b"" at the end.

    Raises Unreadable wherever the body is not what it says it is, ends too early included. Of a body the library reads
    the heads alone: whether it sees a delimiter, or minds a line break, depends on where chunks end.
    """

    def __init__(self, content_type: str, read: Read) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get("boundary", "").encode(errors="surrogateescape")
        if kind != "multipart/form-data" or not boundary or b"\n" in boundary or b"\r" in boundary:
            raise Unreadable("Ugyldig innhold: kallet må være multipart/form-data med boundary")
        self._delimiter = b"\r\n--" + boundary
        self._read = read
        self._seen = b"\r\n"  # a delimiter begins with a line break, also where the body begins with it
        self._left: int | None = None
        self._is_in_content = True  # before the first delimiter anything may stand (RFC 2046, 5.1.1)
        self._has_ended = False

    async def next_part(self) -> Part | None:
        """The next part, None after the last one. What was not read of the part before is skipped."""
        async for _ in self.content():
            pass
        if self._has_ended:
            return None
        while len(self._seen) < len(END):
            await self._more()
        if self._seen.startswith(END):
            self._has_ended = True
            while await self._read():
                pass  # behind the last delimiter anything may stand too; a body that does not end is not all there
            return None
        self._seen = self._seen.lstrip(PADDING)
        while len(self._seen) < len(LINE):
            await self._more()
            self._seen = self._seen.lstrip(PADDING)
        if self._take(len(LINE)) != LINE:
            raise Unreadable(DAMAGED)
        part, self._left = _part(await self._head())
        self._is_in_content = True
        return part

    async def content(self) -> AsyncIterator[bytes]:
        """The content of the part that ``next_part`` gave, in chunks as they arrive."""
        while self._is_in_content:
            at = self._seen.find(self._delimiter)
            self._is_in_content = at < 0
            chunk = self._take(self._safe() if self._is_in_content else at)
            if not self._is_in_content:
                self._take(len(self._delimiter))
            self._count(len(chunk))
            if chunk:
                yield chunk
            if self._is_in_content:
                await self._more()

    @property
    def more_comes(self) -> bool:
        """Whether there may be more of the content than was given by now."""
        return self._is_in_content

    async def whole(self, most: int) -> bytes:
        """The content of the part that ``next_part`` gave. Raises HTTPRequestEntityTooLarge above ``most`` bytes."""
        content = bytearray()
        async for chunk in self.content():
            content += chunk
            if len(content) > most:
                raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(content))
        return bytes(content)

    async def _head(self) -> bytes:
        while (end := self._seen.find(LINE + LINE)) < 0 and len(self._seen) < LARGEST_HEAD + len(LINE + LINE):
            await self._more()
        if not 0 <= end <= LARGEST_HEAD:
            raise Unreadable(DAMAGED)
        return self._take(end + len(LINE + LINE))

    async def _more(self) -> None:
        if not (chunk := await self._read()):
            raise Unreadable(DAMAGED)
        self._seen += chunk

    def _take(self, count: int) -> bytes:
        taken, self._seen = self._seen[:count], self._seen[count:]
        return taken

    def _safe(self) -> int:
        """How much of what was seen cannot belong to a delimiter of which the rest is to come."""
        at = self._seen.rfind(b"\r", max(0, len(self._seen) - len(self._delimiter) + 1))
        return at if at >= 0 and self._delimiter.startswith(self._seen[at:]) else len(self._seen)

    def _count(self, octets: int) -> None:
        """Raises Unreadable where a part has another length than its head says."""
        if self._left is not None:
            self._left -= octets
            if self._left < 0 or (self._left and not self._is_in_content):
                raise Unreadable(DAMAGED)


@lru_cache(HEADS)
def _part(head: bytes) -> tuple[Part, int | None]:
    """What the head of a part says, and how long its content is by it. A client writes the same again and again."""
    segment = _segment(head)
    length = segment.header("Content-Length")
    part = Part(_text(segment.name), _filename(segment), segment.charset, segment.content_type)
    return part, None if length is None else int(length)


def _segment(head: bytes) -> MultipartSegment:
    # Header text arrives in UTF-8 or ISO-8859-1, whatever the client's library likes: see _text.
    try:
        [segment] = PushMultipartParser("x", header_charset="latin-1").parse(b"--x\r\n" + head)
    except MultipartError as fault:
        raise Unreadable(DAMAGED) from fault
    return segment


def _filename(segment: MultipartSegment) -> str | None:
    """``filename*`` before ``filename``: who sends both puts ``_`` for each letter beyond ASCII in the latter."""
    disposition = next(value for name, value in segment.headerlist if name == "Content-Disposition")
    for charset, value in _EXTENDED.findall(disposition):
        if known := _CHARSETS.get(charset.lower()):
            return nfc(unquote_to_bytes(value).decode(known, "replace"))
    return None if segment.filename is None else nfc(_text(segment.filename))


def nfc(name: str) -> str:
    """The name in Unicode form NFC, in which names are compared: some systems take letters apart."""
    return unicodedata.normalize("NFC", name)


def _text(latin: str) -> str:
    raw = latin.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return latin
