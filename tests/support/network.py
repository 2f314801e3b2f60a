"""A piece of network between two processes, which a test may cut without either of them noticing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.support.ports import free_port

PIECE = 64 * 1024


@dataclass(slots=True)
class Link:
    """The way to the server at ``target``, a port: who shall go this way is given ``port`` instead.

    While it is cut nothing passes in either direction, new connections included, and nothing is refused or closed.
    """

    target: int
    port: int = field(default_factory=free_port)
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to pass on what comes."""
        self._whole.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=PIECE)

    async def close(self) -> None:
        """End every connection. Harmless where it never was open."""
        if self._server is not None:
            self._server.close()
        self.break_off()
        await asyncio.gather(*self._connections)

    def cut(self) -> None:
        """What is on its way stays there."""
        self._whole.clear()

    def mend(self) -> None:
        """What was on its way arrives, however late."""
        self._whole.set()

    def break_off(self) -> None:
        """What is on its way is lost, and every connection is reset."""
        for one in self._connections:
            one.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            await self._whole.wait()
            answers, requests = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)
            writers.append(requests)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, requests))
                both.create_task(self._pass_on(answers, writer))
        except* (OSError, asyncio.CancelledError):  # either end is gone, or we break off
            pass
        finally:
            for one in writers:
                one.transport.abort()
            self._connections.discard(task)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Until the source ends; then the target is told so."""
        while piece := await source.read(PIECE):
            await self._whole.wait()
            target.write(piece)
            await target.drain()
        await self._whole.wait()
        if target.can_write_eof():
            target.write_eof()
