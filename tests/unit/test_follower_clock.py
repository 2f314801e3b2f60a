"""How old the memory is does not follow the clock that somebody sets (ARCHITECTURE, 'a clock set forward or back')."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.auth.follower import Follower
from schemas.topics import Topic


class Consumer:
    """Has just heard from the broker that there is nothing more."""

    def __init__(self) -> None:
        self.heard = int(time.time() * 1000)  # as aiokafka notes it

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return self.heard

    def highwater(self, _: TopicPartition) -> int:
        return 0


def test_a_clock_that_is_set_forward_makes_what_was_heard_a_moment_ago_no_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With FIKS_MEMORY_LIFETIME at 300 each call was 503 and each connection over AMQP closed until the next round."""
    follower = Follower("nowhere", Topic("konfigurasjon", "of one test", 1), *(cast(Any, None),) * 3)
    consumer = cast(AIOKafkaConsumer, Consumer())
    follower._note_level(consumer, 0)
    assert follower.staleness < 1, "it has just heard"
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    follower._note_level(consumer, 0)  # the next round, half a second later: what was heard is that old
    assert follower.staleness < 10
