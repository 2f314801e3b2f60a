"""Fiks IO: messages beside RabbitMQ (``messages``), then what the AMQP server can do: deliveries to one Java consumer,
idle connections, logins, and very much that waits.

Run: ``python -m tests.bench.fiksio``; ``ARGS=1000`` says how many idle connections. The server is a process of its own
on the gateway's loop, over TLS; the clients share the machine with it. The consumer is amqp-client for Java with
prefetch 10, which acknowledges each message of 1 KB: from a queue in memory, whose first run warms the JVM up, and at
the end from the log, through a whole system. Idle
connections have a consumer each, of an account of its own on the real queues, and so has what waits (``waiting``).
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID, uuid4

import psutil
import uvloop
from pamqp import commands
from pamqp.heartbeat import Heartbeat

from gateway.amqp.codec import ALIVE
from gateway.amqp.deliveries import Melding
from gateway.amqp.handshake import HEARTBEAT
from gateway.amqp.queues import queue_of
from gateway.auth.passwords import MOST_PROVING, hashed
from infra.logs import configure
from infra.settings import Settings
from schemas.konfigurasjon import IntegrasjonOpprettet, PrivilegieTildelt, RessursOpprettet
from streams.domain.fiks_io_konto import KONTO, SENDE_MOTTA
from tests.bench.arguments import asked
from tests.bench.messages import MANY, as_many_as_go, fiks_io, measure_messages
from tests.bench.report import Report
from tests.bench.waiting import measure_waiting, office, queues_of
from tests.support.amqp import (
    AKTOR,
    KONTO_ID,
    MELDING,
    ORG,
    ORGNR,
    PASSORD,
    QUEUE,
    certified,
    running_amqp,
)
from tests.support.amqp_raw import Raw
from tests.support.published_client import Client, Program
from tests.support.stack import temporary_folder

JAVA = Program("Amqp.java", "amqp-5.28.xml", "amqp-client-5.28")
MESSAGES, ROUNDS, SIZE = 40_000, 4, 1000
IDLE = 5000
LOGINS = 100
AT_ONCE = 50
BEATS = 5
"""In half the time of a heartbeat each, of which the server waits for two."""
INTEGRATIONS = MOST_PROVING * (os.cpu_count() or 1)


class Served:
    """The server's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, what: str, **how: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": what} | how).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())

    @property
    def memory(self) -> float:
        """Resident kilobytes."""
        return psutil.Process(self._process.pid).memory_info().rss / 1024

    def on_one_core(self) -> None:
        """Run all threads on the same from now on."""
        core = {min(os.sched_getaffinity(self._process.pid))}
        for thread in psutil.Process(self._process.pid).threads():
            os.sched_setaffinity(thread.id, core)

    @property
    def processor(self) -> float:
        """Seconds of the processor."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


@asynccontextmanager
async def served(folder: Path, settings: Settings | None = None) -> AsyncIterator[Served]:
    """Serve from the queues of the settings, or else from queues in memory."""
    real = () if settings is None else (settings.model_dump_json(include={"kafka", "postgres", "state"}),)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.fiksio", "serve", str(folder), *real),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Served(process)
    finally:
        process.terminate()
        await process.wait()


async def serve(folder: Path, settings: Settings | None) -> None:
    """Serve, and do what the lines on standard input say."""
    configure("ERROR")
    context, _ = certified(folder)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with AsyncExitStack() as stack:
        queues, _ = (None, None) if settings is None else await stack.enter_async_context(queues_of(settings))
        amqp = await stack.enter_async_context(running_amqp(context, queues))
        while line := await lines.readline():
            asked = json.loads(line)
            if asked["do"] == "put":
                amqp.queues.put(KONTO_ID, *[Melding(MELDING.headers, bytes(SIZE), 1000)] * asked["count"])
            if asked["do"] == "open":
                right = {"aktor": AKTOR, "ressurs_id": ORG, "privilegium": SENDE_MOTTA}
                amqp.memory.meet(*map(account, range(asked["count"])), PrivilegieTildelt(fiks_org_id=ORG, **right))
            if asked["do"] == "know":
                amqp.memory.meet(*map(integration, range(asked["count"])))
            print(json.dumps({"port": amqp.port, "user": amqp.user, "secret": amqp.secret}), flush=True)


def account(number: int) -> RessursOpprettet:
    """An account of Testvik's; that of number 0 and so on."""
    return RessursOpprettet(
        fiks_org_id=ORG, ressurs_id=UUID(int=0x20000 + number), forelder_id=ORG, type=KONTO, navn="Arkiv"
    )


def integration(number: int) -> IntegrasjonOpprettet:
    """An integration of Testvik's, with a hash of its own of the password that all have."""
    return IntegrasjonOpprettet(
        fiks_org_id=ORG,
        integrasjon_id=UUID(int=0x30000 + number),
        navn="Fagsystem",
        autorisert_orgnr=ORGNR,
        passord_hash=hashed(PASSORD),
    )


async def measure_first_logins(server: Served, folder: Path, report: Report) -> None:
    """As many integrations as may be proved at a time log in at once, each for the first time: clients wait for five
    seconds.
    """
    where = await server.ask("know", count=INTEGRATIONS)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    users = [str(UUID(int=0x30000 + one)) for one in range(INTEGRATIONS)]
    seconds = await asyncio.gather(*(one_login(where | {"user": user}, context) for user in users))
    report.add(f"first logins, {INTEGRATIONS} at once, slowest", max(seconds) * 1000, "ms")


