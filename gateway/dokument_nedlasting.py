"""Hands out the content of a document as it is opened, segment by segment: nothing leaves that was not proven whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from infra.blobs import Blobs
from infra.crypto.segments import HEADER_SIZE, Opener, sealed_range
from infra.keys import Keys
from streams.domain.errors import Gone


async def key_of(keys: Keys, dokument: Any) -> bytes:
    """The key of a document. Raises Gone when it is destroyed, Unavailable."""
    key_id = dokument["nokkel_id"]
    key = (await keys.get_many([key_id])).get(key_id)
    if key is None:
        raise Gone(f"Dokumentet {dokument['dokument_id']} er slettet")
    return key


async def content(blobs: Blobs, key: bytes, dokument: Any, first: int, last: int) -> AsyncIterator[bytes]:
    """The bytes ``first`` to ``last`` of a document, both inclusive, as they can be taken.

    Raises Tampered before anything is given out that is not as it was stored; NotFound and Unavailable.
    """
    blob, size = dokument["blob"], dokument["kryptert_storrelse"]
    header = await blobs.get_range(blob, 0, HEADER_SIZE)
    opener = Opener(key, blob, header, size, first, last)
    begin, end = sealed_range(first, last)
    async for sealed in blobs.get(blob, begin, min(end, size - 1)):
        if plain := opener.update(sealed):
            yield plain
    opener.finish()
