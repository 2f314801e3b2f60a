"""Encryption at rest: content in AES-256-GCM segments that can be opened from anywhere in the middle. Sans-IO.

A blob is a header (magic, version, segment size, salt) and then segments of 256 KiB, each with its tag; only the last
is shorter, and there is always one. The key of a blob is derived from the data key, the salt and the id of the object,
so one data key may seal any number of objects. A segment is bound to its header, its object, its place and to being the
last or not (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizár 2015).
"""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.randomness import random_bytes

SEGMENT = 256 * 1024
TAG = 16
KEY_SIZE = 32
_HEADER = struct.Struct(">4sBI32s")
_PLACE = struct.Struct(">xxxQ?")
_MAGIC, _VERSION = b"FIKS", 1
HEADER_SIZE = _HEADER.size
"""The first so many bytes of a blob are its header, which an ``Opener`` needs whatever range it opens."""


class Tampered(Exception):
    """The bytes are not those that were sealed as this object under this key, or not in that order, or not all."""


def sealed_size(plain: int) -> int:
    """Bytes of the blob that holds ``plain`` bytes of content."""
    return HEADER_SIZE + plain + TAG * max(1, -(-plain // SEGMENT))


def plain_size(sealed: int) -> int:
    """Bytes of content in a blob of ``sealed`` bytes. Raises Tampered when no blob has that size."""
    body = sealed - HEADER_SIZE
    plain = body - TAG * -(-body // (SEGMENT + TAG))
    if plain < 0 or sealed_size(plain) != sealed:
        raise Tampered(f"no sealed object has {sealed} bytes: some were cut off or added")
    return plain


def sealed_range(first: int, last: int) -> tuple[int, int]:
    """The first and the last byte of the blob's segments that hold the bytes ``first`` to ``last`` of the content.

    Both ends are inclusive; the last may lie beyond the end of the blob, which is then where to stop.
    """
    whole = SEGMENT + TAG
    return HEADER_SIZE + first // SEGMENT * whole, HEADER_SIZE + (max(first, last) // SEGMENT + 1) * whole - 1


class Sealer:
    """Seals one object: the blob is what the calls of ``update`` and the one of ``finish`` return, end to end.

    The key is a data key of 32 bytes. Sealing the same object again makes a blob that has nothing in common with it.
    """

    def __init__(self, key: bytes, object_id: str) -> None:
        self._header = _HEADER.pack(_MAGIC, _VERSION, SEGMENT, random_bytes(32))
        self._cipher = _Segments(key, object_id, self._header)
        self._waiting = bytearray()
        self._number = 0

    def update(self, data: bytes) -> bytes:
        """Take more content. A full segment waits until it is known whether it is the last."""
        self._waiting += data
        sealed = [] if self._number else [self._head()]
        with memoryview(self._waiting) as waiting:
            whole = (len(waiting) - 1) // SEGMENT if waiting else 0
            for start in range(0, whole * SEGMENT, SEGMENT):
                sealed.append(self._cipher.seal(waiting[start : start + SEGMENT], self._number, last=False))
                self._number += 1
        del self._waiting[: whole * SEGMENT]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The rest of the blob."""
        return self._head() + self._cipher.seal(self._waiting, self._number, last=True)

    def _head(self) -> bytes:
        head, self._header = self._header, b""
        return head


class Opener:
    """Opens the bytes ``first`` to ``last`` (inclusive; without it, to the end) of one object's content.

    ``header`` are the first HEADER_SIZE bytes of the blob and ``sealed`` is its size. It is fed the bytes of
    ``sealed_range(first, last)`` in pieces of any size. Nothing is given out before its segment is known to be whole
    and in its place. Raises Tampered; then nothing more of it may be used. The sizes are proven only once the last
    segment was opened: compare them with what the log says of the object.
    """

    def __init__(
        self, key: bytes, object_id: str, header: bytes, sealed: int, first: int = 0, last: int | None = None
    ) -> None:
        size = plain_size(sealed)
        last = size - 1 if last is None else last
        if not 0 <= first <= last + 1 <= size:
            raise ValueError(f"there are no bytes {first} to {last} in {size} bytes of content")
        self._cipher = _Segments(key, object_id, header)
        self._number, self._skip, self._left = first // SEGMENT, first % SEGMENT, last + 1 - first
        self._final = max(0, size - 1) // SEGMENT
        start, end = sealed_range(first, last)
        self._missing = min(end + 1, sealed) - start
        self._waiting = bytearray()

    def update(self, data: bytes) -> bytes:
        """Take more of the blob; returns the content that is proven by now."""
        self._waiting += data
        self._missing -= len(data)
        if self._missing < 0:
            raise Tampered("there are more bytes than were sealed")
        opened = []
        with memoryview(self._waiting) as waiting:
            done = 0
            while len(waiting) - done >= SEGMENT + TAG or (self._missing == 0 and done < len(waiting)):
                opened.append(self._open(waiting[done : done + SEGMENT + TAG]))
                done = min(done + SEGMENT + TAG, len(waiting))
        del self._waiting[:done]
        return b"".join(opened)

    def finish(self) -> None:
        """Raises Tampered when bytes are missing."""
        if self._missing:
            raise Tampered(f"the last {self._missing} bytes are missing")

    def _open(self, segment: memoryview) -> bytes:
        plain = self._cipher.open(segment, self._number, last=self._number == self._final)
        wanted = plain[self._skip : self._skip + self._left]
        self._number, self._skip, self._left = self._number + 1, 0, self._left - len(wanted)
        return wanted


class _Segments:
    """The cipher of one blob."""

    def __init__(self, key: bytes, object_id: str, header: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"a data key has {KEY_SIZE} bytes, not {len(key)}")
        magic, version, size, salt = _HEADER.unpack(header) if len(header) == HEADER_SIZE else (b"", 0, 0, b"")
        if (magic, version, size) != (_MAGIC, _VERSION, SEGMENT):
            raise Tampered("the bytes do not begin as a sealed object does")
        self._bound_to = header + object_id.encode()
        self._aes = AESGCM(HKDF(SHA256(), KEY_SIZE, salt, b"fiks segments " + object_id.encode()).derive(key))

    def seal(self, plain: bytes | bytearray | memoryview, number: int, *, last: bool) -> bytes:
        place = _PLACE.pack(number, last)
        return self._aes.encrypt(place, plain, self._bound_to + place)

    def open(self, sealed: memoryview, number: int, *, last: bool) -> bytes:
        place = _PLACE.pack(number, last)
        try:
            return self._aes.decrypt(place, sealed, self._bound_to + place)
        except InvalidTag:
            raise Tampered(f"segment {number} is not as it was sealed") from None
