"""Where content lies: a folder (file://) or an object store (s3://). Knows names and bytes, not what they mean.

Once ``put`` has returned a blob is there as a whole and survives a power cut; nobody is told its name before that.

A store has an identity, which lies in it as a blob of its own and is remembered by each host that has seen it. So an
empty folder where the store should be mounted, or another bucket, is known for what it is, also when it comes in the
place of the other under a running process: no blob is NotFound there, but Unavailable, nothing counts as put there, and
nothing is deleted from it, for what lies there is somebody else's.

A folder may hang (its disk, or the server that it is mounted from): every file is opened, read and written by threads
that do nothing else, so that it holds up nobody but who wants something of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from infra.kept import kept, sync_folder
from infra.logs import logger
from infra.metrics import BLOB_FAILURES
from infra.settings import Settings
from infra.shared import Shared
from streams.domain.errors import NotFound, Unavailable

log = logger(__name__)

T = TypeVar("T")

SMALL = 1 << 20
"""Up to this many bytes a blob is put in one go; what is larger is never held whole."""
PART = 5 << 20
"""S3 takes no smaller parts."""
PARTS_AT_ONCE = 2
READ = 256 << 10
"""Bytes that are read at a time: of larger ones each would be new memory, which takes longer than to read it."""
DELETED_AT_ONCE = 32
LISTED = 1000
"""Names in one answer of ``written``."""
PATIENCE = 5.0
"""Seconds for the store to tell which it is: one that takes longer is away."""
DOUBT = 1.0
"""Seconds that who stores something small waits before it asks whether the store is away."""
THREADS = ThreadPoolExecutor(32, "blobs")
"""What is done in a folder. Not the loop's own, in which passwords are proved and hosts are looked up."""
NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY
IDENTITY = "fiks-identity"
"""The blob that tells which store this is."""
LONGEST_IDENTITY = 1 << 12
"""Bytes of it that are looked at."""
LOG = "fiks-log"
"""The blob that tells whose content this is: it names an event of the log that tells of it."""
OWN = {IDENTITY, LOG}
"""No content has such a name."""
_NAME = re.compile(r"\w[\w.-]{0,99}(/\w[\w.-]{0,99})*", re.ASCII)


def blob_store(settings: Settings) -> Blobs:
    """The store of the settings; which one that is they say, or this host remembers in its state folder."""
    digest = hashlib.sha256(settings.blobs.encode()).hexdigest()[:16]
    return Blobs(settings.blobs, settings.state / "stores" / digest, settings.blobs_identity)


