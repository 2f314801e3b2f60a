"""Key-encryption keys: a few generations in one file, of which the newest wraps and all unwrap.

In development the file holds them as they are. With a KMS it holds what the KMS made of them, which is worth nothing
without the KMS. Every process of a system must be given the same file.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.crypto.segments import Tampered
from infra.crypto.wrapping import KEY_SIZE, generation_of, unwrap, wrap
from infra.kept import kept, sync_folder
from infra.logs import logger
from streams.domain.errors import Rejected, Unavailable

log = logger(__name__)

CLOSED = "Nøklene som innhold er forseglet med, er ikke tilgjengelige nå"
"""What callers hear: what is wrong is for those who look after the system."""


class Kms(Protocol):
    """What keeps the generations secret. Raises Unavailable when it does not answer, Rejected when it refuses."""

    name: str

    async def encrypt(self, key: bytes) -> str:
        """The key as text that only the KMS can turn back."""

    async def decrypt(self, text: str) -> bytes:
        """The key in what ``encrypt`` gave."""


class InTheClear:
    """No KMS: whoever reads the file has the keys. For development."""

    name = "none"

    async def encrypt(self, key: bytes) -> str:
        """The key in hex."""
        return key.hex()

    async def decrypt(self, text: str) -> bytes:
        """The key that stands there."""
        return bytes.fromhex(text)


class _File(msgspec.Struct):
    """``kms`` is the name of the one that has to decrypt ``generations``, which are by number."""

    kms: str
    generations: dict[int, str]


async def _always() -> bool:
    return True


class Keks:
    """The generations in ``file``. Where there is none it is made, with a first one, if ``is_new`` tells that nothing
    was sealed in this system yet: else the file is elsewhere, and what were sealed now would be lost with this one.
    """

    def __init__(self, file: Path, kms: Kms, is_new: Callable[[], Awaitable[bool]] = _always) -> None:
        self._file, self._kms, self._is_new = file, kms, is_new
        self._read: tuple[int, int] | None = None
        self._ciphers: dict[int, AESGCM] = {}
        self._turn = asyncio.Lock()

    async def wrap(self, name: str, key: bytes) -> bytes:
        """The data key, wrapped with the newest generation. Raises Unavailable when that cannot be had."""
        newest = max(await self.usable())
        return wrap(name, key, newest, self._ciphers[newest])

    async def unwrap(self, wrapped: dict[str, bytes]) -> dict[str, bytes]:
        """The data keys by name. Raises Unavailable when the generations cannot be had, or one cannot be unwrapped with
        them: that is a file of another system or one that is too old, and never an erased key.
        """
        try:
            if any(generation_of(value) not in self._ciphers for value in wrapped.values()):
                await self.usable()
            ciphers = self._ciphers
            return {name: unwrap(name, value, ciphers[generation_of(value)]) for name, value in wrapped.items()}
        except (Tampered, KeyError) as fault:
            why = "it is not the file of this log, or an old one; put back the right one"
            log.error("a data key cannot be unwrapped", file=str(self._file), why=why, fault=repr(fault))
            raise Unavailable(CLOSED) from fault

    async def generations(self) -> set[int]:
        """The numbers of the generations in the file now. Raises Unavailable when the KMS is away, or the file is, and
        Rejected when it is no such file, or the KMS refuses.
        """
        if self._read is None or self._read != _state(self._file):
            async with self._turn:
                if self._read is None or self._read != _state(self._file):
                    await self._load()
        return set(self._ciphers)

    async def usable(self) -> set[int]:
        """The same where callers are served, who hear nothing of files and services. Raises Unavailable alone."""
        try:
            return await self.generations()
        except (Rejected, Unavailable) as fault:  # it is nothing that a caller has done, or can mend
            log.error("the key-encryption keys cannot be had", file=str(self._file), why=str(fault))
            raise Unavailable(CLOSED) from fault

    async def begin(self) -> None:
        """Make the file, whatever was sealed under another: that stays closed. Raises Rejected when there is one."""
        if self._file.exists():
            raise Rejected(f"{self._file} is there already")
        first = _File(self._kms.name, {1: await self._kms.encrypt(os.urandom(KEY_SIZE))})
        kept(self._file, lambda: msgspec.json.encode(first).decode())

    async def add(self) -> int:
        """A new generation, with which everything is wrapped from here on. Returns its number."""
        await self.generations()
        made = await self._kms.encrypt(os.urandom(KEY_SIZE))
        with self._alone():
            held = self._parse()
            number = max(held.generations) + 1
            _replace(self._file, msgspec.structs.replace(held, generations=held.generations | {number: made}))
        return number

    async def forget(self, numbers: set[int]) -> None:
        """Drop generations for good: what is still wrapped with them can never be opened again."""
        with self._alone():
            held = self._parse()
            left = {number: text for number, text in held.generations.items() if number not in numbers}
            if not left:
                raise Rejected("the newest generation cannot be dropped")
            _replace(self._file, msgspec.structs.replace(held, generations=left))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process changes the file meanwhile: one of two changes would be lost."""
        descriptor = os.open(self._file.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    async def _load(self) -> None:
        if not self._file.exists():
            if await self._is_new():
                with suppress(Rejected):  # another process was faster, and its file counts
                    await self.begin()
            elif not self._file.exists():
                raise Unavailable(
                    f"{self._file} is not there, and what this system has sealed cannot be opened without it: put it "
                    "back (is its volume mounted?), or, if it is lost for good, begin anew: fiks keys begin"
                )
        read = _state(self._file)
        keys = {number: await self._kms.decrypt(text) for number, text in self._parse().generations.items()}
        self._ciphers, self._read = {number: AESGCM(key) for number, key in keys.items()}, read

    def _parse(self) -> _File:
        try:
            held = msgspec.json.decode(self._file.read_bytes(), type=_File)
        except msgspec.DecodeError as fault:
            raise Rejected(f"{self._file} is no file of key-encryption keys: {fault}") from fault
        if held.kms != self._kms.name:
            raise Rejected(f"{self._file} was made with the KMS {held.kms}, not with {self._kms.name}; set FIKS_KMS")
        return held


def _state(file: Path) -> tuple[int, int] | None:
    try:
        about = file.stat()
    except FileNotFoundError:
        return None
    return about.st_mtime_ns, about.st_ino


def _replace(file: Path, held: _File) -> None:
    descriptor, draft = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as out:
        out.write(msgspec.json.encode(held))
        out.flush()
        os.fsync(out.fileno())
    Path(draft).replace(file)
    sync_folder(file.parent)
