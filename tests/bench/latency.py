"""How long it takes until an appended event is acknowledged, until a bare consumer has it, and until it can be read in
a projection, live; and how busy the worker is then.

The worker (``fiks worker --role projections``) and the consumer are processes of their own, one after the other. Rows
and checkpoint commit together, so a row is there when the checkpoint has passed it: one connection asks for that, each
millisecond, but only while an event is awaited, and of the many only 50 a second are. NOTIFY from a trigger would lie
inside the transaction that is measured. So a figure is too large by one answer and a millisecond at most, and nothing
is done for it that the worker would feel. The key of each letter is made beforehand, as a gateway makes it while the
letter still comes. Run: ``python -m tests.bench.latency``; ``ARGS=short`` is a second of each rate.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from statistics import quantiles
from typing import NamedTuple, TypeVar
from uuid import uuid4

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.database import Connection
from schemas.catalogue import event_type
from schemas.envelope import Position, fact
from schemas.topics import TOPICS
from streams import topics
from streams.domain.errors import Unacknowledged, Unavailable
from streams.log import Log
from tests.bench.accept import CORES, SHORT, TOO_BUSY, cpu_seconds, process
from tests.bench.arguments import asked
from tests.bench.events import TOPIC, mottatt
from tests.bench.report import Report
from tests.support.backbone import backbone
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder

T = TypeVar("T")

SECONDS = {10: 100, 100: 20, 1_000: 20}
"""How long each rate is kept up: so that ten events of each, at least, are the hundredth part that takes longest."""
WARM_UP = 1_000, 15
"""A rate, and for how many seconds nothing counts."""
AWAITED = 50
"""Events a second whose rows are awaited."""
REST = 0.001
CHECKPOINTS = """
    select c.partition, c.next_offset from checkpoint c join projection p on p.name = c.name and p.live = c.version
    where c.name = 'svarut_status' and c.topic = $1