async def measure_deliveries(server: Served, folder: Path, report: Report) -> None:
    """Deliveries a second to one consumer, cold and warm."""
    async with Client.started(JAVA, folder / "java.log") as java:
        where = await server.ask("where")
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        await java.call("connect", **where, authority=str(folder / "ca.pem"))
        for turn in range(ROUNDS):
            await server.ask("put", count=MESSAGES)
            begin = server.processor
            rating = asyncio.create_task(java.call("rate", queue=QUEUE, count=MESSAGES))
            if turn == ROUNDS - 1:
                seconds = [await one_login(where, context) for _ in range(LOGINS)]
                report.add("login while delivering, slowest", max(seconds) * 1000, "ms")
            rate = await rating
            report.add(f"deliveries, run {turn + 1}", rate, "a second")
            report.add(f"processor, run {turn + 1}", (server.processor - begin) / MESSAGES * 1e6, "us a delivery")


async def measure_deliveries_of_the_log(report: Report) -> None:
    """How many messages a second that wait in the whole system go to one consumer, cold and warm: leased in PostgreSQL,
    handed out, and said so on the log.
    """
    with temporary_folder() as folder:
        async with fiks_io() as (send, receiver, port), Client.started(JAVA, folder / "java.log") as java:
            await java.call("connect", port=port, user=receiver.user, secret=receiver.secret)
            for turn in range(2):
                await as_many_as_go(lambda _: send(uuid4()))
                rate = await java.call("rate", queue=queue_of(receiver.konto_id), count=MANY)
                report.add(f"deliveries of the log, run {turn + 1}", rate, "a second")


async def one_login(where: dict[str, Any], context: ssl.SSLContext) -> float:
    """Seconds from connecting to being let in."""
    begin = time.perf_counter()
    raw = Raw(*await asyncio.open_connection("localhost", where["port"], ssl=context))
    answer = await raw.log_in(where["user"], where["secret"], heartbeat=60)
    assert isinstance(answer, commands.Connection.OpenOk), answer
    seconds = time.perf_counter() - begin
    await raw.drop()
    return seconds


async def measure_connections(server: Served, folder: Path, report: Report, number: int) -> None:
    """Memory of connections with a consumer each, how long logging in takes while others do so too, and what they cost
    one core, on which all of the server runs, while nothing comes.
    """
    server.on_one_core()
    where = await server.ask("open", count=number)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    turn, seconds, connections = asyncio.Semaphore(AT_ONCE), list[float](), list[Raw]()

    async def connect(konto_id: UUID) -> None:
        async with turn:
            begin = time.perf_counter()
            opened = await asyncio.open_connection("localhost", where["port"], ssl=context)
            connections.append(raw := Raw(*opened))
            await raw.log_in(where["user"], where["secret"], heartbeat=HEARTBEAT)
            seconds.append(time.perf_counter() - begin)
            await raw.ask(commands.Channel.Open(), 1)
            await raw.ask(commands.Basic.Consume(queue=queue_of(konto_id)), 1)

    before, begin, processor = server.memory, time.perf_counter(), server.processor
    await asyncio.gather(*(connect(account(one).ressurs_id) for one in range(number)))
    report.add(f"logins, {AT_ONCE} at once", number / (time.perf_counter() - begin), "a second")
    report.add("processor", (server.processor - processor) / number * 1e3, "ms a login")
    report.add("login, p99", quantiles(seconds, n=100)[98] * 1000, "ms")
    report.add(f"memory, {number} idle", (server.memory - before) / number, "KiB a connection")
    processor, begin = server.processor, time.perf_counter()
    await beat(connections)
    share = (server.processor - processor) / (time.perf_counter() - begin)
    report.add(f"processor, {number} idle", share * 100, "% of a core")
    assert all([await answers(one) for one in connections])
    for connection in connections:
        await connection.drop()


async def beat(connections: Sequence[Raw]) -> None:
    """Heartbeats as clients send them, spread over their time, for so long that who sends none is cut off."""
    for _ in range(BEATS):
        for number, connection in enumerate(connections):
            connection.writer.write(ALIVE)
            if number % AT_ONCE == 0:
                await asyncio.sleep(HEARTBEAT / 2 / len(connections) * AT_ONCE)


async def answers(connection: Raw) -> bool:
    """Whether it still opens a channel."""
    answer = await connection.ask(commands.Channel.Open(), 2)
    while isinstance(answer, Heartbeat):
        answer = await connection.hear()
    return isinstance(answer, commands.Channel.OpenOk)


async def main(number: int) -> None:
    report = Report("fiksio")
    await measure_messages(report)
    with temporary_folder() as folder:
        async with office(folder) as settings:
            async with served(folder, settings) as server:
                await measure_connections(server, folder, report, number)
            await measure_waiting(settings, report)
        async with served(folder) as server:
            await measure_deliveries(server, folder, report)
            await measure_first_logins(server, folder, report)
    await measure_deliveries_of_the_log(report)
    report.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(Path(sys.argv[2]), Settings(**json.loads(sys.argv[3])) if sys.argv[3:] else None))
    else:
        [connections] = asked("fiksio", "CONNECTIONS", "([1-9][0-9]*)?") or [IDLE]
        uvloop.run(main(int(connections)))
