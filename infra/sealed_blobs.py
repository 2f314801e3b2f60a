"""Content as it lies in the blob store: sealed on its way in, opened on its way out, a segment at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

from infra.blobs import Blobs
from infra.crypto.segments import HEADER_SIZE, Opener, Sealer, Tampered, sealed_range, sealed_size
from streams.domain.errors import NotFound


async def sealing(key: bytes, name: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What is to be put as the blob ``name``, whose content the chunks are. ``key`` is a data key of 32 bytes."""
    sealer = Sealer(key, name)
    async for chunk in chunks:
        if sealed := sealer.update(chunk):
            yield sealed
    yield sealer.finish()


async def opened(blobs: Blobs, key: bytes, name: str, size: int) -> bytes:
    """The blob's content, which has ``size`` bytes and is small, in one reading. Raises Tampered and Unavailable."""
    whole = sealed_size(size)
    try:
        sealed, there = await blobs.begin(name, whole)
    except NotFound as fault:
        raise Tampered(str(fault)) from fault
    if there != whole:
        raise Tampered(f"{there} bytes lie where {whole} were stored")
    opener = Opener(key, name, sealed[:HEADER_SIZE], whole, 0, size - 1)
    plain = opener.update(sealed[HEADER_SIZE:])
    opener.finish()
    return plain


async def opening(blobs: Blobs, key: bytes, name: str, size: int, first: int, last: int) -> AsyncIterator[bytes]:
    """The bytes ``first`` to ``last`` of the blob's content, which has ``size`` bytes.

    Raises Tampered before anything is given out that is not as it was stored, also when it is gone; and Unavailable.
    """
    whole = sealed_size(size)
    begin, end = sealed_range(first, last)
    try:
        header, there = await blobs.begin(name, HEADER_SIZE)
        if there != whole:
            raise Tampered(f"{there} bytes lie where {whole} were stored")
        opener = Opener(key, name, header, whole, first, last)
        async for sealed in blobs.get(name, begin, min(end, whole - 1)):
            if plain := opener.update(sealed):
                yield plain
    except NotFound as fault:
        raise Tampered(str(fault)) from fault
    opener.finish()