class Blobs:
    """Blobs by name. Names are ours (letters, digits, dashes; for those of ``create`` a folder and a slash before);
    never let a caller choose one. What is read or deleted is named by an event: there is nothing of another name than
    such a one. ``memory`` is the file in which this host remembers which store it is; None: it is
    remembered as long as this lasts. ``known`` is the identity of the one that it must be.
    """

    def __init__(self, url: str, memory: Path | None = None, known: str | None = None) -> None:
        self._memory = memory
        self._known = known
        self._told = Shared(self._found)
        path = Path(unquote(urlsplit(url).path))
        self._folder = _Folder(path, self.require) if url.startswith("file:") else None
        self._store: ObjectStore = (
            LocalStore(self._folder.path, mkdir=True, automatic_cleanup=True) if self._folder else from_url(url)
        )

    async def require(self) -> None:
        """Raises Unavailable when the store is away as a whole, or another than the one that was here before. Where
        nothing says which it must be, one that this host sees for the first time is the one.
        """
        if self._known is None and self._memory and self._memory.exists():
            self._known = self._memory.read_text()
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._told.answer()
        except TimeoutError as fault:
            raise _unavailable("Lageret svarer ikke. Prøv igjen") from fault
        if found is not None and self._known is None:
            self._known = self._remembered(found)
        if found is None or found != self._known:
            raise self._away()

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Store what ``chunks`` yields. When that raises, or we are cancelled, no blob of this name is left.

        Raises Unavailable when the store does not take it, and whatever ``chunks`` raises.
        """
        if self._folder:  # who writes there asks first
            return await self._put(name, chunks)
        await self._put(name, chunks)
        try:
            await self.require()  # an upload takes up to an hour: what counts is where it has come to lie
        except BaseException:
            await asyncio.shield(self._drop(name))
            raise

    async def create(self, name: str, content: bytes) -> bool:
        """Store something small, unless there is a blob of that name: of many at once, in any process, exactly one is
        told True. (Over S3 perhaps none, when the answer to the one was lost.) Raises Unavailable.
        """
        await self.require()
        return await self._create(name, content)

    async def told_by(self, event: str) -> str:
        """The event that was first named here as one of the log that tells of this content: ``event``, unless another
        was. Raises Unavailable.
        """
        if await self.create(LOG, event.encode()):
            return event
        return b"".join([chunk async for chunk in self.get(LOG)]).decode(errors="replace")

    async def sizes(self, folder: str) -> dict[str, int]:
        """The bytes of each blob in a folder, by its name there. Raises Unavailable."""
        found: dict[str, int] = {}
        with _storing():
            async for listed in obstore.list(self._store, folder, chunk_size=LISTED):
                found |= {one["path"].removeprefix(f"{folder}/"): one["size"] for one in listed}
        if not found:
            await self.require()
        return found

    async def get(self, name: str, first: int = 0, last: int | None = None) -> AsyncIterator[bytes]:
        """The bytes ``first`` to ``last`` of the content, both inclusive, or all of it, in chunks.

        Raises NotFound or Unavailable, as a rule at the first chunk.
        """
        async with self._reading(name):
            async for chunk in self._folder.get(name, first, last) if self._folder else self._get(name, first, last):
                yield chunk

    async def begin(self, name: str, length: int) -> tuple[bytes, int]:
        """The first bytes of the content, at most ``length``, and the size of all of it. Raises NotFound or
        Unavailable.
        """
        async with self._reading(name):
            if self._folder:
                return await self._folder.begin(name, length)
            size = (await obstore.head_async(self._store, name))["size"]
            if not size:  # of nothing no range can be asked for
                return b"", 0
            return bytes(await obstore.get_range_async(self._store, name, start=0, length=length)), size

    async def written(self, before: datetime) -> AsyncIterator[list[str]]:
        """The names of what was last written to before that moment, some at a time; half-written ones too.

        Raises Unavailable.
        """
        with _storing():
            async for listed in obstore.list(self._store, chunk_size=LISTED):
                old = [one["path"] for one in listed if one["last_modified"] < before]
                if names := [name for name in old if name not in OWN]:
                    yield names

    async def delete(self, names: Iterable[str]) -> None:
        """Delete what there is of ``names``. Raises Unavailable, also for another store in the place of the known one:
        it would say that all is gone, and lose what is somebody else's.
        """
        left = [name for name in names if _NAME.fullmatch(name)]
        if left:
            await self.require()
        for at in range(0, len(left), DELETED_AT_ONCE):
            await asyncio.gather(*(self._delete(name) for name in left[at : at + DELETED_AT_ONCE]))

    @contextlib.asynccontextmanager
    async def _reading(self, name: str) -> AsyncIterator[None]:
        """What is not found is not there, but where nothing is since the store is not."""
        if not _NAME.fullmatch(name):
            raise NotFound("there is no blob of such a name")
        try:
            with _translated(name):
                yield
        except NotFound:
            await self.require()
            raise
        except OSError as fault:
            raise _unreadable(fault) from fault

    def _away(self) -> Unavailable:
        log.error("the blob store is not there, or is not the one that was", memory=str(self._memory))
        return _unavailable("Lageret er ikke der. Prøv igjen")

    def _remembered(self, identity: str) -> str:
        """What this host remembers from now on: this, unless another process remembers something already."""
        return kept(self._memory, lambda: identity) if self._memory else identity

    async def _delete(self, name: str) -> None:
        with contextlib.suppress(NotFound):
            async with self._reading(name):
                await obstore.delete_async(self._store, name)

    async def _drop(self, name: str) -> None:
        """Take back what was put just now, wherever that is."""
        with contextlib.suppress(BaseError):
            await obstore.delete_async(self._store, name)

    async def _found(self) -> str | None:
        """Which store is there; one that no host knows is given an identity."""
        found = await self._identity()
        if found is None and self._known is None:
            await self._create(IDENTITY, uuid4().hex.encode())  # or another process just has
            found = await self._identity()
        return found

    async def _identity(self) -> str | None:
        try:
            with _translated(IDENTITY):
                if self._folder:
                    return await _thread((self._folder.path / IDENTITY).read_text)
                return b"".join([chunk async for chunk in self._get(IDENTITY, 0, None)]).decode()
        except NotFound:
            return None
        except OSError as fault:
            raise _unreadable(fault) from fault

    async def _create(self, name: str, content: bytes) -> bool:
        if self._folder:
            return await self._folder.create(name, content)
        with _storing():
            try:
                await obstore.put_async(self._store, name, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    async def _get(self, name: str, first: int, last: int | None) -> AsyncIterator[bytes]:
        found = await obstore.get_async(
            self._store, name, options=None if last is None else {"range": (first, last + 1)}
        )
        async for chunk in found.stream(min_chunk_size=1 << 16):
            yield bytes(chunk)

    async def _put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        head, size = [], 0
        async for chunk in chunks:
            head.append(chunk)
            size += len(chunk)
            if size > SMALL:
                return await self._put_large(name, _rejoined(head, chunks))
        return await self._put_small(name, head)

    async def _put_small(self, name: str, content: list[bytes]) -> None:
        if self._folder:
            if self._known is None:
                await self.require()
            try:
                return await self._folder.put(name, content, self._known or "")
            except _Another as fault:
                raise self._away() from fault
        with _storing():
            await self._whole(name, obstore.put_async(self._store, name, b"".join(content), use_multipart=False))

    async def _put_large(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        if self._folder:  # one that changes under way does not find the file that it is to name
            await self.require()
            return await self._folder.put_large(name, chunks)
        stop = asyncio.Event()
        parts = _until(stop, chunks)
        putting = obstore.put_async(self._store, name, parts, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
        with _storing():
            await self._whole(name, putting, stop)

    async def _whole(self, name: str, putting: Awaitable[Any], stop: asyncio.Event | None = None) -> None:
        """Let ``putting`` end in any case: cancelled, it would leave its parts, or a blob that nobody knows."""
        running = asyncio.ensure_future(putting)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            if stop:
                stop.set()
            with contextlib.suppress(BaseError, _Stopped):
                await running
                await self._drop(name)
            raise


@dataclass(eq=False, slots=True)
class _Small:
    """What is to be written in one go. ``written`` is done too where nobody waits for it any more."""

    name: str
    content: list[bytes]
    written: asyncio.Future[None]

    def refuse(self, fault: Exception) -> None:
        if not self.written.done():
            self.written.set_exception(fault)


class _Folder:
    """Writes files that survive a power cut, which obstore's do not: it never calls fsync. And reads them, since that
    takes obstore many times the processor (``make bench NAME=documents`` tells how many).

    Small ones are written in batches: one thread hop and one journal commit serve all who wait, and the same hop asks
    which store it is. ``require`` asks that too, and not for longer than its patience.
    """

    def __init__(self, path: Path, require: Callable[[], Awaitable[None]]) -> None:
        self.path = path
        self._require = require
        self._waiting: list[_Small] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, name: str, content: list[bytes], known: str) -> None:
        """Raises _Another where the folder is not the store ``known``, and Unavailable."""
        one = _Small(name, content, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if not self._writing:
            self._writing = asyncio.create_task(self._write_batches(known))
        try:
            while not one.written.done():
                await asyncio.wait([one.written], timeout=DOUBT)
                if not one.written.done():
                    await self._require()  # it may take its time to write, but not to tell which it is
            one.written.result()
        finally:
            if not one.written.done():
                one.written.cancel()
                if one in self._waiting:  # or what nobody wants any more would stay for as long as it hangs
                    self._waiting.remove(one)

    async def put_large(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Written under another name until it is whole: nobody sees half of it."""
        path, draft = self.path / name, self.path / f"{name}.part"
        opening = _thread(os.open, draft, NEW, 0o600)
        try:
            descriptor = await _stored(opening)
            await _write_all(descriptor, chunks)
            await _in_thread(_name, draft, path, descriptor)
            await _in_thread(sync_folder, self.path)
        except BaseException:
            await _finished(_thread(_remove, [draft, path]))
            raise
        finally:
            if opening.exception() is None:
                await _finished(_thread(os.close, opening.result()))

    async def create(self, name: str, content: bytes) -> bool:
        try:
            return await _finished(_thread(_create_durably, self.path, name, content))
        except OSError as fault:
            raise _full(fault) from fault

    async def get(self, name: str, first: int, last: int | None) -> AsyncIterator[bytes]:
        """At once what is in memory, by another thread what is on the disk. Whoever gives up waits for no thread that
        hangs: the file is closed behind it.
        """
        working: asyncio.Future[Any] = (opening := _thread(_open_to_read, self.path / name))
        try:
            descriptor, size = await asyncio.shield(opening)
            end = size if last is None else last + 1
            while first < end:
                length = min(READ, end - first)
                if (piece := _in_memory(descriptor, length, first)) is None:
                    working = _thread(os.pread, descriptor, length, first)
                    piece = await asyncio.shield(working)
                if not piece:
                    return
                first += len(piece)
                yield piece
        finally:
            working.add_done_callback(partial(_close, opening))

    async def begin(self, name: str, length: int) -> tuple[bytes, int]:
        return await _thread(_begin, self.path / name, length)

    async def _write_batches(self, known: str) -> None:
        while batch := self._waiting:
            self._waiting = []
            try:
                await _thread(_write_durably, self.path, known, batch)
            except _Another:
                for one in batch:
                    one.refuse(_Another())
            except OSError as fault:
                await _thread(_remove, [self.path / one.name for one in batch])
                for one in batch:
                    one.refuse(_full(fault))
            else:
                await self._settle(batch)
        self._writing = None

    async def _settle(self, batch: list[_Small]) -> None:
        given_up = [self.path / one.name for one in batch if one.written.done()]
        for one in batch:
            if not one.written.done():
                one.written.set_result(None)
        if given_up:  # nobody waits for it any more
            await _thread(_remove, given_up)


