"""Content as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator


async def chunks_of(content: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """The content in pieces."""
    for at in range(0, len(content), size):
        yield content[at : at + size]
