"""What the headers of a resumable upload say and whether they may: TUS 1.0.0 with creation, creation-defer-length,
expiration, checksum and termination (tus.io/protocols/resumable-upload). Pure; knows no storage and no documents.

Headers are mappings that find a name however it is spelled, as those of aiohttp do.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

VERSION = "1.0.0"
EXTENSIONS = ("creation", "creation-defer-length", "expiration", "checksum", "termination")
ALGORITHMS = ("sha256", "sha1", "md5")
CONTENT_TYPE = "application/offset+octet-stream"
CHECKSUM_MISMATCH = 460

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_KEY = re.compile(r"[!-+\--~]+", re.ASCII)

Headers = Mapping[str, str]


class Refused(Exception):
    """The call does not keep to the protocol. To be answered with ``status`` and these ``headers``."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Creation:
    """A new upload: its length in bytes, None where the uploader does not know it yet; and what it says of it."""

    length: int | None
    metadata: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one call must add up to."""

    algorithm: str
    digest: bytes

    def begin(self) -> Any:
        """A hashlib object, to be updated with every byte of the call."""
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def check(self, summed: Any) -> None:
        """Raises Refused (460) if that is another: nothing of this call may be kept."""
        if summed.digest() != self.digest:
            raise Refused(CHECKSUM_MISMATCH, "Sjekksummen stemmer ikke. Send denne delen på nytt")


@dataclass(frozen=True, slots=True)
class Patch:
    """The next bytes of an upload: no more than ``most`` of them. ``length`` is that of the whole, if known by now."""

    length: int | None
    most: int
    checksum: Checksum | None


def offered(largest: int) -> dict[str, str]:
    """The headers that answer OPTIONS, where an upload may have ``largest`` bytes."""
    return {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Max-Size": str(largest),
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def shown(offset: int, length: int | None, metadata: str, expires: datetime | None) -> dict[str, str]:
    """The headers that answer HEAD. ``metadata`` is Upload-Metadata as it was sent, ``expires`` a time in UTC."""
    known = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    said = {"Upload-Metadata": metadata} if metadata else {}
    return answered(offset, expires) | known | said | {"Cache-Control": "no-store"}


def answered(offset: int, expires: datetime | None) -> dict[str, str]:
    """The headers that answer PATCH, and with others POST. An upload that is complete does not expire."""
    until = {"Upload-Expires": format_datetime(expires, usegmt=True)} if expires else {}
    return {"Tus-Resumable": VERSION, "Upload-Offset": str(offset)} | until


def check_version(headers: Headers) -> None:
    """For every call but OPTIONS, before anything else. Raises Refused (412)."""
    if headers.get("Tus-Resumable") != VERSION:
        message = f"Tus-Resumable må være {VERSION}"
        raise Refused(HTTPStatus.PRECONDITION_FAILED, message, {"Tus-Version": VERSION})


def creation(headers: Headers, largest: int) -> Creation:
    """What POST asks for. Raises Refused (400; 413 where it is to be larger than ``largest`` bytes)."""
    deferred = headers.get("Upload-Defer-Length")
    if deferred not in {None, "1"}:
        raise Refused(HTTPStatus.BAD_REQUEST, "Upload-Defer-Length kan bare være 1")
    length = _length(headers, largest)
    if (length is None) != (deferred == "1"):
        raise Refused(HTTPStatus.BAD_REQUEST, "Oppgi enten Upload-Length eller Upload-Defer-Length")
    return Creation(length, metadata_in(headers.get("Upload-Metadata", "")))


def metadata_in(said: str) -> dict[str, bytes]:
    """``key base64,key base64,key``: each key once, the value may be empty. Raises Refused."""
    metadata: dict[str, bytes] = {}
    for pair in said.split(",") if said.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in metadata:
            raise Refused(HTTPStatus.BAD_REQUEST, "Upload-Metadata må ha nøkler uten mellomrom, og hver bare en gang")
        metadata[key] = _unbase64(value, f"Upload-Metadata må ha verdien av {key} i Base64")
    return metadata


def patch(headers: Headers, *, offset: int, length: int | None, largest: int) -> Patch:
    """What PATCH sends, where ``offset`` bytes are here, of ``length`` if that is known.

    Raises Refused: 415 for another Content-Type, 409 where the uploader is at another offset, 413 where it would become
    larger than it may, 400 for all else.
    """
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type må være {CONTENT_TYPE}")
    sent = _number(headers, "Upload-Offset")
    if sent is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "Upload-Offset mangler")
    if sent != offset:
        raise Refused(HTTPStatus.CONFLICT, f"Opplastingen er kommet til {offset}, ikke {sent}")
    told = _length(headers, largest)
    if told is not None and (told < offset or length not in {None, told}):
        raise Refused(HTTPStatus.BAD_REQUEST, "Upload-Length kan ikke endres, eller være mindre enn det som er sendt")
    known = told if length is None else length
    most = (largest if known is None else known) - offset
    if (_number(headers, "Content-Length") or 0) > most:
        raise too_much(most)
    return Patch(known, most, _checksum(headers.get("Upload-Checksum")))


def too_much(most: int) -> Refused:
    """What is raised when more than ``most`` bytes are sent."""
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Det kan ikke sendes mer enn {most} byte til")


def _length(headers: Headers, largest: int) -> int | None:
    length = _number(headers, "Upload-Length")
    if length is not None and length > largest:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Opplastingen kan ikke være større enn {largest} byte")
    return length


def _number(headers: Headers, name: str) -> int | None:
    said = headers.get(name)
    if said is None:
        return None
    if not _NUMBER.fullmatch(said):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} må være et helt tall")
    return int(said)


def _checksum(said: str | None) -> Checksum | None:
    if said is None:
        return None
    algorithm, _, value = said.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Refused(HTTPStatus.BAD_REQUEST, f"Upload-Checksum må bruke en av {', '.join(ALGORITHMS)}")
    checksum = Checksum(algorithm, _unbase64(value, "Upload-Checksum må ha sjekksummen i Base64"))
    if len(checksum.digest) != checksum.begin().digest_size:
        raise Refused(HTTPStatus.BAD_REQUEST, f"Upload-Checksum har ikke lengden til {algorithm}")
    return checksum


def _unbase64(value: str, message: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as fault:
        raise Refused(HTTPStatus.BAD_REQUEST, message) from fault
