"""clamd itself, with a database that knows the EICAR test signature alone; and a stand-in that speaks as it does.

Where clamd is not installed it is Debian's, unpacked and not installed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.debian import libraries_in, unpacked
from tests.support.ports import free_port

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"
"""In two halves, or scanners would take this file for one."""
SIGNATURE = "Fiks.Eicar.UNOFFICIAL"
LIMIT = 1 << 20
"""Bytes of a stream."""

CONFIGURATION = """
Foreground yes
LocalSocket {folder}/clamd.ctl
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {folder}/database
TemporaryDirectory {folder}
LogFile {folder}/clamd.log
StreamMaxLength {limit}
MaxFileSize {largest_file}
MaxScanSize {largest_file}
AlertExceedsMax yes
"""


async def _command() -> tuple[str, dict[str, str]]:
    """clamd and the environment that it needs. Skips the test where it cannot be had."""
    if installed := shutil.which("clamd"):
        return installed, dict(os.environ)
    folder = await unpacked("clamav", ("clamav-daemon",), with_libraries=True)
    return str(folder / "usr/sbin/clamd"), os.environ | {"LD_LIBRARY_PATH": libraries_in(folder)}


@asynccontextmanager
async def real_clamd(folder: Path, largest_file: int = LIMIT) -> AsyncIterator[list[str]]:
    """The addresses of a clamd that runs, by TCP and by Unix socket. Skips the test where there is none."""
    command, env = await _command()
    port = free_port()
    (folder / "database").mkdir(parents=True)
    (folder / "database" / "eicar.ndb").write_text(f"{SIGNATURE.removesuffix('.UNOFFICIAL')}:0:*:{EICAR.hex()}\n")
    told = CONFIGURATION.format(folder=folder, port=port, limit=LIMIT, largest_file=largest_file)
    (folder / "clamd.conf").write_text(told)
    process = await asyncio.create_subprocess_exec(
        *(command, "-c", str(folder / "clamd.conf")),
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await _until_it_answers(port, process)
        yield [f"tcp://127.0.0.1:{port}", f"unix://{folder}/clamd.ctl"]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_it_answers(port: int, process: asyncio.subprocess.Process) -> None:
    while True:
        assert process.returncode is None, "clamd has ended: see its log"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.write(b"zPING\0")
        assert await reader.read() == b"PONG\0"
        writer.close()
        return


Conversation = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def stand_in(folder: Path, conversation: Conversation | None = None) -> AsyncIterator[list[str]]:
    """The addresses of a server that does what clamd does, or what ``conversation`` does."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await (conversation or as_clamd)(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    by_tcp = await asyncio.start_server(serve, "127.0.0.1", 0)
    by_path = await asyncio.start_unix_server(serve, folder / "stand-in.ctl")
    try:
        yield [f"tcp://127.0.0.1:{by_tcp.sockets[0].getsockname()[1]}", f"unix://{folder}/stand-in.ctl"]
    finally:
        for server in (by_tcp, by_path):
            server.close()
            await server.wait_closed()


async def as_clamd(reader: StreamReader, writer: StreamWriter) -> None:
    """INSTREAM as clamd does it: over the limit it replies and closes at once, whatever is still sent."""
    assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
    content = bytearray()
    while length := int.from_bytes(await reader.readexactly(4)):
        if len(content) + length > LIMIT:
            writer.write(b"INSTREAM size limit exceeded. ERROR\0")
            await writer.drain()
            return
        content += await reader.readexactly(length)
    writer.write(f"stream: {SIGNATURE} FOUND\0".encode() if EICAR in content else b"stream: OK\0")
    await writer.drain()
