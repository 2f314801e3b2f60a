"""How many letters one gateway process on one core takes in, against a server that only reads them, and one that only
makes them durable.

Each server is pinned to the last core; Kafka and the load share the rest. Both run all the time and are measured in
turn, in short rounds, of which the medians count: what else the machine does then meets both alike. Two processes are
compared with one, and with two that only read, in the same way, but all on all cores: there the load takes its share.
The load is raw sockets and one request made beforehand, in the wire shape of the published client.
Run: ``python -m tests.bench.accept``; ``ARGS=short`` is one round of each, which shows that all of it works.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple, cast
from uuid import uuid4

import psutil
import uvloop
from aiohttp import ClientSession, web

from gateway.app import tune_garbage_collection
from gateway.auth.grant import token_for
from gateway.issuer.serving import issuers
from gateway.seed import credentials, seed
from infra.keks import InTheClear, Keks
from infra.local.processes import leashed
from infra.settings import Settings
from schemas.envelope import fact
from schemas.svarut import ForsendelseMottatt
from streams import topics
from streams.log import Log
from tests.bench.arguments import asked
from tests.bench.events import TOPIC, mottatt
from tests.bench.report import Report
from tests.support.gateway import BOUNDARY, form, metadata, pdf, served
from tests.support.ports import free_port
from tests.support.stack import OwnKafka, temporary_folder

Popen = subprocess.Popen[bytes]

CORES = sorted(os.sched_getaffinity(0))
SERVER, LOAD = {CORES[-1]}, set(CORES[:-1]) or {CORES[-1]}
GATEWAY, READER = ("-m", "gateway.cli", "gateway"), ("-m", "tests.bench.accept", "read-only")
KEEPER = ("-m", "tests.bench.accept", "durable-only")
RECORD = 800
"""Bytes of a record of ``durable_only``, about as many as of ForsendelseMottatt."""
TOO_BUSY = "is the machine too busy?"
CONNECTIONS = 32
WARM_UP, MEASURED = 0.5, 2.5
ROUNDS, SHORT = 5, "short"
BROKER_WARM_UP = 5.0
"""Seconds; a broker that has just started is slow, and may be too slow to take anything in."""
BOTH_READY = 5.0
"""Seconds until the slower of two processes on one port serves too; the port itself cannot tell."""


class Load(NamedTuple):
    """What a load came to. Latencies are in milliseconds, ``cpu`` is the server's, in microseconds a request.

    ``load`` is how busy the sender was, in cores: near 1 it is the sender that was measured.
    """

    per_second: float
    p50: float
    p99: float
    cpu: float
    load: float


class Connection(asyncio.Protocol):
    """Sends the request again as soon as it is answered, a little later when it was refused.

    ``took`` are the seconds of each answer, ``refused`` is the last refusal; whoever measures clears both.
    """

    def __init__(self, request: bytes) -> None:
        self.took: list[float] = []
        self.refused = ""
        self._request = request
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.refused, self._received = self._received.decode(), b""
            asyncio.get_running_loop().call_later(0.1, self._send)
            return
        self._received = b""
        self.took.append(time.perf_counter() - self._sent)
        self._send()

    def close(self) -> None:
        self._transport.abort()

    def _send(self) -> None:
        if self._transport.is_closing():
            return
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    at = head.index(b"Content-Length: ") + len(b"Content-Length: ")
    return int(head[at : at + 10].split(b"\r\n", 1)[0])


async def accepting(url: str, headers: dict[str, str]) -> None:
    """Returns when a first letter is taken in: tokens, passwords and the way to the log are known then."""
    kind = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    async with ClientSession(headers=headers | kind) as session:
        while True:
            async with session.post(url, data=form(metadata())) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)


async def load(
    port: int, request: bytes, *servers: Popen, connections: int = CONNECTIONS, warm_up: float = WARM_UP
) -> Load:
    """Closed loop: each connection waits for its answer.

    Raises RuntimeError when one is refused after the warm-up, or hardly any is answered.
    """
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(request), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.sleep(warm_up)
    for _, one in made:
        one.took.clear()
        one.refused = ""
    begin, cpu, own = time.perf_counter(), cpu_seconds(servers), time.process_time()
    await asyncio.sleep(MEASURED)
    elapsed, cpu, own = time.perf_counter() - begin, cpu_seconds(servers) - cpu, time.process_time() - own
    took = sorted(second for _, one in made for second in one.took)
    for _, one in made:
        one.close()
    if refused := next((one.refused for _, one in made if one.refused), None):
        raise RuntimeError(f"a letter was refused: {TOO_BUSY} {refused}")
    if len(took) < connections:
        raise RuntimeError(f"{len(took)} letters were answered in {elapsed:.1f} s: {TOO_BUSY}")
    cuts = quantiles(took, n=100)
    return Load(len(took) / elapsed, cuts[49] * 1000, cuts[98] * 1000, cpu / len(took) * 1e6, own / elapsed)


def medians(rounds: Sequence[Load]) -> Load:
    """Of each figure the median."""
    return Load(*map(median, zip(*rounds, strict=True)))


def cpu_seconds(servers: Sequence[Popen]) -> float:
    """That these processes have taken so far."""
    times = [psutil.Process(one.pid).cpu_times() for one in servers]
    return float(sum(one.user + one.system for one in times))


def request(path: str, headers: dict[str, str]) -> bytes:
    """The published client's call: chunked, a quoted boundary, a PDF of some pages."""
    document = pdf(100)
    body = form(metadata("vedtak.pdf", eksternReferanse="ref"), [('filename="vedtak.pdf"', document)])
    fields = headers | {
        "Host": "127.0.0.1",
        "User-Agent": "Jetty/12.1.9",
        "Accept-Encoding": "gzip",
        "Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"',
        "Transfer-Encoding": "chunked",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in _cut(body, 1 << 14))
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + chunks + b"0\r\n\r\n"


