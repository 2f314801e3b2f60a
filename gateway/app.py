"""The gateway: puts the routes together with what they ask, and serves them. Several processes can share a port."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from http import HTTPStatus
from importlib import import_module
from pkgutil import iter_modules
from time import perf_counter, time

from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler

from gateway import routes as routes_package
from gateway.ahead import AHEAD, Stocks
from gateway.amqp.access import Access
from gateway.amqp.server import Server
from gateway.answering import ANSWERING, answered
from gateway.audit import AUDITOR, Auditor, audited
from gateway.auth.callers import Callers
from gateway.auth.integrations import Integrations
from gateway.auth.memory import MEMORY, Memory
from gateway.auth.middleware import authenticate
from gateway.auth.passwords import Passwords
from gateway.auth.persons import PERSONS, persons
from gateway.auth.principal import PRINCIPAL
from gateway.auth.remembered import Remembered
from gateway.auth.tokens import TOKENS, Tokens
from gateway.body import BROKEN
from gateway.context import BLOBS, CERTIFICATES, DELIVERIES, ENDS, LOG, MINSIDE, READS, SCANNER, TRAFFIC, Traffic
from gateway.deadline import in_time
from gateway.dokument_upload import LONGEST_CALL
from gateway.dokument_utlevering import DAMAGED, MOST_DAMAGED
from gateway.dokumenter import DOKUMENTER, KONTO_TOPIC, KONTOER, Dokumenter, Kontoer
from gateway.dokumenter import TOPIC as DOKUMENT_TOPIC
from gateway.fiks_io_manuell import POLLING
from gateway.fullmakt import FULLMAKTER, Fullmakter
from gateway.half_closed import answer_half_closed
from gateway.malformed import LARGEST_HEADER, LONGEST_ADDRESS, NAME, answer_as_elsewhere
from gateway.matrikkel import EIERE
from gateway.opplasting_slutt import MAKING
from gateway.opplastinger import OPPLASTINGER, Opplastinger
from gateway.port import Port
from gateway.problems import problems
from gateway.queues import Queues
from gateway.randomness import new_uuid
from gateway.reads import TOPIC, Reads
from gateway.registers.altinn import Altinn
from gateway.registers.krr import KRR, Krr
from gateway.registers.maskinporten import Maskinporten, client
from gateway.registers.matrikkel import connected
from gateway.revisjon import REVISJON, Revisjon
from gateway.routes import Routes
from gateway.sporing import SPORING, Sporing
from gateway.sporing import TOPIC as MELDING_TOPIC
from gateway.template import template_of
from gateway.tls import tls_of
from gateway.tus import VERSION as TUS_VERSION
from gateway.tus import Refused
from infra.blobs import blob_store
from infra.crypto.certificates import key_folder
from infra.database import BY_KEY, pool_of
from infra.ends import Ends
from infra.keys import Table
from infra.kms import keks
from infra.logs import logger
from infra.metrics import GATEWAY_STARTED, REQUEST_SECONDS
from infra.settings import Settings
from infra.tracing import span
from infra.virus import scanner
from schemas.topics import NOKKEL, TOPICS
from streams.log import Log

log = logger(__name__)

DRAIN = 30.0
"""Seconds that running calls may take to end once the process is told to stop."""
LINGER = 1.0
STARTING = 20.0
"""Seconds in which a gateway learns who may call before it opens its port: others who share that know. Where the log is
away it opens the port all the same, to say how it is.
"""
UNCODED, CODED = "identity", "Innholdet kan ikke være komprimert: send det uten Content-Encoding"
CUT_OFF = 1.0
SILENCE = 75.0
"""Seconds after which a connection is closed that has no call under way, or only the beginning of one's head: aiohttp's
own hour would let strangers hold all that there may be.
"""
LONGEST_PAUSE = 10.0
"""Seconds in which who was refused must send something more, or is taken to have heard."""
CONNECT_TIMEOUT = 5.0
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""malloc.h"""

ACCESS = web.AppKey("access", Access)
"""Who may what over AMQP."""
Context = Callable[[web.Application], AsyncIterator[None]]


