"""The gateway's memory as a file, so that a start reads only what came after it. Never needed: the log has it all.

A file of another fold, another topic, cut or changed counts for nothing. Whether it agrees with the log is for the
follower to find out. It holds hashes of passwords, so it is for its owner alone; personal text is in it only as the
log has it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

import schemas
import streams.domain
from schemas.topics import Topic
from streams.domain.configuration import Stream

T = TypeVar("T")

LENGTH = struct.Struct(">I")
CHUNK = 1 << 20
DRAFT = ".draft"
ABANDONED = 3600.0
"""Seconds after which nobody writes a draft any more."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far a partition was read: the next offset, and what the record before it was (``follower.digest``)."""

    partition: int
    next_offset: int
    before: bytes


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What the file is of: the fold that made it, the topic, and how far it goes. The last two count its parts."""

    fold: str
    topic: str
    marks: list[Mark]
    streams: int
    personal: int

    @property
    def records(self) -> int:
        """How many records are folded into it."""
        return sum(mark.next_offset for mark in self.marks)


class Snapshot(msgspec.Struct, frozen=True):
    """The memory at one moment. ``personal`` are the values of records that hold personal text, in their order."""

    marks: list[Mark]
    streams: Iterable[Stream]
    personal: Iterable[bytes]


class Unusable(Exception):
    """There is a file, but it is not to be trusted."""


@cache
def fold_version() -> str:
    """Names all the code by which records become state: what another release folded is never read by this one."""
    folders = [Path(next(iter(package.__path__))) for package in (schemas, streams.domain)]
    files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for file in (*files, here / "memory.py", here / "snapshot.py"):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_stream = msgspec.msgpack.Decoder(Stream).decode
_head = msgspec.msgpack.Decoder(Head).decode


class SnapshotFile:
    """The file in ``folder`` for a topic. Several processes may read and write it: each write takes its place whole."""

    def __init__(self, folder: Path, topic: Topic) -> None:
        self._path, self._topic = folder / f"{topic.name}.snapshot", topic.name

    def records(self) -> int:
        """How many records are folded into the file; 0 if there is none that could be read."""
        try:
            with self._path.open("rb") as file:
                return self._head(file).records
        except (FileNotFoundError, Unusable):
            return 0

    @contextmanager
    def opened(self) -> Iterator[Snapshot | None]:
        """The snapshot, to be read inside; None if there is no file. Raises Unusable or OSError."""
        if not self._path.exists():
            yield None
            return
        with self._path.open("rb") as file:
            _check(file)
            head = self._head(file)
            streams = (_decoded(_stream, _frame(file)) for _ in range(head.streams))
            yield Snapshot(head.marks, streams, (_frame(file) for _ in range(head.personal)))

    def write(self, snapshot: Snapshot) -> None:
        """Put the snapshot in the place of the file. Raises OSError."""
        streams, personal = list(snapshot.streams), list(snapshot.personal)
        head = Head(fold_version(), self._topic, snapshot.marks, len(streams), len(personal))
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_old_drafts()
        descriptor, draft = tempfile.mkstemp(DRAFT, dir=self._path.parent)  # for its owner alone
        try:
            with os.fdopen(descriptor, "wb") as file:
                digest = hashlib.sha256()
                for frame in (_encode(head), *map(_encode, streams), *personal):
                    framed = LENGTH.pack(len(frame)) + frame
                    digest.update(framed)
                    file.write(framed)
                file.write(digest.digest())
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._path)
        except BaseException:
            Path(draft).unlink()
            raise

    def forget(self) -> None:
        """Remove the file, if that can be done."""
        with suppress(OSError):
            self._path.unlink()

    def _drop_old_drafts(self) -> None:
        """Those of processes that were killed while they wrote."""
        for draft in self._path.parent.glob(f"*{DRAFT}"):
            if time.time() - draft.stat().st_mtime > ABANDONED:
                draft.unlink(missing_ok=True)

    def _head(self, file: BinaryIO) -> Head:
        head = _decoded(_head, _frame(file))
        if (head.fold, head.topic) != (fold_version(), self._topic):
            raise Unusable("it is of another release or another topic")
        return head


def _frame(file: BinaryIO) -> bytes:
    size = file.read(LENGTH.size)
    return file.read(LENGTH.unpack(size)[0]) if len(size) == LENGTH.size else b""


def _decoded(decode: Callable[[bytes], T], frame: bytes) -> T:
    try:
        return decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise Unusable("it is not what a snapshot holds") from fault


def _check(file: BinaryIO) -> None:
    """Raise Unusable unless the file ends with the digest of all before. Goes back to its beginning."""
    digest, left = hashlib.sha256(), os.fstat(file.fileno()).st_size - hashlib.sha256().digest_size
    while left > 0:
        chunk = file.read(min(CHUNK, left))
        digest.update(chunk)
        left -= len(chunk)
    if file.read() != digest.digest():
        raise Unusable("it was cut or changed")
    file.seek(0)
