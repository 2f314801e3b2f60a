"""Writes ASiC-E containers with CAdES (ETSI EN 319 162-1) as they leave: whatever the files, a chunk is in memory."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zlib import crc32

from fiks_io import manifest
from fiks_io.manifest import Manifest
from fiks_io.names import META_INF, MIMETYPE, is_content
from fiks_io.signature import Signer, signed

MIME_TYPE = b"application/vnd.etsi.asic-e+zip"
CHUNK = 64 * 1024
"""Octets that are packed in one go: about two milliseconds of the loop."""
FAST = 1
"""How hard to pack: most of what is sent is packed already, and text is packed well enough ten times as fast."""
MOST_OF_UNKNOWN_SIZE = 2**31 - 1
"""Octets of a file whose size is not known beforehand."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to send. ``content`` is bytes, a path, or bytes as they come; the latter are 2 GiB at most.

    ``name`` may have folders in it, ``a/b.pdf``. Raises ValueError for one that no receiver would take.
    """

    name: str
    content: bytes | Path | AsyncIterable[bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if not is_content(self.name):
            raise ValueError(f"{self.name!r} cannot be the name of a file in a message")


class _Sink:
    """Takes what is written, and says how much it was. It cannot seek, so nothing needs to be kept."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._written = 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


async def packed(files: Sequence[File], signer: Signer) -> AsyncGenerator[bytes, None]:
    """A container of the files, signed. Raises ValueError, and whatever the contents raise."""
    if len({file.name for file in files}) != len(files):
        raise ValueError("two files of a message cannot have the same name")
    sink, digests = _Sink(), {}
    mimetype = _mimetype()
    sink.write(mimetype.FileHeader() + MIME_TYPE)
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=FAST) as archive:
        archive.infolist().append(mimetype)
        for file in files:
            digest = hashlib.sha256()
            with archive.open(await _info(file), "w") as entry:
                async with aclosing(_chunks(file)) as chunks:
                    async for chunk in chunks:
                        digest.update(chunk)
                        entry.write(chunk)
                        yield sink.take()
            digests[file.name] = digest.digest()
        name = f"{META_INF}signature-{uuid4()}.p7s"
        content = manifest.written(Manifest(name, digests))
        archive.writestr(f"{META_INF}ASiCManifest.xml", content)
        archive.writestr(name, await signed(content, signer))
    yield sink.take()


def _mimetype() -> ZipInfo:
    """The first entry, whose size stands before it: some readers take it in no other way."""
    info = ZipInfo(MIMETYPE, time.localtime()[:6])
    info.CRC, info.file_size, info.compress_size = crc32(MIME_TYPE), len(MIME_TYPE), len(MIME_TYPE)
    info.header_offset = 0
    return info


async def _info(file: File) -> ZipInfo:
    """What is known of an entry beforehand. Its size decides whether it is written in the format for large ones."""
    info = ZipInfo(file.name, time.localtime()[:6])
    info.compress_type = ZIP_DEFLATED
    if isinstance(file.content, Path):
        info.file_size = (await asyncio.to_thread(file.content.stat)).st_size
    elif isinstance(file.content, bytes):
        info.file_size = len(file.content)
    return info


async def _chunks(file: File) -> AsyncGenerator[bytes, None]:
    """The content in pieces that are small enough to be packed in one go."""
    async with aclosing(_content(file)) as content:
        async for chunk in content:
            for at in range(0, len(chunk), CHUNK):
                yield chunk[at : at + CHUNK]
                await asyncio.sleep(0)


async def _content(file: File) -> AsyncGenerator[bytes, None]:
    if isinstance(file.content, bytes):
        yield file.content
    elif isinstance(file.content, Path):
        with await asyncio.to_thread(file.content.open, "rb") as content:
            while chunk := await asyncio.to_thread(content.read, CHUNK):
                yield chunk
    else:
        size = 0
        async for chunk in file.content:
            if (size := size + len(chunk)) > MOST_OF_UNKNOWN_SIZE:
                raise ValueError(f"{file.name} is too large to be sent without its size being known: give a path")
            yield chunk
