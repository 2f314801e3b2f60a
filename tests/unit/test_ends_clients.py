"""A client that was told of a leader which is none any more, or of none, tells no end ever again: another is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from infra.ends import ANOTHER_AFTER, OUTDATED, Ends
from schemas.topics import TOPICS
from streams.domain.errors import Unavailable

TOPIC = TOPICS["fiks.svarut"]


class Client:
    """Answers each question of where a partition ends with 7, or with a fault."""

    def __init__(self, fault: int | None = None) -> None:
        self.fault = fault

    def list_offsets(self, question: Mapping[Any, Any], **_how: Any) -> dict[Any, Future[Any]]:
        return {partition: self._answer() for partition in question}

    def _answer(self) -> Future[Any]:
        answer: Future[Any] = Future()
        if self.fault is None:
            answer.set_result(SimpleNamespace(offset=7))
        else:
            answer.set_exception(KafkaException(KafkaError(self.fault)))
        return answer


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Those that are made, in turn; nobody else makes any."""
    waiting: list[Client] = []
    monkeypatch.setattr("infra.ends.AdminClient", lambda _settings: waiting.pop(0))
    return waiting


@pytest.mark.parametrize("fault", OUTDATED)
async def test_another_client_is_asked_at_once(clients: list[Client], fault: int) -> None:
    clients += [Client(fault), Client()]
    assert await Ends("127.0.0.1:9", TOPIC).now() == dict.fromkeys(range(TOPIC.partitions), 7)


async def test_another_client_is_made_once_in_a_while_alone(
    clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("infra.ends.time", SimpleNamespace(monotonic=lambda: now))
    clients += [Client(KafkaError._NOENT) for _ in range(3)]
    asked = Ends("127.0.0.1:9", TOPIC)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await asked.now()
    assert len(clients) == 1
    now += ANOTHER_AFTER
    clients[0].fault = None
    assert await asyncio.wait_for(asked.now(), 10) == dict.fromkeys(range(TOPIC.partitions), 7)
