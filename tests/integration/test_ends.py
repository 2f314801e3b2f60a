"""Where the log ends can be asked again after the broker was killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os

import pytest

from infra.ends import Ends
from schemas.topics import TOPICS
from streams.domain.errors import Unavailable
from tests.support.stack import OwnKafka


async def test_the_first_question_of_a_client_is_answered_on_a_busy_machine(
    own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in ten of them timed out. The same asked again is answered, however late the machine makes that."""
    monkeypatch.setattr("infra.ends.ATTEMPTS", (0.5, 60.0))
    busy = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(4)]
    for process in busy:
        process.start()
    try:
        for _ in range(30):
            assert await Ends(own_kafka.bootstrap, TOPICS["fiks.svarut"]).now()
    finally:
        for process in busy:
            process.kill()
            process.join()


async def test_the_ends_are_known_again_after_the_broker_was_killed(own_kafka: OwnKafka) -> None:
    """Its partitions then have a later leader epoch, which a client that only remembers is refused for, for ever."""
    ends = Ends(own_kafka.bootstrap, TOPICS["fiks.svarut"])
    before = await answered(ends)
    await own_kafka.restart()
    assert await answered(ends) == before


async def test_a_broker_that_is_silent_has_told_no_end(own_kafka: OwnKafka) -> None:
    """The client then tells -1001 of each partition and raises nothing: every projection would be past such an end."""
    ends = Ends(own_kafka.bootstrap, TOPICS["fiks.svarut"])
    before = await answered(ends)
    own_kafka.pause()
    try:
        with pytest.raises(Unavailable):
            await ends.now()
    finally:
        own_kafka.resume()
    assert await answered(ends) == before


def spin() -> None:
    """Until the parent is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        pass


async def answered(ends: Ends) -> dict[int, int]:
    """The ends, as soon as they are told."""
    while True:
        try:
            return await ends.now()
        except Unavailable:
            await asyncio.sleep(0.1)
