"""Reads a multipart body part by part as it arrives, with bounded memory. RFC 7578; knows nothing of forsendelser."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from schemas.errors import Unreadable

Read = Callable[[], Awaitable[bytes]]

# The extended notation has no quotes, so it is never mistaken for something inside a quoted name. RFC 5987, 3.2.1.
_EXTENDED = re.compile(r";\s*filename\*\s*=\s*([\w-]+)'[\w-]*'([^\s;\"]*)\s*(?=;|$)", re.ASCII | re.IGNORECASE)
_CHARSETS = {"utf-8": "utf-8", "iso-8859-1": "latin-1"}


@dataclass(frozen=True, slots=True)
class Part:
    """The head of a part. ``filename`` is in Unicode form NFC, ``content_type`` in lower case without options."""

    name: str
    filename: str | None
    charset: str | None
    content_type: str | None


class Multipart:
    """The parts of one body, in order. ``read`` gives the next chunk, b"" at the end.

    Raises Unreadable wherever the body is not what it says it is, ends too early included.
    """

    def __init__(self, content_type: str, read: Read) -> None:
        kind, options = parse_options_header(content_type)
        if kind != "multipart/form-data" or not options.get("boundary"):
            raise Unreadable("Ugyldig innhold: kallet må være multipart/form-data med boundary")
        # Header text arrives in UTF-8 or ISO-8859-1, whatever the client's library likes: see _text.
        self._parser = PushMultipartParser(options["boundary"], header_charset="latin-1")
        self._read = read
        self._events: Iterator[Any] = iter(())

    async def next_part(self) -> Part | None:
        """The next part, None after the last one. What was not read of the part before is skipped."""
        while not self._parser.closed:
            for event in self._events:
                if isinstance(event, MultipartSegment):
                    return Part(_text(event.name), _filename(event), event.charset, event.content_type)
            await self._more()
        return None

    async def content(self) -> AsyncIterator[bytes]:
        """The content of the part that ``next_part`` gave, in chunks as they arrive."""
        while not self._parser.closed:
            for event in self._events:
                if event is None:
                    return
                yield event
            await self._more()

    async def whole(self, most: int) -> bytes:
        """The content of the part that ``next_part`` gave. Raises HTTPRequestEntityTooLarge above ``most`` bytes."""
        content = bytearray()
        async for chunk in self.content():
            content += chunk
            if len(content) > most:
                raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=len(content))
        return bytes(content)

    async def _more(self) -> None:
        self._events = self._parsed(await self._read())

    def _parsed(self, chunk: bytes) -> Iterator[Any]:
        """Segments, chunks of their content, and None at the end of each."""
        try:
            yield from self._parser.parse(chunk)
        except MultipartError as fault:
            raise Unreadable("Ugyldig innhold: kallet er ikke fullstendig eller ikke gyldig multipart") from fault


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