"""


class Appended(NamedTuple):
    """When an event was handed over (seconds, of the clock that all processes share), how long it took until it was
    acknowledged, and where it came to lie.
    """

    time: float
    took: float
    position: Position


class Projected:
    """Tells when the projection has an event. It asks only while somebody waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._awaited: dict[Position, asyncio.Future[float]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def arrival(self, position: Position) -> float:
        """When the rows of the event at this position were first seen."""
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[position] = arrived
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await arrived

    async def _ask(self) -> None:
        while self._awaited:
            rows = await self._connection.fetch(CHECKPOINTS, TOPIC)
            next_offsets = {row["partition"]: row["next_offset"] for row in rows}
            now = time.monotonic()
            for one in [one for one in self._awaited if one.offset < next_offsets[one.partition]]:
                self._awaited.pop(one).set_result(now)
            await asyncio.sleep(REST)
        self._asking = None


async def bench(seconds_of: Mapping[int, int], warm_up: tuple[int, int]) -> None:
    """At each rate for so many seconds: first the bare consumer, while no worker runs; then the worker."""
    report = Report("latency")
    with temporary_folder() as folder:
        kafka, postgres = OwnKafka(folder, measured=True), OwnPostgres(folder)
        await kafka.start()
        await postgres.start()
        topics.apply(kafka.bootstrap, 1)
        (folder / "state").mkdir()
        environment = {
            "FIKS_KAFKA": kafka.bootstrap,
            "FIKS_POSTGRES": postgres.dsn,
            "FIKS_STATE": str(folder / "state"),
            "FIKS_LOG_LEVEL": "WARNING",
        }
        async with backbone(kafka.bootstrap, postgres.dsn, folder / "state") as made:
            log, projected = made.log, Projected(made.connection)
            await until_received(log, kafka.bootstrap, *warm_up)
            for rate, seconds in seconds_of.items():
                acknowledged, received = await until_received(log, kafka.bootstrap, rate, seconds)
                add(report, f"append_{rate}", acknowledged)
                add(report, f"receive_{rate}", received)
            arguments = ("-m", "gateway.cli", "worker", "--role", "projections")
            with process(*arguments, environment=environment, cores=set(CORES)) as worker:
                await until_projected(log, projected, *warm_up)
                for rate, seconds in seconds_of.items():
                    busy, begun = cpu_seconds([worker]), time.monotonic()
                    arrived = await until_projected(log, projected, rate, seconds)
                    busy = (cpu_seconds([worker]) - busy) / (time.monotonic() - begun)
                    add(report, f"latency_{rate}", arrived, to=f"receive_{rate}")
                    report.add(f"latency_{rate}_worker", busy, "cores")
        await postgres.stop()
        await kafka.stop()
    report.finish()


def add(report: Report, name: str, seconds: list[float], to: str | None = None) -> None:
    """The median and the hundredth part that took longest, in milliseconds."""
    cuts = quantiles(seconds, n=100)
    for part, value in (("p50", cuts[49]), ("p99", cuts[98])):
        report.add(f"{name}_{part}", value * 1000, "ms", to and f"{to}_{part}")


async def until_projected(log: Log, projected: Projected, rate: int, duration: int) -> list[float]:
    """Seconds from append to row, of the events that are awaited."""

    async def one(number: int) -> float | None:
        appended = await append(log)
        if number % max(rate // AWAITED, 1):
            return None
        return await projected.arrival(appended.position) - appended.time

    return [seconds for seconds in await at_pace(rate, duration, one) if seconds is not None]


async def until_received(log: Log, bootstrap: str, rate: int, duration: int) -> tuple[list[float], list[float]]:
    """Seconds from append to acknowledgement, and to receipt by a bare consumer, of all events."""
    consumer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.latency", "receive", bootstrap),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert consumer.stdout
    await consumer.stdout.readline()  # it reads already
    appended = await at_pace(rate, duration, lambda _: append(log))
    told, _ = await consumer.communicate(b"%d\n" % len(appended))
    arrivals: dict[str, list[tuple[int, float]]] = json.loads(told)
    arrived = [_arrival(arrivals[str(at.partition)], at.offset) - begun for begun, _, at in appended]
    return [one.took for one in appended], arrived


def _arrival(seen: list[tuple[int, float]], offset: int) -> float:
    return seen[bisect_right(seen, offset, key=lambda one: one[0])][1]


async def at_pace(rate: int, duration: int, one: Callable[[int], Coroutine[None, None, T]]) -> list[T]:
    """Do it so often a second, evenly, whether or not what came before is finished."""
    begin, begun = time.monotonic(), list[asyncio.Task[T]]()
    for number in range(rate * duration):  # each is made when it is due: all at once they would keep the first waiting
        await asyncio.sleep(begin + number / rate - time.monotonic())
        begun.append(asyncio.create_task(one(number)))
    return await asyncio.gather(*begun)


async def append(log: Log) -> Appended:
    """One more forsendelse; where the log takes nothing for a moment, it is tried again and the time runs on."""
    event = mottatt(uuid4())
    about = fact(event, time=datetime.now(UTC), id=str(uuid4()), source="urn:bench")
    await taken(lambda: log.keys.create(event_type(event).key_id(about.stream)))
    begun = time.monotonic()
    position = await taken(lambda: log.append(event, about))
    return Appended(begun, time.monotonic() - begun, position)


async def taken(append: Callable[[], Awaitable[T]]) -> T:
    """What comes of it once the log takes it."""
    while True:
        try:
            return await append()
        except Unacknowledged as fault:  # it may be on the log, so that the counts are wrong
            raise RuntimeError(TOO_BUSY) from fault
        except Unavailable:
            await asyncio.sleep(0.01)


async def receive(bootstrap: str) -> None:
    """The bare consumer. Reads as many records as a line of input says; prints when each partition came how far."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(TOPIC, number) for number in range(TOPICS[TOPIC].partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    seen: dict[int, list[tuple[int, float]]] = {one.partition: [] for one in partitions}
    print("ready", flush=True)
    wanted, count = asyncio.create_task(asyncio.to_thread(sys.stdin.readline)), 0
    while not wanted.done() or count < int(wanted.result()):
        fetched = await consumer.getmany(timeout_ms=200)
        now = time.monotonic()
        for at, records in fetched.items():
            count += len(records)
            seen[at.partition].append((records[-1].offset + 1, now))
    await consumer.stop()
    print(json.dumps(seen))


if __name__ == "__main__":
    if sys.argv[1:2] == ["receive"]:
        asyncio.run(receive(sys.argv[2]))
    else:
        short = asked("latency", SHORT, f"({SHORT})?")
        uvloop.run(bench(dict.fromkeys(SECONDS, 1), (100, 1)) if short else bench(SECONDS, WARM_UP))
