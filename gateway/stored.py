"""Content in the blob store that nothing on the log names yet: kept once something does, discarded otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress

from infra.blobs import Blobs
from infra.keys import Keys
from infra.sealed_blobs import sealing
from schemas.envelope import Position
from streams.domain.errors import Unacknowledged, Unavailable


class Stored:
    """A blob and its key, on their way to be named by an event."""

    def __init__(self, blobs: Blobs, keys: Keys, blob: str) -> None:
        self._blobs, self._keys = blobs, keys
        self._is_ours = False
        self._key_name: str | None = None
        self.blob = blob

    async def put(self, key: bytes, content: AsyncIterator[bytes]) -> None:
        """Seal and store the content. Raises Unavailable, and whatever ``content`` raises."""
        self._is_ours = True
        await self._blobs.put(self.blob, sealing(key, self.blob, content))

    async def make_key(self, name: str, key: bytes | None = None) -> bytes:
        """Make the content's key, a new one or that by which it is sealed already, known under a name that nothing
        else has. Raises Unavailable.
        """
        made = await self._keys.create(name, key)
        self._key_name = name
        return made

    async def say(self, appending: Awaitable[Position]) -> Position:
        """Append what names the content. It stays where that may be on the log: content that nobody names only costs
        space until it is swept, an event without its content is content lost.
        """
        try:
            position = await appending
        except (Unacknowledged, asyncio.CancelledError):
            self.keep()
            raise
        except Unavailable:  # nor would the log hear that the key is to be destroyed; it opens nothing
            self._key_name = None
            raise
        self.keep()
        return position

    def keep(self) -> None:
        """The content is spoken for: ``discard`` leaves it where it is."""
        self._is_ours, self._key_name = False, None

    async def discard(self) -> None:
        """Leave nothing behind; what cannot be deleted now is swept later."""
        if self._is_ours:
            self._is_ours = False
            with suppress(Unavailable):
                await self._blobs.delete([self.blob])
        if (name := self._key_name) is not None:
            self._key_name = None
            with suppress(Unavailable):
                await self._keys.destroy(name)