def make_app(settings: Settings) -> web.Application:
    """The gateway as an application; call it in the loop that will run it.

    What it depends on is started with it and may be away at that time.
    """
    memory = Memory(settings.kafka, folder=settings.state / "memory", lifetime=settings.memory_lifetime)
    session, named = ClientSession(), persons(settings)
    tokens = Tokens(settings.issuer, settings.idporten_issuer, session)
    maskinporten = Maskinporten(settings.issuer, session, lambda: client(settings))
    altinn = Altinn(settings.altinn, settings.altinn_key, maskinporten, session)
    fullmakter = Fullmakter(altinn, settings.fullmakt_lifetime)
    integrations = Integrations(memory, Passwords())
    callers = Callers(tokens, integrations, named, fullmakter)
    app = web.Application(middlewares=[let_finish, observe, problems, audited, in_time, authenticate(callers), invite])
    wrapping = keks(settings)
    app[MEMORY], app[TOKENS], app[LOG], app[PERSONS] = memory, tokens, Log(settings.kafka, wrapping), named
    app[FULLMAKTER], app[KRR] = fullmakter, Krr(settings.krr, maskinporten, session)
    app[AUDITOR], app[AHEAD] = Auditor(app[LOG], memory), Stocks(app[LOG].keys)
    app[ACCESS] = Access(memory, tokens, integrations, app[AUDITOR])
    app[BLOBS], app[ENDS] = blob_store(settings), Ends(settings.kafka, TOPICS[TOPIC])
    app[OPPLASTINGER], app[MAKING] = Opplastinger(app[BLOBS], wrapping), {}
    app[CERTIFICATES] = key_folder(settings)
    app[SCANNER], app[MINSIDE] = scanner(settings.clamd), settings.minside
    app[EIERE] = connected(settings, maskinporten, session)
    app[TRAFFIC], app[DAMAGED] = Traffic(), Remembered(MOST_DAMAGED)
    app.cleanup_ctx.extend([_started, _reading(settings)])
    app.on_response_prepare.extend([name_protocol, name_server, answered])
    app.on_cleanup.append(lambda _: session.close())
    add_routes(app)
    return app


def add_routes(app: web.Application) -> None:
    """Serve every route that there is: those of all modules in ``gateway.routes``."""
    for module in iter_modules(routes_package.__path__):
        routes: Routes = import_module(f"{routes_package.__name__}.{module.name}").routes
        routes.add_to(app)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then take no new connections, let running calls end, and stop.

    Connections without a call have a second for one more, whose answer is their last: they may have begun it.
    """
    GATEWAY_STARTED.set(time())
    context = tls_of(settings)
    answer_as_elsewhere()
    answer_half_closed()
    app = make_app(settings)
    traffic, loop = app[TRAFFIC], asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, traffic.draining.set)
    runner = runner_of(app)
    await runner.setup()
    tune_garbage_collection()
    give_memory_back()
    await known(app)
    ports = ports_of(runner, settings, context)
    amqp = await serve_amqp(app, settings, context)
    for port in ports:
        await port.open()
    log.info("gateway serves", host=settings.gateway_host, ports=[port.number for port in ports])
    await traffic.draining.wait()
    log.info("gateway stops", running=traffic.running)
    for port in ports:
        await port.close()
    consumers = asyncio.create_task(amqp.stop()) if amqp else None
    # Before aiohttp's own shutdown, which throws away what still comes of a body: no upload would ever end.
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN):
            linger_until = loop.time() + LINGER
            while traffic.running or (any(port.expects_calls for port in ports) and loop.time() < linger_until):
                await asyncio.sleep(0.05)
    if consumers:
        await consumers
    for port in ports:
        port.abandon()
    await runner.cleanup()


async def known(app: web.Application) -> None:
    """Wait until this gateway knows who may call, unless that takes long, or it is to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STARTING):
            while not (app[MEMORY].ready or app[TRAFFIC].draining.is_set()):
                await asyncio.sleep(0.05)


def runner_of(app: web.Application, shutdown_timeout: float = CUT_OFF) -> web.AppRunner:
    """What serves the application over HTTP."""
    return web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=shutdown_timeout,
        keepalive_timeout=SILENCE,
        auto_decompress=False,
        max_line_size=LONGEST_ADDRESS,
        max_field_size=LARGEST_HEADER,
    )


def ports_of(runner: web.AppRunner, settings: Settings, context: ssl.SSLContext | None) -> list[Port]:
    """Where the settings want HTTP served; the port by which others see that all is well is the last to be opened."""
    host, plain, over_tls = settings.gateway_host, settings.gateway_port, settings.gateway_tls_port
    secure = [] if over_tls is None else [Port(runner, host, over_tls, context)]
    return [*secure, Port(runner, host, plain)]


async def serve_amqp(app: web.Application, settings: Settings, context: ssl.SSLContext | None) -> Server | None:
    """Serve the queues over AMQP where the settings say so. Raises OSError where that cannot be."""
    if settings.amqp_port is None:
        return None
    server = Server(app[MEMORY], app[ACCESS], app[DELIVERIES])
    return await server.start(settings.amqp_host, settings.amqp_port, context)


