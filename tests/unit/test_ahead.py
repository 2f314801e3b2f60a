"""Keys that are made ahead: for those who are sent many messages, each used once, and none that is old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from gateway.ahead import ACCOUNTS, FEWEST, FRESH, MOST, Ahead, Stocks
from streams.domain.errors import Unavailable
from streams.domain.fiks_io import key_id_of, stream_of

KONTO, OTHER = UUID(int=1), UUID(int=2)


@dataclass
class Made:
    """Keys of a process, as far as they are made; and what time it is."""

    keys: dict[str, bytes | None] = field(default_factory=dict)
    away: bool = False
    refuses: Callable[[str], bool] = lambda name: False
    now: float = 100.0

    async def create(self, name: str, key: bytes | None = None) -> bytes:
        await asyncio.sleep(0)
        if self.away or self.refuses(name):
            raise Unavailable("the log is away")
        assert name not in self.keys
        self.keys[name] = key
        return b""


def stocks(made: Made) -> Stocks:
    return Stocks(made, clock=lambda: made.now)  # type: ignore[arg-type]


async def taken(from_: Stocks, count: int, konto_id: UUID = KONTO) -> list[Ahead]:
    found = []
    for _ in range(count):
        found.append(from_.take(konto_id))
        for _ in range(5):
            await asyncio.sleep(0)
    return [one for one in found if one is not None]


async def test_nothing_is_made_for_an_account_that_is_sent_little() -> None:
    made = Made()
    here = stocks(made)
    for _ in range(10):
        assert await taken(here, FEWEST - 1) == []
        made.now += 1.5
    assert made.keys == {}


async def test_each_is_durable_by_the_name_of_its_stream_and_given_once() -> None:
    made = Made()
    here = stocks(made)
    found = await taken(here, 200)
    assert len(found) == 200 - FEWEST
    assert len({one.melding_id for one in found}) == len({one.key for one in found}) == len(found)
    assert all(made.keys[key_id_of(stream_of(KONTO, one.melding_id))] == one.key for one in found)
    assert len(made.keys) <= len(found) + 2 * MOST, "hardly more than were sent"


async def test_each_account_has_its_own() -> None:
    made = Made()
    here = stocks(made)
    await taken(here, 2 * FEWEST)
    assert await taken(here, 1, OTHER) == []


async def test_what_is_old_is_not_given() -> None:
    made = Made()
    here = stocks(made)
    before = await taken(here, 2 * FEWEST)
    made.now += FRESH + 1
    assert await taken(here, 1) == []
    after = await taken(here, 2 * FEWEST)
    assert after and not {one.melding_id for one in after} & {one.melding_id for one in before}


async def test_what_cannot_be_made_is_made_once_the_log_is_there() -> None:
    made = Made(away=True)
    here = stocks(made)
    assert await taken(here, 10) == []
    made.away = False
    assert await taken(here, 2)


async def test_what_could_be_made_of_several_is_used() -> None:
    """As where one partition of the keys has no leader."""
    made = Made(refuses=lambda name: name[-1] in "0123")
    found = await taken(stocks(made), 100)
    assert len(found) > 50 and all(key_id_of(stream_of(KONTO, one.melding_id)) in made.keys for one in found)


async def test_accounts_are_forgotten_that_were_sent_nothing_for_long() -> None:
    made = Made()
    here = stocks(made)
    await taken(here, 2 * FEWEST)
    for number in range(ACCOUNTS):
        here.take(UUID(int=1000 + number))
    assert await taken(here, 1) == []
