"""What holds whatever bytes come: each check takes any, and raises when it does not hold. Knows nothing of fuzzers.

Keys are fixed, so that bytes that were found in one process are a finding in every other. In most of them the first
octet is how many go into a piece, since what is read in pieces must be what is read at once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar
from unittest.mock import patch
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_iqmp,
)
from cryptography.x509.oid import NameOID
from multidict import CIMultiDict

from fiks_cms.envelope import Decryptor, NotReadable
from gateway import ranges, tus
from gateway.multipart import Multipart
from infra.crypto import segments
from infra.crypto.cms_structure import HEAD, NotWhole, Structure, begins_as_cms
from infra.crypto.segments import HEADER_SIZE, Opener, Sealer, Tampered, plain_size, sealed_range
from schemas.errors import Unreadable
from tests.support.cms import encrypt, envelope, is_whole, pair_of

T = TypeVar("T")
Check = Callable[[bytes], None]
LARGEST = 1000
"""Octets of what is looked at."""


def pieces(octets: bytes, size: int) -> Iterator[bytes]:
    """The octets, ``size`` at a time; where that is 0, one."""
    for at in range(0, len(octets), size or 1):
        yield octets[at : at + (size or 1)]


# --- CMS -------------------------------------------------------------------------------------------------------------

P = 0xF309D219C484A6D7A5D9316733D040492EA60689F7BE41415DFD65461A30C3FB7DFBBBDBD69B639EB7EF1CDC18D8559258E5869B02AFA7E9F65194DA616E5D89  # noqa: E501
Q = 0xE0DE5029E8336EA7775AFC17642FB5C875F2950112D4A3BC93D1FCC96D1C8361D243C1EB43CBD7DC6558D5FFE69A0B6AA58A3485A1BA22E4AB07AD0CD0F3298D  # noqa: E501
D = pow(65537, -1, (P - 1) * (Q - 1))
NUMBERS = RSAPrivateNumbers(
    P, Q, D, rsa_crt_dmp1(D, P), rsa_crt_dmp1(D, Q), rsa_crt_iqmp(P, Q), RSAPublicNumbers(65537, P * Q)
)
PAIR = pair_of(NUMBERS.private_key(), x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mottaker")]), 1)


def cms(octets: bytes) -> None:
    """An envelope is read alike in any pieces, or NotReadable; it is whole where a plain reader says so."""
    size, message = octets[0] if octets else 0, octets[1:]
    content = _deciphered([message])
    assert _deciphered(pieces(message, size)) == content
    passes = not begins_as_cms(message[:HEAD]) or is_whole(message)
    assert _passes([message]) is _passes(pieces(message, size)) is passes
    assert passes or content is None


def _deciphered(message: Iterable[bytes]) -> bytes | None:
    decryptor = Decryptor([PAIR])
    try:
        return b"".join(map(decryptor.update, message)) + decryptor.finish()
    except NotReadable:
        return None


def _passes(message: Iterable[bytes]) -> bool:
    structure = Structure()
    try:
        for piece in message:
            structure.update(piece)
        structure.finish()
    except NotWhole:
        return False
    return True


def _envelopes() -> list[bytes]:
    content = bytes(range(200))
    return [
        encrypt(content, PAIR),
        *(envelope(content, PAIR, gcm=gcm) for gcm in (False, True)),
        *(envelope(content, PAIR, part=50, deep=2, is_open=True, gcm=gcm) for gcm in (False, True)),
    ]


# --- Multipart -------------------------------------------------------------------------------------------------------

BOUNDARY = b"skille"
KIND = f"multipart/form-data; boundary={BOUNDARY.decode()}"


def multipart(octets: bytes) -> None:
    """A body is read alike in any pieces, or Unreadable; what was read is read again when it is written anew."""
    size, body = octets[0] if octets else 0, octets[1:]
    parts = _parts([body])
    assert _parts(pieces(body, size)) == parts
    if parts is not None:
        again = _parts([_written(parts)])
        assert again is not None
        assert [(filename, content) for _, filename, content in again] == [
            (filename, content) for _, filename, content in parts
        ]


def _parts(body: Iterable[bytes]) -> list[tuple[str, str | None, bytes]] | None:
    chunks = iter(body)

    async def more() -> bytes:
        return next(chunks, b"")

    async def read() -> list[tuple[str, str | None, bytes]]:
        parts, found = Multipart(KIND, more), []
        while part := await parts.next_part():
            found.append((part.name, part.filename, b"".join([chunk async for chunk in parts.content()])))
        return found

    try:
        return _run(read())
    except Unreadable:
        return None


def _run(reading: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that never waits returns."""
    try:
        reading.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits")


