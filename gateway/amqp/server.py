"""Serves AMQP 0-9-1 to consumers: listens, keeps time for all connections, closes those that lost their right, drains.

Contract: fiks-io.md 2. One process can serve several thousand connections.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from gateway.amqp.access import Access
from gateway.amqp.deliveries import Deliveries
from gateway.amqp.link import Link
from gateway.amqp.pulse import CLOSE_LIMIT
from gateway.auth.memory import Memory
from gateway.port import listening
from gateway.tls import HANDSHAKE
from infra.logs import logger
from infra.metrics import AMQP_CONNECTIONS

log = logger(__name__)

BACKLOG = 2048
TICK = 0.5
"""Seconds between two looks at a connection."""
STANDSTILL = 2.0
"""Seconds after such a look by which the next must be over: else we stood still, or this machine did."""
GRACE = 20.0
"""Seconds that consumers have, once we stop, to settle what they have in hand."""
MOST = 20_000
"""Connections of one process."""
MOST_STRANGERS = 2000
"""Connections that have not logged in; the oldest makes way. By address nobody is counted: a client whose token server
is away leaves several behind.
"""
SLICE = 200
"""Connections that are looked at before others have a turn."""
SMALL = 32 * 1024
"""Octets that asyncio keeps for each TLS connection to read into, where it would keep 256 KiB."""
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client may choose to have no heartbeats, and can be gone all the same."""


class Server:
    """A server; start it in the loop that will run it."""

    def __init__(self, memory: Memory, access: Access, deliveries: Deliveries) -> None:
        self.access, self.deliveries = access, deliveries
        self._links: dict[Link, None] = {}
        self._strangers: dict[Link, None] = {}
        self._server: asyncio.Server
        self._changed = asyncio.Event()
        self._looked = 0.0
        self._running: list[asyncio.Task[None]] = []
        memory.tell(self._changed.set)
        deliveries.tell(self._forfeit)

    async def start(self, host: str, port: int, context: ssl.SSLContext | None) -> Self:
        """Listen, without a context in the clear, as ``gateway.tls`` lets tests do."""
        sslproto.SSLProtocol.max_size = SMALL
        limit = HANDSHAKE if context else None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Link(self), sock=_listening(host, port), ssl=context, ssl_handshake_timeout=limit, backlog=BACKLOG
        )
        self._looked = asyncio.get_running_loop().time()
        self._running = [asyncio.create_task(self._keep_time()), asyncio.create_task(self._recheck())]
        log.info("AMQP is served", host=host, port=self.port)
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self, grace: float = GRACE) -> None:
        """Take no new connections, hand out nothing more, close each connection with 320 as soon as it has nothing in
        hand, and after ``grace`` seconds the rest. Returns when all that was settled is written down.
        """
        self._server.close()
        for link in list(self._links):
            link.drain()
        await self._empty(grace)
        for link in list(self._links):
            link.close("tjenesten starter på nytt: koble til igjen")
        await self._empty(2 * CLOSE_LIMIT)
        for task in self._running:
            task.cancel()
        for link in list(self._links):
            link.abort()
        await self.deliveries.settled()

    # --- From the connections -----------------------------------------------------------------------------------------

    def arrived(self, link: Link) -> None:
        """A connection is there; nobody has logged in."""
        self._links[link] = self._strangers[link] = None
        AMQP_CONNECTIONS.inc()
        if len(self._links) > MOST:
            link.abort()
        elif len(self._strangers) > MOST_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]  # it is there until the transport has ended, and others come meanwhile
            oldest.abort()

    def logged_in(self, link: Link) -> None:
        """Somebody has logged in."""
        self._strangers.pop(link, None)

    def left(self, link: Link) -> None:
        """The connection is gone."""
        del self._links[link]
        self._strangers.pop(link, None)
        AMQP_CONNECTIONS.dec()

    def _forfeit(self) -> None:
        """What consumers have in hand is handed out by others too."""
        for link in list(self._links):
            link.forfeit()

    def stood_still(self, now: float) -> bool:
        """Whether the loop did nothing for so long that clients may have lost patience, and not all know of it yet."""
        return now > self._looked + STANDSTILL

    # --- In the background --------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            now = loop.time()
            await self._visit(lambda link: link.tick(loop.time()))
            self._looked = now
            if not self.access.is_known:
                self._changed.set()

    async def _recheck(self) -> None:
        """Of what is folded in one go the last word counts: look once."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._visit(Link.recheck)

    async def _visit(self, act: Callable[[Link], None]) -> None:
        """Do something with each connection. A fault costs that connection alone."""
        for number, link in enumerate(list(self._links), 1):
            try:
                if link in self._links:  # it may have gone while others had their turn
                    act(link)
            except Exception:
                log.exception("a connection over AMQP met an unexpected fault, and is closed")
                link.abort()
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def _empty(self, within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._links:
                    await asyncio.sleep(0.05)


def _listening(host: str, port: int) -> socket.socket:
    """A socket whose connections keep themselves alive."""
    made = listening(host, port)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEP_ALIVE:
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
