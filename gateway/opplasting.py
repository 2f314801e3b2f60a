"""What an upload in several calls is made of: what was said, its parts, and how they are cut and sealed. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from infra.crypto.segments import HEADER_SIZE, SEGMENT, Opener, Sealer, plain_size
from schemas.errors import Unreadable
from streams.domain.errors import NotFound
from streams.domain.opplasting import expiry_of

PIECE = 4 << 20
"""Bytes of a part at most: what is lost of an upload when a gateway is killed, and what it holds in memory."""

Chunks = AsyncGenerator[bytes, None]


class Said(msgspec.Struct, frozen=True):
    """What was said of an upload at its beginning. ``metadata`` is Upload-Metadata as it was sent."""

    length: int | None
    kryptert: bool
    metadata: str


class Kept(msgspec.Struct, frozen=True, array_like=True):
    key: bytes
    said: bytes


class Ferdig(msgspec.Struct, frozen=True):
    """The document that an upload became, and the length of the upload. ``skadevare``: see DokumentLastetOpp."""

    dokument_id: UUID
    length: int
    skadevare: str | None = None


@dataclass(frozen=True, slots=True)
class Opplasting:
    """An upload as it was found. ``parts`` are the bytes of each part in order; ``length`` is None while not known."""

    id: str
    folder: str
    key: bytes
    said: Said
    length: int | None
    parts: tuple[int, ...] = ()
    is_decided: bool = False

    @property
    def offset(self) -> int:
        return sum(self.parts)

    @property
    def expires(self) -> datetime:
        return expiry(self.id)

    @property
    def is_whole(self) -> bool:
        return self.offset == self.length

    def part(self, offset: int) -> str:
        """The name of the part that begins there."""
        return f"{self.folder}/{offset:012d}"


async def pieces(chunks: Chunks) -> Chunks:
    """The same bytes in pieces of PIECE. The rest comes also when the sender fails, whose fault is raised then."""
    waiting, fault = bytearray(), None
    try:
        async for chunk in chunks:
            waiting += chunk
            while len(waiting) >= PIECE:
                yield bytes(memoryview(waiting)[:PIECE])
                del waiting[:PIECE]
    except Unreadable as broken:
        fault = broken
    if waiting:
        yield bytes(waiting)
    if fault:
        raise fault


def chain(sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The plain bytes of each part, as far as they follow upon each other."""
    parts, offset = [], 0
    while (size := sizes.get(f"{offset:012d}")) is not None:
        parts.append(plain_size(size))
        offset += parts[-1]
    return tuple(parts)


def expiry(opplasting_id: str) -> datetime:
    """When an upload of that id expires. Raises NotFound: no upload has that id."""
    if (expires := expiry_of(opplasting_id)) is None:
        raise NotFound("Opplastingen finnes ikke")
    return expires


def sealed(key: bytes, name: str, plain: bytes) -> bytes:
    """What is stored under that name in the blob store, in one piece."""
    sealer = Sealer(key, name)
    pieces_ = [sealer.update(plain[at : at + SEGMENT]) for at in range(0, len(plain), SEGMENT)]
    return b"".join([*pieces_, sealer.finish()])


def opened(key: bytes, name: str, sealed: bytes) -> bytes:
    """What was sealed under that name. Raises Tampered."""
    opener = Opener(key, name, sealed[:HEADER_SIZE], len(sealed))
    plain = opener.update(sealed[HEADER_SIZE:])
    opener.finish()
    return plain
