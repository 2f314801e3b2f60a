"""Many ask at a time: each has an answer that began after it came, and no more are asked for than need be."""

from __future__ import annotations

import asyncio

import pytest

from infra.shared import Shared


class Oracle:
    """Answers by what it was asked for the how-manieth time, when it may."""

    def __init__(self) -> None:
        self.asked = self.answering = 0
        self.may = asyncio.Semaphore(0)

    async def __call__(self) -> int:
        self.asked += 1
        self.answering += 1
        assert self.answering == 1, "one at a time"
        number = self.asked
        await self.may.acquire()
        self.answering -= 1
        if number == 2:
            raise LookupError(number)
        return number


async def asking(shared: Shared[int], many: int) -> list[asyncio.Task[int]]:
    made = [asyncio.create_task(shared.answer()) for _ in range(many)]
    for _ in range(3):
        await asyncio.sleep(0)
    return made


async def test_who_comes_while_it_is_being_answered_shares_the_next_with_the_others() -> None:
    oracle = Oracle()
    shared = Shared(oracle)
    first = await asking(shared, 3)
    second = await asking(shared, 5)
    third = await asking(shared, 4)
    for _ in range(2):
        oracle.may.release()
    assert await asyncio.gather(*first) == [1, 1, 1]
    for one in await asyncio.gather(*second, *third, return_exceptions=True):
        assert isinstance(one, LookupError)
    oracle.may.release()
    assert await shared.answer() == 3
    assert oracle.asked == 3


async def test_who_gives_up_takes_nobody_along() -> None:
    oracle = Oracle()
    shared = Shared(oracle)
    gone, stays = await asking(shared, 2)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    oracle.may.release()
    assert await stays == 1
