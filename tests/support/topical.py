"""A topic of a test's own, to be followed by a memory of the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.catalogue import event_type
from schemas.codec import encode
from schemas.envelope import Headers, fact
from schemas.konfigurasjon import KontoOpprettet
from schemas.topics import Topic
from streams.domain.errors import Unavailable
from streams.log import Log

OWNER = UUID(int=1)


def konto(konto_id: UUID, fiks_org_id: UUID = OWNER) -> KontoOpprettet:
    return KontoOpprettet(fiks_org_id=fiks_org_id, konto_id=konto_id, tjeneste="svarut", navn="k")


def headers(event: object, **changes: str) -> Headers:
    made = dict(fact(event, time=datetime.now(UTC), id=str(uuid4()), source="test").headers())
    return list((made | {name: value.encode() for name, value in changes.items()}).items())


class Topical:
    """A topic of the test's own, with the log to append to it."""

    def __init__(self, bootstrap: str, log: Log, topic: Topic) -> None:
        self.bootstrap, self._log, self.topic = bootstrap, log, topic

    async def append(self, value: bytes, described: Headers, stream: str = str(OWNER)) -> None:
        await self._log.send(self.topic.name, stream, value, described)

    async def konto(self) -> UUID:
        """Appends an account, as soon as the broker takes it, and returns its id."""
        event = konto(uuid4())
        await self.say(event)
        return event.konto_id

    async def say(self, event: object) -> None:
        """Appends a fact, as soon as the broker takes it."""
        while True:
            try:
                return await self.append(encode(event), headers(event), event_type(event).stream(event))
            except Unavailable:
                await asyncio.sleep(0.1)


def create(bootstrap: str, topic: Topic) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic.name, topic.partitions)])[topic.name].result()


@asynccontextmanager
async def topical(bootstrap: str, partitions: int = 1) -> AsyncIterator[Topical]:
    topic = Topic(f"test.konfigurasjon.{uuid4().hex}", "of one test", partitions)
    create(bootstrap, topic)
    log = Log(bootstrap)
    await log.start()
    yield Topical(bootstrap, log, topic)
    await log.stop()
