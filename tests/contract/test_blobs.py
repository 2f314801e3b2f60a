"""The blob store: whole or not at all, and nothing left of what was given up. One suite over a folder and over S3."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.blobs import IDENTITY, SMALL, Blobs
from infra.crypto.segments import HEADER_SIZE, KEY_SIZE, SEGMENT, Tampered
from infra.metrics import BLOB_FAILURES
from infra.sealed_blobs import opening, sealing
from streams.domain.errors import NotFound, Unavailable
from tests.support.chunks import chunks_of
from tests.support.s3 import Bucket, new_bucket, running_s3

SIZES = (0, 1, SMALL, SMALL + 1, 12 * SMALL + 7)


@dataclass
class Store:
    """A store, and a way past it to see what it holds."""

    url: str
    names: Callable[[], list[str]]

    def __post_init__(self) -> None:
        self.blobs = Blobs(self.url)

    def left(self) -> list[str]:
        """The names of all that is there, but for what tells which store it is."""
        return [name for name in self.names() if name != IDENTITY]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blo bs"


@pytest.fixture
def blobs(folder: Path) -> Blobs:
    return Blobs(folder.as_uri())


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3() as address:
        yield address


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return new_bucket(s3, monkeypatch)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "bucket":
        bucket: Bucket = request.getfixturevalue("bucket")
        return Store(bucket.url, bucket.names)
    folder: Path = request.getfixturevalue("folder")

    def names() -> list[str]:
        return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]

    return Store(folder.as_uri(), names)


async def read(blobs: Blobs, name: str) -> bytes:
    return b"".join([chunk async for chunk in blobs.get(name)])


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_can_be_got(store: Store, size: int) -> None:
    content = os.urandom(size)

    await store.blobs.put("a1", chunks_of(content))

    assert await read(store.blobs, "a1") == content
    assert await store.blobs.begin("a1", 10) == (content[:10], size)
    assert store.left() == ["a1"]


KEY = bytes(KEY_SIZE)
SEALED = os.urandom(2 * SEGMENT + 17)
SEAM = (SEGMENT - 5, SEGMENT + 4)


async def sealed(store: Store, name: str) -> bytes:
    """What lies in the store as ``name``, once content has been sealed into it."""
    await store.blobs.put(name, sealing(KEY, name, chunks_of(SEALED)))
    return await read(store.blobs, name)


async def put_instead(store: Store, name: str, lying: bytes) -> None:
    await store.blobs.delete([name])  # what is put once is never overwritten
    await store.blobs.put(name, chunks_of(lying))


async def plain(store: Store, name: str, first: int = 0, last: int = len(SEALED) - 1) -> bytes:
    return b"".join([part async for part in opening(store.blobs, KEY, name, len(SEALED), first, last)])


async def test_sealed_content_is_opened_across_a_seam(store: Store) -> None:
    await sealed(store, "a1")

    first, last = SEAM
    assert await plain(store, "a1", first, last) == SEALED[first : last + 1]
    assert await plain(store, "a1") == SEALED


async def test_sealed_content_with_a_flipped_bit_is_not_opened(store: Store) -> None:
    lying = bytearray(await sealed(store, "a1"))
    lying[HEADER_SIZE + SEGMENT + 100] ^= 1  # in the second segment
    await put_instead(store, "a1", bytes(lying))

    with pytest.raises(Tampered):
        await plain(store, "a1", *SEAM)
    assert await plain(store, "a1", 0, 9) == SEALED[:10], "the first segment is whole"


@pytest.mark.parametrize("cut", [1, 17 + 16, SEGMENT])
async def test_sealed_content_that_was_cut_is_not_opened(store: Store, cut: int) -> None:
    lying = await sealed(store, "a1")
    await put_instead(store, "a1", lying[:-cut])

    for first, last in ((0, 9), SEAM, (0, len(SEALED) - 1)):
        with pytest.raises(Tampered):
            await plain(store, "a1", first, last)


async def test_of_many_who_create_the_same_one_does(store: Store) -> None:
    others = [Blobs(store.url) for _ in range(3)]
    for number in range(20):
        won = await asyncio.gather(*(one.create(f"mappe/{number}", bytes([at])) for at, one in enumerate(others)))
        assert sum(won) == 1
        assert await read(store.blobs, f"mappe/{number}") == bytes([won.index(True)])
    assert await store.blobs.create("mappe/0", b"x") is False
    assert sorted(store.left()) == sorted(f"mappe/{number}" for number in range(20))


async def test_what_lies_in_a_folder(store: Store) -> None:
    assert await store.blobs.sizes("mappe") == {}
    for name, size in (("mappe/a", 3), ("mappe/b", 0), ("mappe2/c", 1)):
        assert await store.blobs.create(name, bytes(size))
    assert await store.blobs.sizes("mappe") == {"a": 3, "b": 0}
    await store.blobs.delete(["mappe/a", "mappe/b", "mappe/x"])
    assert await store.blobs.sizes("mappe") == {}
    assert await store.blobs.create("mappe/a", b"again")
    assert sorted(store.left()) == ["mappe/a", "mappe2/c"]


CREATE = """
import asyncio, sys
from infra.blobs import Blobs
async def main():
    blobs = Blobs(sys.argv[1])
    print(sum([await blobs.create(f"mappe/{number}", sys.argv[2].encode()) for number in range(100)]))
