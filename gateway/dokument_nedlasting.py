"""Hands out the content of a document as it is opened, segment by segment: nothing leaves that was not proven whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from gateway.dokumentlager import etag_of
from gateway.preconditions import is_at_hand
from gateway.ranges import Range, framing, wanted
from infra.blobs import Blobs
from infra.keys import Keys
from infra.sealed_blobs import opening
from streams.domain.errors import Gone

LONGEST_ENDING = 10
LONGEST_NAME = 4000
"""Octets of a name as a header has it; clients take 8 KiB of a header."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is answered: the bytes of each range behind its head, and then ``end``."""

    status: HTTPStatus
    headers: dict[str, str]
    length: int
    parts: Sequence[tuple[bytes, Range]] = ()
    end: bytes = b""


def planned(asked: Mapping[str, str], dokument: Any, boundary: str) -> Plan:
    """What is answered to a GET with the headers ``asked``. RFC 9110, 13 and 14. ``boundary`` is a new random token."""
    headers, size = headers_of(dokument), dokument["ukryptert_storrelse"]
    if is_at_hand(asked, headers["ETag"]):
        return Plan(HTTPStatus.NOT_MODIFIED, headers, 0)
    ranges = wanted(asked.get("Range"), size, if_range=asked.get("If-Range"), etag=headers["ETag"])
    if ranges is None:
        return Plan(HTTPStatus.OK, headers, size, [(b"", Range(0, size - 1))])
    if not ranges:
        unmet = {"Content-Range": f"bytes */{size}"}
        return Plan(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, unmet, 0)
    if len(ranges) == 1:
        headers["Content-Range"] = ranges[0].content_range(size)
        return Plan(HTTPStatus.PARTIAL_CONTENT, headers, ranges[0].length, [(b"", ranges[0])])
    framed = framing(ranges, size, headers["Content-Type"], boundary)
    headers["Content-Type"] = framed.content_type
    parts = list(zip(framed.heads, ranges, strict=True))
    return Plan(HTTPStatus.PARTIAL_CONTENT, headers, framed.length, parts, framed.end)


def headers_of(dokument: Any) -> dict[str, str]:
    """Never shown in place: what strangers upload must not run where persons are logged in."""
    name = _fitting(dokument["dokumentnavn"])
    plain = "".join(one if one.isascii() and one not in '"\\' else "_" for one in name)
    return {
        "Content-Type": dokument["mimetype"],
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "ETag": etag_of(dokument),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def _fitting(name: str) -> str:
    """The name, cut before its ending where the header would be longer than clients take."""
    stem, dot, ending = name.rpartition(".")
    if len(ending) > LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    while stem and len(quote(stem + dot + ending, safe="")) > LONGEST_NAME:
        stem = stem[:-10]
    return stem + dot + ending


async def key_of(keys: Keys, dokument: Any) -> bytes:
    """The key of a document. Raises Gone when it is destroyed, Unavailable."""
    key_id = dokument["nokkel_id"]
    key = (await keys.get_many([key_id])).get(key_id)
    if key is None:
        raise Gone(f"Dokumentet {dokument['dokument_id']} er slettet")
    return key


async def body(blobs: Blobs, key: bytes, dokument: Any, plan: Plan) -> AsyncIterator[bytes]:
    """The body of the answer, as it can be taken. Raises Tampered, NotFound and Unavailable.

    The first that it yields has content in it: so it is known that the content can be opened before an answer begins.
    """
    for head, part in plan.parts:
        before = head
        blob, size = dokument["blob"], dokument["ukryptert_storrelse"]
        async for plain in opening(blobs, key, blob, size, part.first, part.last):
            yield before + plain
            before = b""
    if plan.end:
        yield plan.end
