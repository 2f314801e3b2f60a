"""Content in the blob store that nothing on the log names yet: kept once something does, discarded otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress

from infra.blobs import Blobs
from infra.keys import Keys, new_key
from infra.sealed_blobs import sealing
from schemas.envelope import Position
from streams.domain.errors import Unacknowledged, Unavailable


class KeyUnderWay:
    """A key by which something is sealed already while the log takes it in: a new one, or ``key``; unless that was made
    ``ahead``. The name must be one that nothing else has. Either ``durable`` or ``destroy`` is to be awaited.
    """

    def __init__(self, keys: Keys, name: str, key: bytes | None = None, *, ahead: bool = False) -> None:
        self.key = key or new_key()
        self._keys, self._name = keys, name
        self._making: asyncio.Future[bytes]
        if ahead:
            self._making = asyncio.get_running_loop().create_future()
            self._making.set_result(self.key)
        else:
            self._making = asyncio.create_task(keys.create(name, self.key))

    async def durable(self) -> None:
        """Returns once it is, and not before anything may name it. Raises Unavailable."""
        await asyncio.shield(self._making)

    async def destroy(self) -> None:
        """Leave none behind; one that cannot be destroyed now is swept later, and so is one that may have been made."""
        await asyncio.wait([self._making])
        if self._making.exception() is None:
            with suppress(Unavailable):
                await self._keys.destroy(self._name)


class Stored:
    """A blob and its key, on their way to be named by an event."""

    def __init__(self, blobs: Blobs, keys: Keys, blob: str) -> None:
        self._blobs, self._keys = blobs, keys
        self._is_ours = False
        self._making: KeyUnderWay | None = None
        self.blob = blob

    async def put(self, key: bytes, content: AsyncIterator[bytes]) -> None:
        """Seal and store the content. Raises Unavailable, and whatever ``content`` raises."""
        self._is_ours = True
        await self._blobs.put(self.blob, sealing(key, self.blob, content))

    async def make_key(self, name: str, key: bytes | None = None) -> bytes:
        """Make the content's key, a new one or that by which it is sealed already, known under a name that nothing
        else has. Raises Unavailable.
        """
        making = self.begin_key(name, key)
        await making.durable()
        return making.key

    def begin_key(self, name: str, key: bytes | None = None, *, ahead: bool = False) -> KeyUnderWay:
        """The same, which goes on meanwhile, or was done ``ahead``."""
        self._making = KeyUnderWay(self._keys, name, key, ahead=ahead)
        return self._making

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
            self._making = None
            raise
        self.keep()
        return position

    def keep(self) -> None:
        """The content is spoken for: ``discard`` leaves it where it is."""
        self._is_ours, self._making = False, None

    async def discard(self) -> None:
        """Leave nothing behind; what cannot be deleted now is swept later."""
        if self._is_ours:
            self._is_ours = False
            with suppress(Unavailable):
                await self._blobs.delete([self.blob])
        if (making := self._making) is not None:
            self._making = None
            await making.destroy()