def _written(parts: Sequence[tuple[str, str | None, bytes]]) -> bytes:
    disposition = 'Content-Disposition: form-data; name="a"'
    heads = [
        (disposition if name is None else f"{disposition}; filename*=UTF-8''{quote(name, safe='')}").encode()
        for _, name, _ in parts
    ]
    made = (b"--%s\r\n%s\r\n\r\n%s\r\n" % (BOUNDARY, head, part[2]) for head, part in zip(heads, parts, strict=True))
    return b"".join(made) + b"--%s--\r\n" % BOUNDARY


def _bodies() -> list[bytes]:
    metadata = b'Content-Disposition: form-data; name="metadata"\r\nContent-Type: application/json; charset=utf-8'
    dokument = b'Content-Disposition: form-data; name="dokument"; filename="_.pdf"; filename*=UTF-8\'\'%C3%A6.pdf'
    one = b"--skille\r\n%s\r\n\r\n{}\r\n--skille\r\n%s\r\nContent-Type: application/pdf\r\n\r\n-\r\n-\r\n--skille--\r\n"
    return [one % (metadata, dokument), b"--skille--\r\n", b"\r\n--skille\r\n" + metadata + b"\r\n\r\n\r\n--skille--"]


# --- Content at rest -------------------------------------------------------------------------------------------------

SEGMENT = 64
"""Small ones show every border."""
KEY = bytes(32)
CONTENTS = [bytes(range(length)) for length in (0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT)]


def at_rest(octets: bytes) -> None:
    """Of a blob that anybody may have changed there comes what was sealed, in any pieces and from anywhere; else
    Tampered.
    """
    size, first, length = octets[:3] if len(octets) >= 3 else (0, 0, 0)
    with patch.object(segments, "SEGMENT", SEGMENT):
        opened = _opened(octets[3:], first, length, size)
        assert opened == _opened(octets[3:], first, length, LARGEST)
    if opened is not None:
        assert opened in {content[first : first + length] for content in CONTENTS}


def _opened(blob: bytes, first: int, length: int, size: int) -> bytes | None:
    try:
        there = plain_size(len(blob))
        first = min(first, there)
        last = min(first + length, there) - 1
        opener = Opener(KEY, "dok", blob[:HEADER_SIZE], len(blob), first, last)
        start, end = sealed_range(first, last)
        opened = b"".join(map(opener.update, pieces(blob[start : end + 1], size)))
        opener.finish()
    except Tampered:
        return None
    return opened


def _blobs() -> list[bytes]:
    with patch.object(segments, "SEGMENT", SEGMENT):
        sealers = [(Sealer(KEY, "dok"), content) for content in CONTENTS]
        return [b"\0\xff" + sealer.update(content) + sealer.finish() for sealer, content in sealers]


# --- Headers ---------------------------------------------------------------------------------------------------------

NAMES = (
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Checksum",
    "Content-Length",
)
Wanted = Callable[[str, int], Sequence[ranges.Range] | None]


def range_header(octets: bytes, wanted: Wanted = ranges.wanted) -> None:
    """What a header asks for is sent, each octet once, by a reading of it that is slow and plain."""
    size, header = (octets[0] if octets else 0) + 1, octets[1:].decode("latin-1")
    found, places = wanted(header, size), _places(header, size)
    sent = None if found is None else sorted(place for part in found for place in range(part.first, part.last + 1))
    assert sent == (None if places is None else sorted(places))


