"""Reads ASiC-E containers, as both clients of KS write them: everything is checked before anything is handed out."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from cryptography import x509

from fiks_io import manifest
from fiks_io.errors import Refused
from fiks_io.names import META_INF, MIMETYPE, is_content
from fiks_io.packing import MIME_TYPE
from fiks_io.signature import verified

CHUNK = 256 * 1024
LARGEST_DIRECTORY = 1024 * 1024
MOST_OF_PARTS = 8 * 1024 * 1024
"""Octets of the directory of all files, and of all manifests and signatures: what is kept in memory."""
MOST = 20_000_000_000
"""Octets of all files."""
UNSUSPICIOUS = 64 * 1024 * 1024
MOST_TIMES = 200
"""A container whose files are more than so many times its size is a bomb, once they are more than so many octets."""

MANIFEST = re.compile(rf"{META_INF}ASiCManifest[^/]*\.xml", re.IGNORECASE)
SIGNATURE = re.compile(rf"{META_INF}signature[^/]*\.p7s", re.IGNORECASE)
OPEN_DOCUMENT = re.compile(rf"{META_INF}manifest\.xml", re.IGNORECASE)
"""The manifest of OpenDocument, which the client for Java writes too. Nothing is signed by it, and nothing read."""

_NO_ZIP = (BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError)


class Container:
    """The files of a message: whole, and what ``signers`` signed, each named once. Nobody judged their certificates."""

    def __init__(self, archive: ZipFile, names: Sequence[str], signers: Sequence[x509.Certificate]) -> None:
        self._archive = archive
        self.names = tuple(names)
        self.signers = tuple(signers)

    def open(self, name: str) -> IO[bytes]:
        """One of ``names``, to be read. Raises KeyError."""
        if name not in self.names:
            raise KeyError(name)
        return self._archive.open(name)

    def read(self, name: str) -> bytes:
        """All of one of ``names``. Raises KeyError."""
        with self.open(name) as content:
            return content.read()

    async def extract(self, folder: Path) -> list[Path]:
        """Write all files below a folder. Raises FileExistsError rather than to write over one that is there."""
        return await asyncio.to_thread(lambda: [self._extract(name, folder / name) for name in self.names])

    def _extract(self, name: str, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.open(name) as content, path.open("xb") as file:
            shutil.copyfileobj(content, file, CHUNK)
        return path


class _Bounded:
    """A file of which nobody reads more than a little at once, while ``zipfile`` reads the directory in one go."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.most = LARGEST_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        if size > self.most:
            raise BadZipFile
        return self._file.read(size)


def container(file: IO[bytes], *, allow_sha1: bool) -> Container:
    """The container in a file that can be sought in, and that stays open. Takes its time. Raises Refused."""
    try:
        bounded = _Bounded(file)
        archive = ZipFile(bounded)
        bounded.most = MOST
        infos = _entries(archive, file.seek(0, 2))
        parts = {name: archive.read(info) for name, info in infos.items() if _is_part(name)}
        digests = {name: _digest(archive, info) for name, info in infos.items() if is_content(name)}
    except _NO_ZIP as fault:
        raise Refused("it is not a whole zip") from fault
    return Container(archive, list(digests), list(dict.fromkeys(_signers(parts, digests, allow_sha1))))


def _entries(archive: ZipFile, size: int) -> dict[str, ZipInfo]:
    """All entries by name: plain, apart from each other, and not too large. Nothing was unpacked so far."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    entries = {info.orig_filename: info for info in infos}
    ends = [info.header_offset + 30 + len(info.filename) + info.compress_size for info in infos]
    begins = [info.header_offset for info in infos] + [archive.start_dir]
    unpacked = sum(info.file_size for info in infos)
    of_parts = sum(info.file_size for name, info in entries.items() if _is_part(name))
    for wrong, reason in (
        (len(entries) != len(infos), "it has two files of the same name"),
        (begins[0] != 0, "something stands before the first file"),
        (any(end > begin for end, begin in zip(ends, begins[1:], strict=True)), "its files lie within each other"),
        (any(info.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for info in infos), "its files are packed strangely"),
        (any(info.flag_bits & 1 for info in infos), "its files have a password"),
        (unpacked > MOST or unpacked > max(UNSUSPICIOUS, MOST_TIMES * size), "its files are too large"),
        (of_parts > MOST_OF_PARTS, "its manifests or signatures are too large"),
        (not all(is_content(name) or _is_part(name) for name in entries), "it has a file whose name is not allowed"),
    ):
        if wrong:
            raise Refused(reason)
    return entries


def _is_part(name: str) -> bool:
    return name == MIMETYPE or any(kind.fullmatch(name) for kind in (MANIFEST, SIGNATURE, OPEN_DOCUMENT))


def _digest(archive: ZipFile, info: ZipInfo) -> bytes:
    digest = hashlib.sha256()
    with archive.open(info) as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


def _signers(parts: dict[str, bytes], digests: dict[str, bytes], allow_sha1: bool) -> Iterator[x509.Certificate]:
    """Who signed the files: each file is in a manifest, as it is, and each manifest has its signature."""
    if parts.get(MIMETYPE, MIME_TYPE) != MIME_TYPE:
        raise Refused("it says that it is something else")
    signatures = {name for name in parts if SIGNATURE.fullmatch(name)}
    listed: set[str] = set()
    for name, content in parts.items():
        if not MANIFEST.fullmatch(name):
            continue
        said = manifest.read(content)
        if said.signature not in signatures:
            raise Refused("it has a manifest without a signature")
        signatures.remove(said.signature)
        yield from verified(parts[said.signature], content, allow_sha1=allow_sha1)
        if any(digests.get(file) != digest for file, digest in said.digests.items()):
            raise Refused("it has a file that is not as it was signed")
        listed |= said.digests.keys()
    if signatures:
        raise Refused("it has a signature without a manifest")
    if not digests or listed != digests.keys():
        raise Refused("it has files that nobody signed, or none at all")
