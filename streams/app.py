"""The Faust app of a worker: agents, channels and timers, embedded, without a Kafka or a web server of its own.

Faust's traps that are leaned on here (each has a regression test): it must be told that it needs no Kafka; its flow
control must be resumed by hand; an exception in a timer stops all timers and leaves the process alive; it makes a
consumer in any case, whose event loop is ours to close.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import faust
from aiokafka import TopicPartition
from faust.app.base import BootStrategy
from mode import Service

from infra.database import BY_KEY, Pool, pool_of
from infra.ends import Ends
from infra.keys import Keys, Table
from infra.settings import Settings
from schemas.topics import NOKKEL
from streams.agents import Carrier, Work, serve
from streams.deciding import Deciding
from streams.domain.errors import Unavailable
from streams.gauges import Gauges
from streams.keys import Following
from streams.reader import Claim, Positions, Reader, die

CONCURRENCY = 4
"""Batches, of different partitions, that one role carries at the same time."""
TICK = 1.0
"""Seconds between two looks at the deadlines."""
LOOK_BACK = 5.0
"""Seconds between two looks whether PostgreSQL still knows how far a role has come."""
SHOW = 5.0
"""Seconds between two looks at the numbers that /metrics tells."""


class _OnlyAgents(BootStrategy):
    enable_kafka = enable_web = False

    def tables(self) -> list[Any]:
        return []


class _App(faust.App):
    BootStrategy = _OnlyAgents

    async def on_started(self) -> None:
        self.flow_control.resume()
        await super().on_started()

    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        self.consumer._thread.thread_loop.close()  # type: ignore[attr-defined]  # of a consumer that Faust makes in any case and never starts


class Worker(Service):
    """Runs works until it is stopped: one reader and one agent a work, deadlines for those that decide.

    ``keys`` are those that the works read personal texts with; they are read through the worker's pool, whose settings
    are ``session``.
    ``groups`` names the consumer group of each work's role, so that several workers share its partitions.
    """

    def __init__(
        self,
        settings: Settings,
        works: Sequence[Work[Any]],
        *,
        group: str = "fiks",
        until: Positions | None = None,
        keys: Keys | None = None,
        session: Mapping[str, str] = BY_KEY,
    ) -> None:
        super().__init__()
        self.settings, self.works, self.group, self.until = settings, works, group, until
        self._keys, self._session = keys, session
        self.readers: list[Reader] = []

    async def on_start(self) -> None:
        """Open the pool, start the app, then read."""
        self._pool: Pool = await pool_of(
            self.settings.postgres, 2 + CONCURRENCY * len(self.works), session=self._session
        )
        if self._keys is not None:
            self._keys.table = Table(self._pool, Ends(self.settings.kafka, NOKKEL))
        self.settings.state.mkdir(parents=True, exist_ok=True)
        self._app = _App(
            f"{self.group}.worker",
            broker="kafka://127.0.0.1:9",  # a required argument; it is never contacted
            datadir=self.settings.state / "faust",
            web_enabled=False,
            autodiscover=False,
        )
        for work in self.works:
            self._add(work)
        await self._app.start()
        for reader in self.readers:
            await reader.start()

    async def on_stop(self) -> None:
        """Stop reading (open work ends, what waits is dropped), then the app, then the pool."""
        for reader in self.readers:
            await reader.stop()
        await self._app.stop()
        await self._pool.close()

    def _add(self, work: Work[Any]) -> None:
        carrier = Carrier(work, self._pool, self.settings.unreadable_in_a_row)
        channel = self._app.channel(maxsize=0)

        async def offer(claim: Claim) -> None:
            carrier.offer(claim)
            await channel.put(claim)  # type: ignore[arg-type]  # a channel of claims, not of events

        group = f"{self.group}.{work.role}"
        reader = Reader(self.settings.kafka, group, work.topics, carrier.load, offer, work.patience, self.until)
        self.readers.append(reader)

        async def run(claims: Any) -> None:
            await serve(claims, carrier, offer)

        async def look_back() -> None:
            await carrier.look_back(reader.claims.values())

        every(self._app, LOOK_BACK, f"checkpoints of {work.role}", look_back)
        self._app.agent(channel, name=work.role, concurrency=CONCURRENCY)(run)
        if self.settings.metrics_port is not None:
            every(self._app, SHOW, f"numbers of {work.role}", Gauges(work.role, reader).show)
        if isinstance(work, Deciding):
            self._watch_deadlines(work, reader, carrier)
        if isinstance(work, Following):
            self._tend_keys(work, reader)

    def _watch_deadlines(self, work: Deciding, reader: Reader, carrier: Carrier) -> None:
        async def look() -> None:
            for partition, end in reader.ends().items():
                claim = reader.claims[partition]
                if claim.next is not None and claim.until is None:
                    claim.until = end
            while any([await expired(partition) for partition in await carrier.attempt(work.overdue) or ()]):
                pass  # there may be more than are appended at once, and each partition has its turn

        async def expired(partition: TopicPartition) -> bool:
            claim = reader.claims.get(partition)
            if claim is None or not claim.live or not claim.has_caught_up:
                return False  # what is read again, since it was forgotten, may have been settled further on
            return bool(await carrier.attempt(partial(work.expire, partition=partition, carried=claim.carried)))

        every(self._app, TICK, f"deadlines of {work.role}", look)

    def _tend_keys(self, work: Following, reader: Reader) -> None:
        async def tend() -> None:
            behind = reader.behind()
            for partition, claim in list(reader.claims.items()):
                with suppress(Unavailable):  # it comes again by itself
                    await work.tend(claim, behind.get(partition, 0))

        every(self._app, SHOW, f"segments of {work.role}", tend)


def every(app: faust.App, seconds: float, name: str, body: Callable[[], Awaitable[None]]) -> None:
    """Run ``body`` again and again. A fault in it stops the process: Faust would stop its timers and live on."""

    async def tick() -> None:
        try:
            await body()
        except Exception as fault:
            die(name, fault)

    app.timer(interval=seconds, name=name)(tick)