asyncio.run(main())
"""


async def test_of_two_processes_who_create_the_same_one_does(blobs: Blobs, folder: Path) -> None:
    made = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CREATE, folder.as_uri(), name, stdout=asyncio.subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    won = [int((await one.communicate())[0]) for one in made]

    assert sum(won) == 100
    contents = [await read(blobs, f"mappe/{number}") for number in range(100)]
    assert [contents.count(name) for name in (b"a", b"b")] == won


async def test_many_at_once(store: Store) -> None:
    await asyncio.gather(*(store.blobs.put(f"n{number}", chunks_of(b"%d" % number)) for number in range(200)))

    assert [await read(store.blobs, f"n{number}") for number in range(200)] == [b"%d" % number for number in range(200)]
    assert len(store.left()) == 200


@pytest.mark.parametrize("size", SIZES[1:])
async def test_nothing_is_left_when_the_content_breaks_off(store: Store, size: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in chunks_of(bytes(size)):
            yield chunk
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await store.blobs.put("a1", broken())

    assert store.left() == []


@pytest.mark.parametrize("size", SIZES[1:])
async def test_nothing_is_left_when_we_are_cancelled(store: Store, size: int) -> None:
    stuck = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for chunk in chunks_of(bytes(size)):
            yield chunk
        stuck.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.blobs.put("a1", endless()))
    await stuck.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert store.left() == []


async def test_nothing_is_left_when_we_are_cancelled_while_it_is_written(store: Store) -> None:
    puts = [asyncio.create_task(store.blobs.put(f"n{number}", chunks_of(b"x"))) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for put in puts[::2]:
        put.cancel()
    await asyncio.gather(*puts, return_exceptions=True)
    await store.blobs.put("last", chunks_of(b"x"))  # behind all that was under way

    assert sorted(store.left()) == sorted(["last", *(f"n{number}" for number in range(1, 20, 2))])


async def test_a_blob_is_there_as_a_whole_or_not_at_all(blobs: Blobs, folder: Path) -> None:
    taken = folder / "n0"
    taken.mkdir()  # where nothing can be renamed to

    with pytest.raises(Unavailable):
        await blobs.put("n0", chunks_of(b"x"))

    assert sorted(os.listdir(folder)) == [IDENTITY, "n0"]  # noqa: PTH208 - async, and one call


async def test_what_is_large_is_on_its_way_to_the_disk_before_the_end_is_waited_for(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever sent it waits at the end for all of it, longer than clients do when many end at once."""
    size, begun, waited_for = 12 * SMALL + 7, 0, []
    await blobs.require()
    advise, fsync = os.posix_fadvise, os.fsync

    def beginning(descriptor: int, offset: int, length: int, advice: int) -> None:
        nonlocal begun
        assert (offset, advice) == (begun, os.POSIX_FADV_DONTNEED)
        assert os.fstat(descriptor).st_size == offset + length, "it is written"
        begun += length
        advise(descriptor, offset, length, advice)

    def waiting(descriptor: int) -> None:
        waited_for.append(begun)
        fsync(descriptor)

    monkeypatch.setattr(os, "posix_fadvise", beginning)
    monkeypatch.setattr(os, "fsync", waiting)
    await blobs.put("a", chunks_of(bytes(size)))
    assert waited_for == [size, size], "the file and its folder"


