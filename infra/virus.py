"""Asks clamd whether content holds a virus, while the content passes (INSTREAM, clamd(8)). Knows bytes, no documents.

clamd says OK of what is larger than its MaxScanSize or MaxFileSize without having looked at it all, unless its
configuration says ``AlertExceedsMax yes``; with that such content is TOO_LARGE here. So is what is larger than its
StreamMaxLength, and what is larger than LARGEST, whatever clamd says of it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from infra.logs import logger

log = logger(__name__)

PATIENCE = 40.0
"""Seconds that clamd may keep us waiting, all in all: to let us in, to take what we have, and to judge it. What it has
taken gives some back, never more than was there (see SLOWEST): so a large content may take longer."""
SLOWEST = 1 << 20
"""Bytes that clamd takes a second, at the least. A sender who has sent its last byte waits for what lies in buffers
then, a few megabytes, and for PATIENCE: less than the minute after which it gives up."""
LARGEST = 2**31 - 1
"""Bytes. Clamd's engine looks at no larger file, and may say OK of one (its issues 1274 and 1414)."""
LONGEST_REPLY = 4096


class Outcome(Enum):
    """What is known of the content."""

    CLEAN = auto()
    INFECTED = auto()
    TOO_LARGE = auto()
    """The scanner does not look at so much."""
    UNAVAILABLE = auto()
    """The scanner is down, or in trouble."""
    OFF = auto()
    """There is no scanner."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scanner says; when infected the ``signature`` that it found."""

    outcome: Outcome
    signature: str = ""


class Scan(Protocol):
    """One content on its way through the scanner."""

    async def feed(self, chunk: bytes) -> None:
        """The next of the content. Waits while the scanner takes it; never raises because of the scanner."""

    async def verdict(self) -> Verdict:
        """All was fed: what the scanner says. Asked once."""


class Scanner(Protocol):
    """Where content can be scanned."""

    def scanning(self) -> AbstractAsyncContextManager[Scan]:
        """A scan; whoever leaves before the verdict has broken it off. Entering never fails."""


def scanner(address: str | None) -> Scanner:
    """The clamd at ``tcp://host:port`` or ``unix:///path``; None: nothing is scanned."""
    return Clamd(address) if address else Off()


class Off:
    """No scanner."""

    @asynccontextmanager
    async def scanning(self) -> AsyncIterator[Scan]:
        yield _Nothing(Outcome.OFF)


class Clamd:
    """A clamd. ``patience``: see PATIENCE."""

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        parts = urlsplit(address)
        self._path, self._host, self._port = unquote(parts.path), parts.hostname, parts.port
        self._is_unix = parts.scheme == "unix"
        self._patience = patience

    @asynccontextmanager
    async def scanning(self) -> AsyncIterator[Scan]:
        """See Scanner."""
        patience = _Patience(self._patience)
        connection = await self._connected(patience)
        if connection is None:
            yield _Nothing(Outcome.UNAVAILABLE)
            return
        with connection:
            scan = _Stream(connection, patience)
            await scan.begin()
            yield scan

    async def _connected(self, patience: _Patience) -> socket.socket | None:
        try:
            async with patience.waiting():
                return await self._connect()
        except OSError as fault:  # TimeoutError is one
            log.warning("clamd does not answer", fault=type(fault).__name__)
            return None

    async def _connect(self) -> socket.socket:
        if self._is_unix:
            return await _connect(socket.AF_UNIX, self._path)
        found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for family, *_, address in found[:-1]:
            try:
                return await _connect(family, address)
            except OSError:
                continue  # its name has another address
        return await _connect(found[-1][0], found[-1][4])


class _Patience:
    """The seconds that clamd may still keep us waiting, ``most`` at the most."""

    def __init__(self, most: float) -> None:
        self._most = self._left = most

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """What is waited for in here counts. Raises TimeoutError when nothing is left."""
        begin = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._left):
                yield
        finally:
            self._left -= asyncio.get_running_loop().time() - begin

    def earned(self, size: int) -> None:
        """So many bytes were taken."""
        self._left = min(self._most, self._left + size / SLOWEST)


class _Nothing:
    """A scan that does not take place."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def feed(self, chunk: bytes) -> None:
        pass

    async def verdict(self) -> Verdict:
        return Verdict(self._outcome)


class _Stream:
    """INSTREAM on a bare socket. asyncio's streams would lose the reply of a clamd that stops in the middle: it
    replies, and closes the connection upon what we still send."""

    def __init__(self, connection: socket.socket, patience: _Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._is_taken = True
        self._size = 0

    async def begin(self) -> None:
        await self._send(b"zINSTREAM\0")

    async def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if chunk:  # an empty one would end the stream
            await self._send(len(chunk).to_bytes(4) + chunk)
            self._patience.earned(len(chunk))

    async def verdict(self) -> Verdict:
        if self._size > LARGEST:
            return Verdict(Outcome.TOO_LARGE)
        reply = b""
        try:
            await self._send(bytes(4))
            async with self._patience.waiting():
                while not reply.endswith(b"\0") and len(reply) < LONGEST_REPLY and (more := await self._receive()):
                    reply += more
        except OSError as fault:
            log.warning("clamd gives no verdict", fault=type(fault).__name__)
            return Verdict(Outcome.UNAVAILABLE)
        return _judged(reply.rstrip(b"\0\n").decode(errors="replace"))

    async def _send(self, data: bytes) -> None:
        """Once it is not taken the rest is let go: clamd has replied already, or is gone."""
        if not self._is_taken:
            return
        try:
            async with self._patience.waiting():
                await asyncio.get_running_loop().sock_sendall(self._connection, data)
        except OSError:
            self._is_taken = False

    async def _receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._connection, LONGEST_REPLY)


def _judged(reply: str) -> Verdict:
    if reply == "stream: OK":
        return Verdict(Outcome.CLEAN)
    signature = reply.removeprefix("stream: ").removesuffix(" FOUND")
    if "size limit exceeded" in reply or signature.startswith("Heuristics.Limits.Exceeded"):
        return Verdict(Outcome.TOO_LARGE)
    if reply == f"stream: {signature} FOUND":
        return Verdict(Outcome.INFECTED, signature)
    log.warning("clamd cannot scan", reply=reply)
    return Verdict(Outcome.UNAVAILABLE)


async def _connect(family: int, address: Any) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