def _cut(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


@contextmanager
def process(*arguments: str, environment: dict[str, str], cores: set[int]) -> Iterator[Popen]:
    """A server in a process of its own, on some cores only."""
    made = subprocess.Popen(leashed((sys.executable, *arguments)), env=os.environ | environment)
    os.sched_setaffinity(made.pid, cores)
    try:
        yield made
    finally:
        made.send_signal(signal.SIGTERM)
        made.wait(60)


async def ready(url: str) -> None:
    """Returns when it answers 200."""
    async with ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            await asyncio.sleep(0.1)


async def read_only(port: int) -> None:
    """The same server, which only reads the body."""

    async def take(request: web.Request) -> None:
        while await request.content.readany():
            pass

    await serve(port, take)


async def durable_only(port: int, bootstrap: str, folder: Path) -> None:
    """The same server, which only makes the body durable, in a file, and one record on the log: the least that a 200
    promises, of a letter that nobody has looked at, sealed or asked for.
    """
    log = Log(bootstrap)
    await log.start()

    def store(name: str, body: bytes) -> None:
        with (folder / name).open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())

    async def take(request: web.Request) -> None:
        name, body = uuid4().hex, await request.read()
        await asyncio.gather(asyncio.to_thread(store, name, body), log.send(TOPIC, name, body[:RECORD], []))

    await serve(port, take)


async def serve(port: int, take: Callable[[web.Request], Awaitable[None]]) -> None:
    """Answer each call once it is taken."""

    async def send(request: web.Request) -> web.Response:
        await take(request)
        return web.json_response({"id": str(uuid4())})

    async def health(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/v2/kontoer/{kontoId}/forsendelser/", send)
    app.router.add_get("/readyz", health)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    tune_garbage_collection()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True, backlog=1024).start()
    await asyncio.Event().wait()


async def append_only(bootstrap: str) -> float:
    """Appends a second of as many callers as there are connections, and nothing else."""
    os.sched_setaffinity(0, SERVER)
    log, count = Log(bootstrap, Keks(Path(tempfile.mkdtemp()) / "keks.json", InTheClear())), 0
    await log.start()

    async def append() -> None:
        event: ForsendelseMottatt = mottatt(uuid4())
        await log.append(event, fact(event, time=datetime.now(UTC), id=str(uuid4()), source="urn:bench"))

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < until:
            await append()
            count += 1

    await append()  # the way to the log is known then
    until = time.perf_counter() + MEASURED
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    await log.stop()
    return count / MEASURED


