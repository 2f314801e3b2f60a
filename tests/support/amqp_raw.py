"""A client of AMQP on a socket that says, frame by frame, whatever the test wants."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.frame import marshal, unmarshal

GREETING = b"AMQP\x00\x00\x09\x01"


class Raw:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer, self._octets = reader, writer, b""

    @classmethod
    async def connected(cls, port: int) -> Raw:
        """A connection on which nothing has been said."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**14))

    async def log_in(self, user: str, secret: str, heartbeat: int = 0, vhost: str = "/") -> Any:
        """Log in and open the connection; what is answered last."""
        self.writer.write(GREETING)
        await self.hear()
        tune = await self.ask(commands.Connection.StartOk(CLIENT, "PLAIN", f"\0{user}\0{secret}", "en_US"))
        if not isinstance(tune, commands.Connection.Tune):
            return tune
        self.say(commands.Connection.TuneOk(32, 131_072, heartbeat))
        return await self.ask(commands.Connection.Open(vhost))

    def say(self, method: Method, channel: int = 0) -> None:
        self.writer.write(marshal(method, channel))

    async def ask(self, method: Method, channel: int = 0) -> Any:
        """Say a method; the next frame."""
        self.say(method, channel)
        return await self.hear()

    async def hear(self) -> Any:
        """The next frame; None when there is none any more."""
        while len(self._octets) < 7 or len(self._octets) < 8 + int.from_bytes(self._octets[3:7], "big"):
            more = await self._reader.read(2**16)
            if not more:
                return None
            self._octets += more
        consumed, _, frame = unmarshal(self._octets)
        self._octets = self._octets[consumed:]
        return frame

    async def drop(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


CLIENT = {"capabilities": {"authentication_failure_close": True, "consumer_cancel_notify": True, "basic.nack": True}}