def _write_durably(folder: Path, known: str, files: list[_Small]) -> None:
    """Under their own names from the start: nobody is told a name before its content is durable, and so the first fsync
    finds names and content of the whole batch in one journal commit. Raises _Another, with none of them written, and
    OSError, with any number of them written.
    """
    with _opened_store(folder, known) as at, contextlib.ExitStack() as opened:
        descriptors = []
        for one in files:
            descriptor = os.open(one.name, NEW, 0o600, dir_fd=at)
            opened.callback(os.close, descriptor)
            for piece in one.content:
                _write(descriptor, piece)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # starts the transfer
            descriptors.append(descriptor)
        for descriptor in descriptors:
            os.fsync(descriptor)
        os.fsync(at)


def _create_durably(folder: Path, name: str, content: bytes) -> bool:
    """Linked to its name once it is written, so that nobody sees half of it, and the first to link has the name."""
    path, draft = folder / name, folder / f"{uuid4().hex}.part"
    if is_new := not path.parent.exists():
        path.parent.mkdir(exist_ok=True)
    try:
        with _opened(draft, NEW) as descriptor:
            _write(descriptor, content)
            os.fsync(descriptor)
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
    if is_new:
        sync_folder(folder)
    return True


def _name(draft: Path, path: Path, descriptor: int) -> None:
    os.fsync(descriptor)
    draft.rename(path)