async def bench(folder: Path, bootstrap: str, count: int) -> Report:
    """Measure all there is, in so many rounds."""
    report, state = Report("accept"), folder / "state"
    topics.apply(bootstrap, 1)
    await Keks(state / "keks.json", InTheClear()).begin()  # the log alone has data keys before a gateway looks
    await seed(bootstrap, state)
    issuer_port, port, reader_port, keeper_port = (free_port() for _ in range(4))
    issuer = f"http://127.0.0.1:{issuer_port}/"
    environment = {
        "FIKS_KAFKA": bootstrap,
        "FIKS_STATE": str(state),
        "FIKS_ISSUER": issuer,
        "FIKS_IDPORTEN_ISSUER": f"{issuer}idporten",
        "FIKS_GATEWAY_PORT": str(port),
        "FIKS_POSTGRES": "postgresql://nobody:none@127.0.0.1:1/none",
        "FIKS_LOG_LEVEL": "WARNING",
    }
    settings = Settings(issuer=issuer, idporten_issuer=f"{issuer}idporten", state=state)
    async with served(issuers(settings), issuer_port):
        known = credentials(state)[0]
        headers = {
            "Authorization": f"Bearer {await token_for(issuer, known['orgnr'])}",
            "IntegrasjonId": known["integrasjonId"],
            "IntegrasjonPassord": known["integrasjonPassord"],
        }
        path = f"/api/v2/kontoer/{known['kontoId']}/forsendelser/"
        url, call = f"http://127.0.0.1:{port}{path}", request(path, headers)
        (kept := folder / "kept").mkdir()
        with (
            process(*READER, str(reader_port), environment={}, cores=SERVER) as reader,
            process(*KEEPER, str(keeper_port), bootstrap, str(kept), environment={}, cores=SERVER) as keeper,
            process(*GATEWAY, environment=environment, cores=SERVER) as one,
        ):
            for each in (reader_port, keeper_port, port):
                await ready(f"http://127.0.0.1:{each}/readyz")
            await accepting(url, headers)
            await load(port, call, one, warm_up=BROKER_WARM_UP)  # not counted
            await load(keeper_port, call, keeper)
            peers = ((reader_port, reader), (keeper_port, keeper), (port, one))
            rounds = [[await load(each, call, server) for each, server in peers] for _ in range(count)]
            nothing, durable, accept = zip(*rounds, strict=True)
            _add(report, "do_nothing", medians(nothing))
            _add(report, "durable_only", medians(durable))
            _add(report, "accept", medians(accept))
            alone = [await load(port, call, one, connections=1) for _ in range(count)]
            _add(report, "accept_one_at_a_time", medians(alone))
        append = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.accept", "append-only", bootstrap, stdout=subprocess.PIPE
        )
        out, _ = await append.communicate()
        report.add("bare_append", float(out), "1/s")
        for name, got in (await side_by_side(environment, path, headers, count)).items():
            _add(report, name, got)
    report.add_ratio("accept_vs_do_nothing", "accept", "do_nothing")
    report.add_ratio("accept_cpu_vs_do_nothing", "accept_cpu", "do_nothing_cpu")
    report.add_ratio("durable_only_vs_do_nothing", "durable_only", "do_nothing")
    report.add_ratio("accept_vs_durable_only", "accept", "durable_only")
    report.add_ratio("accept_vs_bare_append", "accept", "bare_append")
    report.add_ratio("accept_two_processes_vs_one", "accept_two_processes", "accept_one_process")
    report.add_ratio("accept_two_processes_vs_do_nothing", "accept_two_processes", "do_nothing_two_processes")
    return report


async def side_by_side(environment: dict[str, str], path: str, headers: dict[str, str], count: int) -> dict[str, Load]:
    """One gateway process, two, and two that only read, measured in turn under the same load, on all cores alike."""
    call, got = request(path, headers), dict[str, list[Load]]()
    with ExitStack() as stack:

        def served_by(count: int, port: int, *server: str) -> tuple[int, list[Popen]]:
            own = environment | {"FIKS_GATEWAY_PORT": str(port)}
            return port, [
                stack.enter_context(process(*server, environment=own, cores=set(CORES))) for _ in range(count)
            ]

        reader_port = free_port()
        peers = {
            "accept_one_process": served_by(1, free_port(), *GATEWAY),
            "accept_two_processes": served_by(2, free_port(), *GATEWAY),
            "do_nothing_two_processes": served_by(2, reader_port, *READER, str(reader_port)),
        }
        for port, _ in peers.values():
            await ready(f"http://127.0.0.1:{port}/readyz")
        await asyncio.sleep(BOTH_READY)
        for port, _ in peers.values():
            await accepting(f"http://127.0.0.1:{port}{path}", headers)
        for _ in range(count):
            for name, (port, servers) in peers.items():
                got.setdefault(name, []).append(await load(port, call, *servers, connections=2 * CONNECTIONS))
    return {name: medians(rounds) for name, rounds in got.items()}


def _add(report: Report, name: str, got: Load) -> None:
    report.add(name, got.per_second, "1/s")
    report.add(f"{name}_p50", got.p50, "ms")
    report.add(f"{name}_p99", got.p99, "ms")
    report.add(f"{name}_cpu", got.cpu, "us")
    report.add(f"{name}_load", got.load, "cores")


async def main(count: int) -> None:
    """Everything, in so many rounds, on a Kafka of its own."""
    os.sched_setaffinity(0, LOAD)
    with temporary_folder() as folder:
        server = OwnKafka(folder, measured=True)
        await server.start()
        report = await bench(folder, server.bootstrap, count)
        await server.stop()
    report.finish()


def run(arguments: Sequence[str]) -> None:
    """A server in a process of its own, or the benchmark."""
    match arguments:
        case ["read-only", port]:
            uvloop.run(read_only(int(port)))
        case ["durable-only", port, bootstrap, folder]:
            uvloop.run(durable_only(int(port), bootstrap, Path(folder)))
        case ["append-only", bootstrap]:
            print(uvloop.run(append_only(bootstrap)))
        case _:
            uvloop.run(main(1 if asked("accept", SHORT, f"({SHORT})?") else ROUNDS))


if __name__ == "__main__":
    run(sys.argv[1:])