def give_memory_back() -> None:
    """Large blocks go back to the system when they are freed, and threads share two heaps: what a document takes while
    it passes is otherwise kept and split up. ``make bench NAME=documents`` tells the peak.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(M_MMAP_THRESHOLD, 128 * 1024)
        libc.mallopt(M_ARENA_MAX, 2)


def tune_garbage_collection() -> None:
    """What lives from the start lives to the end, and a request's objects die without a collector's help."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@web.middleware
async def let_finish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who is refused before all of the call has come is answered at once, and may then send the rest: the published
    clients (Jetty) hear of no answer before they have sent all, and of a broken pipe if they cannot (contract
    dokumentlager.md, trap 10). Strangers have the ten seconds that aiohttp gives everybody.
    """
    response = await handler(request)
    if response.status >= HTTPStatus.BAD_REQUEST and PRINCIPAL in request and not request.content.at_eof():
        with suppress(*BROKEN):
            await response.prepare(request)
            await response.write_eof()
            async with asyncio.timeout(LONGEST_CALL):
                while not request.content.at_eof():
                    async with asyncio.timeout(LONGEST_PAUSE):
                        await request.content.readany()
    return response


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Measures each call and carries its trace on."""
    route = template_of(request)
    begin, traffic = perf_counter(), request.app[TRAFFIC]
    traffic.running += 1
    try:
        traceparent, about = request.headers.get("traceparent"), {"method": request.method, "route": route}
        with span("http", traceparent, serves=True, **about) as tell:
            response = await handler(request)
            tell(status=response.status)
    finally:
        traffic.running -= 1
    REQUEST_SECONDS.labels(request.match_info.route.method, route, str(response.status)).observe(perf_counter() - begin)
    if traffic.draining.is_set():
        response.force_close()
    return response


@web.middleware
async def invite(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sends 100 Continue to those who wait for it, now that they are known, and refuses what is compressed: what it
    takes to read that is its sender's to choose (RFC 9110, 15.5.16).
    """
    if request.headers.get("Content-Encoding", UNCODED).lower() != UNCODED:
        raise Refused(415, CODED, {"Accept-Encoding": UNCODED})
    if (expected := request.headers.get("Expect")) and expected.lower() != "100-continue":
        raise web.HTTPExpectationFailed
    if expected and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await handler(request)


async def name_protocol(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer about a resumable upload says so, refusals too (TUS 1.0.0)."""
    if "/opplastinger" in template_of(request):
        response.headers.setdefault("Tus-Resumable", TUS_VERSION)


async def name_server(_request: web.Request, response: web.StreamResponse) -> None:
    """An answer does not tell which libraries made it, in which versions."""
    response.headers["Server"] = NAME


async def _started(app: web.Application) -> AsyncIterator[None]:
    for part in (app[LOG], app[MEMORY], app[TOKENS]):
        await part.start()
    yield
    await app[AUDITOR].stop()
    for part in (app[LOG], app[MEMORY], app[TOKENS]):
        await part.stop()


def _reading(settings: Settings) -> Context:
    async def context(app: web.Application) -> AsyncIterator[None]:
        # Not a single connection at the start: receiving must not need PostgreSQL (DESIGN.md, rule 5).
        async with (
            pool_of(settings.postgres, 8, least=0, timeout=CONNECT_TIMEOUT) as pool,
            pool_of(settings.postgres, 8, least=0, timeout=CONNECT_TIMEOUT, session=BY_KEY) as by_key,
        ):
            app[READS] = Reads(pool, app[ENDS])
            app[DOKUMENTER] = Dokumenter(pool, Ends(settings.kafka, TOPICS[DOKUMENT_TOPIC]), app[LOG].keys)
            app[KONTOER] = Kontoer(pool, Ends(settings.kafka, TOPICS[KONTO_TOPIC]))
            app[LOG].keys.table = Table(by_key, Ends(settings.kafka, NOKKEL))
            ends = Ends(settings.kafka, TOPICS[MELDING_TOPIC])
            queues = app[DELIVERIES] = Queues(settings.postgres, by_key, app[LOG], app[BLOBS], ends, new_uuid())
            app[POLLING], app[ANSWERING] = queues.polling, queues.answering
            queues.start()
            app[SPORING] = Sporing(pool, ends)
            app[REVISJON] = Revisjon(pool, settings.kafka)
            yield
            await queues.stop()

    return context
