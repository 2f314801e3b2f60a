"""Random ids, drawn from the kernel many at a time: each draw lets go of the interpreter lock, and under load having it
back takes longer than all else that an id costs. For the event loop's thread, in a process that does not fork.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import UUID

SIZE = 16
DRAWN = 256


def new_uuid() -> UUID:
    """A random UUID (version 4), as good as ``uuid4``."""
    return UUID(bytes=_next(), version=4)


def new_hex() -> str:
    """128 random bits as 32 hex digits."""
    return _next().hex()


def _drawing() -> Iterator[bytes]:
    while True:
        drawn = os.urandom(SIZE * DRAWN)
        yield from (drawn[at : at + SIZE] for at in range(0, len(drawn), SIZE))


_next = _drawing().__next__
