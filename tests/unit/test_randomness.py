"""Random bytes are given once, also to a process that was forked."""

from __future__ import annotations

import os

import pytest

from infra.randomness import DRAWN, SIZE, random_bytes


def test_none_are_given_twice() -> None:
    given = [random_bytes(SIZE) for _ in range(3 * DRAWN)]
    assert len(set(given)) == len(given)
    assert {len(one) for one in given} == {SIZE}
    assert len(random_bytes(12)) == 12


def test_more_than_there_are_is_no_silent_shortage() -> None:
    with pytest.raises(ValueError, match="33 bytes"):
        random_bytes(SIZE + 1)


def test_a_fork_is_given_others() -> None:
    random_bytes(SIZE)  # more are drawn
    end, begin = os.pipe()
    if not (child := os.fork()):
        os.write(begin, random_bytes(SIZE))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(end, SIZE)
    os.close(end)
    os.close(begin)
    assert theirs not in {random_bytes(SIZE) for _ in range(DRAWN)}