@pytest.mark.parametrize("in_memory", ["some", "nothing"])
async def test_what_is_not_in_memory_is_read_from_the_disk(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, in_memory: str
) -> None:
    content = os.urandom(SMALL)
    await blobs.put("a1", chunks_of(content))

    def preadv(descriptor: int, buffers: list[bytearray], first: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        if in_memory == "nothing":
            raise BlockingIOError
        buffers[0][:7] = os.pread(descriptor, 7, first)
        return 7

    monkeypatch.setattr(os, "preadv", preadv)
    assert await read(blobs, "a1") == content
    assert await blobs.begin("a1", 1000) == (content[:1000], SMALL)


async def test_a_store_that_is_away_is_unavailable(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    blobs = Blobs("s3://away")
    for call in (blobs.put("a1", chunks_of(b"x")), blobs.put("a2", chunks_of(bytes(2 * SMALL))), blobs.delete(["a1"])):
        with pytest.raises(Unavailable):
            await call


async def test_deleted_and_unknown_blobs_are_not_found(store: Store) -> None:
    await store.blobs.put("a1", chunks_of(b"x"))
    await store.blobs.delete(["a1", "a2"])

    with pytest.raises(NotFound):
        await read(store.blobs, "a1")
    with pytest.raises(NotFound):
        await store.blobs.begin("a1", 1)


async def assert_away(blobs: Blobs) -> None:
    """Whatever is asked for."""
    asking: list[Callable[[], Awaitable[Any]]] = [
        lambda: read(blobs, "a1"),
        lambda: blobs.begin("a1", 1),
        lambda: blobs.sizes("mappe"),
        blobs.require,
    ]
    for ask in asking:
        with pytest.raises(Unavailable):
            await ask()


async def assert_takes_nothing(blobs: Blobs) -> None:
    """However large, nor lets anything be deleted."""
    telling: list[Callable[[], Awaitable[Any]]] = [
        lambda: blobs.put("a2", chunks_of(b"x")),
        lambda: blobs.put("a3", chunks_of(bytes(2 * SMALL))),
        lambda: blobs.create("mappe/a", b"x"),
        lambda: blobs.delete(["a1"]),
    ]
    for tell in telling:
        with pytest.raises(Unavailable):
            await tell()


@pytest.mark.parametrize("begun", ["before", "then"])
async def test_a_store_with_nothing_in_it_where_there_was_one_is_away(
    store: Store, request: pytest.FixtureRequest, tmp_path: Path, begun: str
) -> None:
    """As a folder is whose disk is not mounted, also to a process that starts then."""
    memory = tmp_path / "seen" / "store"
    blobs, failures = Blobs(store.url, memory), BLOB_FAILURES._value.get()
    await blobs.require()
    await blobs.put("a1", chunks_of(b"x"))
    if begun == "then":
        blobs = Blobs(store.url, memory)

    with without_what_is_in(store, request):
        await assert_away(blobs)
        await assert_takes_nothing(blobs)  # or what comes would lie under the disk, once that is mounted
        assert store.names() == []
        assert BLOB_FAILURES._value.get() > failures, "which pages somebody"

    assert await read(blobs, "a1") == b"x"
    with pytest.raises(NotFound):
        await read(blobs, "a2")


@contextmanager
def without_what_is_in(store: Store, request: pytest.FixtureRequest) -> Iterator[None]:
    if store.url.startswith("s3:"):
        bucket: Bucket = request.getfixturevalue("bucket")
        taken = bucket.take()
        yield
        bucket.put(taken)
    else:
        folder: Path = request.getfixturevalue("folder")
        aside = folder.rename(folder.with_name("aside"))
        folder.mkdir()
        yield
        folder.rmdir()
        aside.rename(folder)


async def test_another_store_in_its_place_is_as_if_it_were_away(store: Store, tmp_path: Path) -> None:
    memory = tmp_path / "seen"
    await Blobs(store.url, memory).require()
    memory.write_text("another")
    blobs = Blobs(store.url, memory)

    with pytest.raises(Unavailable):
        await blobs.require()
    with pytest.raises(Unavailable):
        await read(blobs, "a1")


@pytest.mark.parametrize("size", SIZES)
async def test_a_bucket_that_comes_in_its_place_under_way_keeps_nothing(bucket: Bucket, size: int) -> None:
    """An upload may take an hour, and who was told that it is stored sends it no more."""
    blobs = Blobs(bucket.url)
    await blobs.require()

    async def meanwhile() -> AsyncIterator[bytes]:
        bucket.put({IDENTITY: b"another"})
        async for chunk in chunks_of(bytes(size)):
            yield chunk

    with pytest.raises(Unavailable):
        await blobs.put("a1", meanwhile())
    assert bucket.names() == [IDENTITY]


@pytest.mark.parametrize("size", [0, 1, SMALL])
async def test_a_folder_that_comes_in_its_place_under_way_takes_nothing_small(
    blobs: Blobs, folder: Path, size: int
) -> None:
    await blobs.require()

    async def meanwhile() -> AsyncIterator[bytes]:
        (folder / IDENTITY).write_text("another")
        async for chunk in chunks_of(bytes(size)):
            yield chunk

    with pytest.raises(Unavailable):
        await blobs.put("a1", meanwhile())
    assert os.listdir(folder) == [IDENTITY]  # noqa: PTH208 - async, and one call


async def test_a_folder_that_takes_its_time_to_write_is_not_away(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """So long as it tells which it is."""
    monkeypatch.setattr("infra.blobs.DOUBT", 0.01)
    await blobs.require()
    asked, written, fsync = asyncio.Semaphore(0), threading.Event(), os.fsync
    told = blobs._folder

    async def asking() -> None:
        await blobs.require()
        asked.release()

    def waiting(descriptor: int) -> None:
        written.wait()
        fsync(descriptor)

    assert told is not None
    monkeypatch.setattr(told, "_require", asking)
    monkeypatch.setattr(os, "fsync", waiting)
    putting = asyncio.create_task(blobs.put("a1", chunks_of(b"x")))
    for _ in range(3):
        await asked.acquire()
    written.set()
    await putting
    assert await read(blobs, "a1") == b"x"


async def test_a_host_that_is_told_which_store_it_is_takes_no_other(store: Store, tmp_path: Path) -> None:
    """Though it never saw one, nor does it make an empty one its own."""
    told = Blobs(store.url, memory := tmp_path / "seen", known := "a" * 32)
    await assert_away(told)
    await assert_takes_nothing(told)
    assert (store.names(), memory.exists()) == ([], False)

    another = Blobs(store.url)
    await another.put("a1", chunks_of(b"x"))
    await assert_takes_nothing(told)
    assert store.left() == ["a1"]

    identity = await read(another, IDENTITY)
    assert await read(Blobs(store.url, memory, identity.decode()), "a1") == b"x"
    memory.write_text(known)  # of a store that was here before
    assert await read(Blobs(store.url, memory, identity.decode()), "a1") == b"x"


async def test_what_lies_in_another_store_is_not_deleted(store: Store, tmp_path: Path) -> None:
    """It is somebody else's, under whatever name."""
    blobs = Blobs(store.url, memory := tmp_path / "seen")
    await blobs.put("a1", chunks_of(b"x"))
    memory.write_text("another")

    with pytest.raises(Unavailable):
        await Blobs(store.url, memory).delete(["a1"])
    assert store.left() == ["a1"]


async def test_however_many_are_deleted_it_is_asked_once_which_store_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"n{number}" for number in range(100)]
    for name in names:
        await store.blobs.put(name, chunks_of(b"x"))
    asked, require = [], store.blobs.require

    async def asking() -> None:
        asked.append("asked")
        await require()

    monkeypatch.setattr(store.blobs, "require", asking)
    await store.blobs.delete(names)
    assert (asked, store.left()) == (["asked"], [])
    await store.blobs.delete([])
    assert asked == ["asked"]


async def test_a_folder_that_is_gone_is_away(blobs: Blobs, folder: Path) -> None:
    await blobs.put("a1", chunks_of(b"x"))
    shutil.rmtree(folder)
    await assert_away(blobs)
    await assert_takes_nothing(blobs)


async def test_a_bucket_that_is_gone_is_away(bucket: Bucket) -> None:
    """S3 says 404 of it, as of an object."""
    for known in (True, False):
        blobs = Blobs(bucket.url)
        if known:
            await blobs.require()
            bucket.take()
            bucket.client.delete_bucket(Bucket=bucket.name)
        await assert_away(blobs)
        await assert_takes_nothing(blobs)


async def test_a_disk_that_does_not_read_is_away(blobs: Blobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await blobs.put("a1", chunks_of(b"x"))
    opened = os.open

    def stale(path: Path, *more: Any) -> int:
        if path == folder / "a1":
            raise OSError(errno.ESTALE, "Stale file handle")
        return opened(path, *more)

    monkeypatch.setattr(os, "open", stale)
    with pytest.raises(Unavailable):
        await read(blobs, "a1")


async def test_a_disk_that_does_not_tell_which_it_is_is_away(blobs: Blobs, folder: Path) -> None:
    (folder / IDENTITY).mkdir()
    with pytest.raises(Unavailable):
        await blobs.require()
    await assert_takes_nothing(blobs)


async def test_of_many_who_see_a_store_first_all_see_the_same(store: Store, tmp_path: Path) -> None:
    seen = [tmp_path / f"seen-{number}" for number in range(5)]
    await asyncio.gather(*(Blobs(store.url, one).require() for one in [*seen, *seen]))
    assert len({one.read_text() for one in seen}) == 1


async def test_what_tells_which_store_it_is_is_never_listed(store: Store) -> None:
    await store.blobs.require()
    assert [name async for names in store.blobs.written(datetime.now(UTC) + timedelta(1)) for name in names] == []
