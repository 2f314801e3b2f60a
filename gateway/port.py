"""The port of a gateway, which others may share: the kernel gives each a share of the connections, and knows nothing of
how they are. So it is opened by one that can answer, and given up with all that the kernel has given by then.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

from aiohttp import web

from gateway.tls import HANDSHAKE

BACKLOG = 1024


def listening(host: str, port: int) -> socket.socket:
    """A socket that shares its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)


class Port:
    """Where ``runner``, which is set up, serves from ``open`` to ``close``, over TLS where there is a context."""

    def __init__(self, runner: web.AppRunner, host: str, number: int, context: ssl.SSLContext | None = None) -> None:
        assert runner.server is not None
        self._server, self._host, self.number = runner.server, host, number
        self._context, self._limit = context, HANDSHAKE if context else None
        self._shaking_hands: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Serve there from now on."""
        self._socket = listening(self._host, self.number)
        self._listener = await asyncio.get_running_loop().create_server(
            self._server, sock=self._socket, backlog=BACKLOG, ssl=self._context, ssl_handshake_timeout=self._limit
        )

    async def close(self) -> None:
        """Take no more connections. Those that wait to be taken are: whoever made them would else be cut off."""
        taken = list(self._waiting())
        self._listener.close()
        serving = [asyncio.create_task(self._serve(connection)) for connection in taken]
        if self._context:  # it takes as long as the other side likes
            self._shaking_hands = serving
        else:
            await asyncio.gather(*serving)

    def abandon(self) -> None:
        """Cut off whose hands are still being shaken."""
        for one in self._shaking_hands:
            one.cancel()

    @property
    def expects_calls(self) -> bool:
        """Whether somebody may be about to call. Over TLS it may always be: of hands that are being shaken only the
        loop knows.
        """
        return bool(self._context or self._server.connections)

    async def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):  # gone meanwhile, or no TLS
            await asyncio.get_running_loop().connect_accepted_socket(
                self._server, connection, ssl=self._context, ssl_handshake_timeout=self._limit
            )

    def _waiting(self) -> Iterator[socket.socket]:
        try:
            while True:
                yield self._socket.accept()[0]
        except BlockingIOError:
            return
