"""The traps of faust-streaming that ``streams.app`` leans around: each test fails if our way round it goes."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from aiokafka import TopicPartition

from streams import agents
from streams import app as app_module
from streams.agents import Carrier, Lot, serve
from streams.app import _App, every
from streams.reader import Claim


class _Carrier(Carrier):
    """Takes claims as every carrier does, remembers what it was given to carry, and fails as it is told."""

    def __init__(self, fault: BaseException | None = None, batch: int = 1) -> None:
        super().__init__(SimpleNamespace(role="test", batch=batch), None, 100)  # type: ignore[arg-type]
        self.carried: list[TopicPartition] = []
        self.fault = fault

    async def _carry(self, lots: Sequence[Lot]) -> None:
        self.carried.extend(lot.claim.partition for lot in lots)
        if self.fault is not None:
            raise self.fault


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Any]:
    made = _App("test", broker="kafka://127.0.0.1:9", datadir=folder, web_enabled=False, autodiscover=False)
    yield made
    await made.stop()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Any]:
    async with _running(tmp_path) as made:
        yield made


def claim_with(*values: Any, partition: int = 0) -> Claim:
    claim = Claim(TopicPartition("t", partition))
    claim.put([SimpleNamespace(value=value) for value in values])  # type: ignore[misc]
    claim.busy = True
    claim.idle.clear()
    return claim


def _agent(app: Any, carrier: Any) -> Any:
    channel = app.channel(maxsize=0)

    async def offer(claim: Claim) -> None:
        carrier.offer(claim)
        await channel.put(claim)

    async def run(claims: Any) -> None:
        await serve(claims, carrier, offer)

    app.agent(channel, name="test", concurrency=4)(run)
    return offer


async def test_the_app_starts_without_kafka_and_its_channel_delivers(app: Any) -> None:
    """Unless it is told so, Faust waits for a topic; unless flow control is resumed, ``put`` waits for ever."""
    carrier = _Carrier()
    offer = _agent(app, carrier)
    await app.start()
    claim = claim_with("a", "b", "c")
    await offer(claim)
    await claim.idle.wait()
    assert (len(carrier.carried), len(claim.waiting)) == (3, 0)


async def _opened(folder: Path) -> set[Any]:
    """What the app opens, or closes."""
    before = {one.laddr for one in psutil.Process().net_connections()}
    async with _running(folder) as app:
        _agent(app, _Carrier())
        await app.start()
        return {one.laddr for one in psutil.Process().net_connections()} ^ before


def _opened_here(folder: Path) -> set[Any]:
    return asyncio.run(_opened(folder))


def test_the_app_opens_no_port_and_no_connection(tmp_path: Path) -> None:
    """In a process of its own: what others have left open in this one may be closed meanwhile."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        assert apart.submit(_opened_here, tmp_path).result() == set()


async def test_a_fault_in_an_agent_stops_the_process_and_is_not_swallowed(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust would restart the agent in silence and lose the item."""
    died: list[BaseException] = []
    monkeypatch.setattr(agents, "die", lambda where, fault: died.append(fault))
    offer = _agent(app, _Carrier(KeyError("a bug")))
    await app.start()
    claim = claim_with("a")
    await offer(claim)
    await claim.idle.wait()
    assert [type(one) for one in died] == [KeyError]


async def test_claims_are_carried_at_the_same_time_but_none_twice_at_once(app: Any) -> None:
    """With several actors on one channel of batches order would break: the channel carries each claim at most once."""
    under_way: set[TopicPartition] = set()
    together = 0

    class Slow(_Carrier):
        async def _carry(self, lots: Sequence[Lot]) -> None:
            nonlocal together
            partitions = {lot.claim.partition for lot in lots}
            assert not partitions & under_way
            under_way.update(partitions)
            together = max(together, len(under_way))
            await asyncio.sleep(0.01)
            under_way.difference_update(partitions)

    offer = _agent(app, Slow())
    await app.start()
    claims = [claim_with("a", "b", "c", partition=number) for number in range(4)]
    for claim in claims:
        await offer(claim)
    await asyncio.gather(*(claim.idle.wait() for claim in claims))
    assert together > 1
    assert all(not claim.waiting for claim in claims)


async def test_what_waits_on_several_claims_is_carried_together_up_to_a_batch(app: Any) -> None:
    """One transaction for many partitions: at a thousand events a second it is the number of these that costs."""
    batches: list[list[tuple[int, int]]] = []

    class Noting(_Carrier):
        async def _carry(self, lots: Sequence[Lot]) -> None:
            batches.append([(lot.at[1], len(lot.records)) for lot in lots])

    carrier = Noting(batch=5)
    offer = _agent(app, carrier)
    claims = [claim_with(*"ab", partition=number) for number in (2, 1, 0)]
    await app.start()
    for claim in claims:
        carrier.offer(claim)
    await offer(claims[0])
    await offer(claims[2])
    await asyncio.gather(*(claim.idle.wait() for claim in claims))
    assert batches == [[(1, 2), (2, 2)], [(0, 2)]]


async def test_a_lost_claim_is_not_begun(app: Any) -> None:
    carrier = _Carrier()
    offer = _agent(app, carrier)
    await app.start()
    claim = claim_with("a")
    claim.live = False
    await offer(claim)
    await claim.idle.wait()
    assert carrier.carried == []


async def test_a_fault_in_a_timer_stops_the_process(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust would stop the timers and leave the process alive."""
    died = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(app_module, "die", lambda where, fault: died.done() or died.set_result((where, fault)))

    async def broken() -> None:
        raise KeyError("a bug")

    every(app, 0.01, "deadlines", broken)
    await app.start()
    where, fault = await died
    assert (where, type(fault)) == ("deadlines", KeyError)
