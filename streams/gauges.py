"""What a worker says of itself in numbers: its claims, how far behind they are, the dead letters of its topics."""

from __future__ import annotations

import asyncio

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError

from infra.metrics import AGENT_LAG, DLQ_SIZE, WORKER_BLOCKED, WORKER_CLAIMS
from schemas.topics import TOPICS, Topic
from streams.dead_letters import waiting
from streams.domain.errors import Unavailable
from streams.reader import Reader


class Gauges:
    """The numbers of one role."""

    def __init__(self, role: str, reader: Reader) -> None:
        self._role, self._reader = role, reader
        self._shown: set[TopicPartition] = set()
        self._sizes: dict[str, int] = {}

    async def show(self) -> None:
        """Set the gauges to what is so now. Dead letters stay as last shown while the broker is away."""
        self._show_claims()
        if self._reader.claims:
            try:
                for topic in (TOPICS[name] for name in self._reader.topics if name in TOPICS):
                    await self._show_letters(topic)
            except (KafkaError, ConsumerStoppedError, Unavailable):
                return

    async def _show_letters(self, topic: Topic) -> None:
        """How many wait for a replay. They are read when something was said of one, which is seldom."""
        size = await self._reader.size(topic.dead_letters, topic.partitions)
        if size == self._sizes.get(topic.name):
            return
        DLQ_SIZE.labels(topic.name).set(
            await asyncio.to_thread(waiting, self._reader.bootstrap, topic.name) if size else 0
        )
        self._sizes[topic.name] = size

    def _show_claims(self) -> None:
        behind = self._reader.behind()
        WORKER_CLAIMS.labels(self._role).set(len(self._reader.claims))
        WORKER_BLOCKED.labels(self._role).set(self._reader.blocked)
        for (topic, partition), records in behind.items():
            AGENT_LAG.labels(self._role, topic, str(partition)).set(records)
        for topic, partition in self._shown - behind.keys():
            AGENT_LAG.remove(self._role, topic, str(partition))
        self._shown = set(behind)
