"""The port of a gateway, which others may share: the kernel gives each a share of the connections, and knows nothing of
how they are. So it is opened by one that can answer, and given up with all that the kernel has given by then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

from aiohttp import web

BACKLOG = 1024


def listening(host: str, port: int) -> socket.socket:
    """A socket that shares its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)


class Port:
    """Where ``runner``, which is set up, serves from ``open`` to ``close``."""

    def __init__(self, runner: web.AppRunner, host: str, port: int) -> None:
        assert runner.server is not None
        self._runner, self._server, self._host, self._port = runner, runner.server, host, port

    async def open(self) -> None:
        """Serve there from now on."""
        self._socket = listening(self._host, self._port)
        self._site = web.SockSite(self._runner, self._socket, backlog=BACKLOG)
        await self._site.start()

    async def close(self) -> None:
        """Take no more connections. Those that wait to be taken are: whoever made them would else be cut off."""
        taken = list(self._waiting())
        await self._site.stop()
        for connection in taken:
            await asyncio.get_running_loop().connect_accepted_socket(self._server, connection)

    @property
    def connections(self) -> int:
        """How many are open, calls on them or none."""
        return len(self._server.connections)

    def _waiting(self) -> Iterator[socket.socket]:
        try:
            while True:
                yield self._socket.accept()[0]
        except BlockingIOError:
            return