def planted(octets: bytes) -> None:
    """The same of a reader with a fault, that it sends twice what is asked for twice: to be found, or none would be."""

    def one_by_one(header: str, size: int) -> list[ranges.Range] | None:
        if ranges.wanted(header, size) is None:
            return None
        specs = header.partition("=")[2].split(",")
        return list(chain.from_iterable(ranges.wanted(f"bytes={spec}", size) or () for spec in specs))

    range_header(octets, one_by_one)


def _places(header: str, size: int) -> set[int] | None:
    """The octets that a header asks for; None where it says nothing valid."""
    unit, _, said = header.strip().partition("=")
    specs = [spec.strip(" \t") for spec in said.split(",") if spec.strip(" \t")]
    if unit.lower() != "bytes" or not 0 < len(specs) <= ranges.MOST:
        return None
    places = set[int]()
    for spec in specs:
        first, dash, last = spec.partition("-")
        is_number = all(one.isascii() and one.isdigit() for one in (first, last) if one)
        if not dash or not is_number or not first + last or (first and last and int(first) > int(last)):
            return None
        begin = int(first) if first else size - int(last)
        places |= {place for place in range(size) if begin <= place and (not (first and last) or place <= int(last))}
    return places


def tus_headers(octets: bytes) -> None:
    """Headers of a resumable upload are within its bounds and told again as they were meant, or Refused."""
    offset, more = octets[:2] if len(octets) >= 2 else (0, 0)
    lines = (line.partition(": ") for line in octets[2:].decode("latin-1").split("\n"))
    headers = CIMultiDict({name: value for name, _, value in lines if name in NAMES})
    length = None if more == 255 else offset + more
    try:
        created = tus.creation(headers, 1000)
    except tus.Refused as fault:
        assert fault.status in {400, 413}
    else:
        assert (created.length is None) == (headers.get("Upload-Defer-Length") == "1")
        assert 0 <= (created.length or 0) <= 1000
        said = tus.shown(0, created.length, headers.get("Upload-Metadata", ""), None)
        assert tus.creation(CIMultiDict(said), 1000) == created
    try:
        found = tus.patch({**headers, "Content-Type": tus.CONTENT_TYPE}, offset=offset, length=length, largest=1000)
    except tus.Refused as fault:
        assert fault.status in {400, 409, 413}
    else:
        assert offset + found.most == (1000 if found.length is None else found.length) <= 1000
        assert int(headers["Upload-Offset"]) == offset
        assert length in {None, found.length}
        assert int(headers.get("Content-Length", "0")) <= found.most


def _range_headers() -> list[bytes]:
    huge, less = b"9" * 30, b"9" * 21
    said = [b"0-4", b"5-", b"-7", b"0-4, 9-12,-3", b"200-", b"5-4", b"0-" + huge, huge + b"-" + less]
    return [b"\x63bytes=" + one for one in said]


def _tus_headers() -> list[bytes]:
    return [
        b"\0\xffUpload-Defer-Length: 1\nUpload-Metadata: filnavn eA==,hemmelig",
        b"\0\x05Upload-Length: 5\nUpload-Metadata: a , b eA==\nUpload-Offset: 0\nContent-Length: 5",
        b"\x07\x05Upload-Offset: 7\nUpload-Checksum: md5 1B2M2Y8AsgTpgAmY7PhCfg==",
    ]


CHECKS: dict[str, tuple[Check, Callable[[], list[bytes]]]] = {
    "cms": (cms, lambda: [b"\x07" + one for one in _envelopes()]),
    "multipart": (multipart, lambda: [b"\x07" + one for one in _bodies()]),
    "at_rest": (at_rest, lambda: [b"\x07" + one for one in _blobs()]),
    "range": (range_header, _range_headers),
    "tus": (tus_headers, _tus_headers),
}
"""Each with what to begin from."""
