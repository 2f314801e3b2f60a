"""Counting dead letters takes no memory that grows with what is in them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from streams import dead_letters
from streams.dead_letters import DeadLetter

LETTERS, SIZE = 300, 500_000
LETTER = DeadLetter("fiks.io", 0, 0, {"projections": "Unreadable: x"}, b"k", b"", [])


def test_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each role of each worker counts them five seconds after its start, and whenever one has come."""

    def letters(_bootstrap: str, _topic: str) -> Iterator[DeadLetter]:
        for number in range(LETTERS):
            yield replace(LETTER, offset=number, value=bytes(SIZE))
        yield replace(LETTER, offset=7, value=None, reasons={}, replayed="0-400")
        yield replace(LETTER, offset=7, value=None, reasons={"another": "x"})

    monkeypatch.setattr(dead_letters, "letters", letters)
    tracemalloc.start()
    assert dead_letters.waiting("", "fiks.io") == LETTERS - 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * SIZE
