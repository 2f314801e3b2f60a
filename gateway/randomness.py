"""Random ids."""

from __future__ import annotations

from uuid import UUID

from infra.randomness import random_bytes

SIZE = 16


def new_uuid() -> UUID:
    """A random UUID (version 4), as good as ``uuid4``."""
    return UUID(bytes=random_bytes(SIZE), version=4)


def new_hex() -> str:
    """128 random bits as 32 hex digits."""
    return random_bytes(SIZE).hex()