def _remove(paths: Iterable[Path]) -> None:
    """What cannot be removed is swept up one day."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _begin(path: Path, length: int) -> tuple[bytes, int]:
    with _opened(path, os.O_RDONLY) as descriptor:
        return os.pread(descriptor, length, 0), os.fstat(descriptor).st_size


def _open_to_read(path: Path) -> tuple[int, int]:
    """A descriptor, and the size of the file."""
    descriptor = os.open(path, os.O_RDONLY)
    return descriptor, os.fstat(descriptor).st_size


def _close(opening: asyncio.Future[tuple[int, int]], working: asyncio.Future[Any]) -> None:
    working.exception()  # of which nobody may have heard
    if opening.exception() is None:
        _thread(os.close, opening.result()[0])


def _in_memory(descriptor: int, length: int, first: int) -> bytes | None:
    """So many bytes; None where not all are in memory, or the file ends, or the file system cannot be asked that."""
    buffer = bytearray(length)
    with contextlib.suppress(OSError):
        if os.preadv(descriptor, [buffer], first, os.RWF_NOWAIT) == length:
            return bytes(buffer)
    return None


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _write_on(descriptor: int, piece: bytes, offset: int) -> None:
    """Write it, and start its transfer: what is left to the end is waited for then, by a sender who gives up after a
    minute. Twenty files of 100 MB that ended together took fsync 4 s each, and a tenth of that when begun like this.
    """
    _write(descriptor, piece)
    os.posix_fadvise(descriptor, offset, len(piece), os.POSIX_FADV_DONTNEED)


async def _write_all(descriptor: int, chunks: AsyncIterator[bytes]) -> None:
    """One piece is written while the next one comes, so that nobody waits for the disk and the sender in turn."""
    writing: asyncio.Future[None] | None = None
    offset = 0
    try:
        async for piece in _gathered(chunks, SMALL):
            if writing:
                await _stored(writing)
            writing = _thread(_write_on, descriptor, piece, offset)
            offset += len(piece)
    finally:
        if writing:
            await _stored(writing)


async def _in_thread(work: Callable[..., None], *args: Any) -> None:
    await _stored(_thread(work, *args))


async def _stored(writing: asyncio.Future[T]) -> T:
    """Raises Unavailable when it failed."""
    try:
        return await _finished(writing)
    except OSError as fault:
        raise _full(fault) from fault


def _thread(work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
    """Begins at once, in another thread."""
    return asyncio.get_running_loop().run_in_executor(THREADS, work, *args)


async def _finished(running: asyncio.Future[T]) -> T:
    """Waits for the thread also when we are cancelled: it uses a descriptor that will be closed then."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _full(fault: OSError) -> Unavailable:
    return _unavailable(f"Lageret tar ikke imot mer: {fault.strerror}. Prøv igjen")


