"""Random bytes, drawn from the kernel many at a time: each draw lets go of the interpreter lock, and under load having
it back takes longer than all else that they cost. Good for keys too: until they are given they are as secret as keys
that are held in memory.
"""

from __future__ import annotations

import os

SIZE = 32
DRAWN = 256

_drawn: list[bytes] = []
os.register_at_fork(after_in_child=_drawn.clear)


def random_bytes(count: int) -> bytes:
    """So many bytes, which nobody else is given, in whatever thread or process. Raises ValueError above ``SIZE``."""
    if count > SIZE:
        raise ValueError(f"{count} bytes are more than are drawn together ({SIZE})")
    while True:
        try:
            return _drawn.pop()[:count]
        except IndexError:
            drawn = os.urandom(SIZE * DRAWN)
            _drawn.extend(drawn[at : at + SIZE] for at in range(0, len(drawn), SIZE))