def _unreadable(fault: OSError) -> Unavailable:
    return _unavailable(f"Lageret kan ikke leses: {fault.strerror}. Prøv igjen")


def _unavailable(text: str) -> Unavailable:
    BLOB_FAILURES.inc()
    return Unavailable(text)


class _Another(Exception):
    """The folder is not there, or is not the store that it must be."""


class _Stopped(Exception):
    """Nobody waits for the content any more."""


async def _until(stop: asyncio.Event, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks. Raises _Stopped instead of the next one once ``stop`` is set."""
    stopped = asyncio.create_task(stop.wait())
    try:
        while True:
            following = asyncio.create_task(_next(chunks))
            either: set[asyncio.Task[Any]] = {following, stopped}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                following.cancel()
                await asyncio.wait([following])
                raise _Stopped
            if (chunk := following.result()) is None:
                return
            yield chunk
    finally:
        stopped.cancel()


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _gathered(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same content in pieces of at least ``size``, the last one excepted."""
    gathered = bytearray()
    async for chunk in chunks:
        gathered += chunk
        if len(gathered) >= size:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened_store(folder: Path, known: str) -> Iterator[int]:
    """The folder, for as long as this lasts the same, whatever is mounted over it. Raises _Another, and OSError."""
    try:
        at = os.open(folder, os.O_RDONLY)
    except FileNotFoundError as fault:
        raise _Another from fault
    try:
        if _identity_in(at) != known.encode():
            raise _Another
        yield at
    finally:
        os.close(at)


def _identity_in(at: int) -> bytes | None:
    try:
        descriptor = os.open(IDENTITY, os.O_RDONLY, dir_fd=at)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, LONGEST_IDENTITY)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError) as fault:
        raise NotFound(f"there is no blob {name}") from fault
    except BaseError as fault:
        raise _unavailable(f"Lageret svarer ikke ({type(fault).__name__}). Prøv igjen") from fault


@contextlib.contextmanager
def _storing() -> Iterator[None]:
    """What something is to be put into, or listed in, and is not found, is the store."""
    try:
        yield
    except (BaseError, FileNotFoundError) as fault:
        raise _unavailable(f"Lageret svarer ikke ({type(fault).__name__}). Prøv igjen") from fault


async def _rejoined(head: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while head:
        yield head.pop(0)
    async for chunk in rest:
        yield chunk
