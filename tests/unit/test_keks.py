"""Key-encryption keys: the newest generation wraps, all unwrap, and a wrapped key opens under its name alone."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from infra.crypto.segments import Tampered
from infra.crypto.wrapping import generation_of, unwrap, wrap
from infra.keks import InTheClear, Keks
from streams.domain.errors import Rejected, Unavailable

KEY = bytes(range(32))


def keks(folder: Path) -> Keks:
    return Keks(folder / "keks.json", InTheClear())


async def test_the_file_is_made_at_the_first_start_for_its_owner_alone(tmp_path: Path) -> None:
    await keks(tmp_path).wrap("a:1", KEY)
    assert stat.S_IMODE((tmp_path / "keks.json").stat().st_mode) == 0o600


async def test_processes_that_start_at_once_make_one_file(tmp_path: Path) -> None:
    many = [keks(tmp_path) for _ in range(8)]
    wrapped = await asyncio.gather(*(one.wrap("a:1", KEY) for one in many))
    for value in wrapped:
        assert await keks(tmp_path).unwrap({"a:1": value}) == {"a:1": KEY}


@pytest.mark.parametrize("again", [False, True])
async def test_a_generation_survives_a_power_cut_before_anything_is_wrapped_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """What it wraps is on the log, and lost for good without it."""
    running = keks(tmp_path)
    if again:
        await running.wrap("a:1", KEY)
    synced, fsync = set[tuple[int, int]](), os.fsync

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        about = os.fstat(descriptor)
        synced.add((about.st_dev, about.st_ino))

    monkeypatch.setattr(os, "fsync", noting)
    if again:
        await running.add()
    await running.wrap("a:2", KEY)
    for path in (tmp_path / "keks.json", tmp_path):  # content, and name
        assert (path.stat().st_dev, path.stat().st_ino) in synced, path.name


async def test_the_newest_generation_wraps_and_all_unwrap(tmp_path: Path) -> None:
    running = keks(tmp_path)
    old = await running.wrap("a:1", KEY)
    assert await keks(tmp_path).add() == 2
    new = await running.wrap("a:2", KEY)  # a process that runs on sees the new generation in the file
    assert (generation_of(old), generation_of(new)) == (1, 2)
    assert await running.unwrap({"a:1": old, "a:2": new}) == {"a:1": KEY, "a:2": KEY}
    assert stat.S_IMODE((tmp_path / "keks.json").stat().st_mode) == 0o600


async def test_a_generation_that_another_process_added_is_looked_up(tmp_path: Path) -> None:
    running, other = keks(tmp_path), keks(tmp_path)
    await running.wrap("a:1", KEY)
    await other.add()
    assert await running.unwrap({"a:1": await other.wrap("a:1", KEY)}) == {"a:1": KEY}


async def test_what_a_dropped_generation_wrapped_is_away_and_not_erased(tmp_path: Path) -> None:
    one = keks(tmp_path)
    old = await one.wrap("a:1", KEY)
    await one.add()
    await one.forget({1})
    with pytest.raises(Unavailable):
        await keks(tmp_path).unwrap({"a:1": old})
    with pytest.raises(Rejected):
        await one.forget({2})


async def test_the_file_of_another_system_unwraps_nothing(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(Unavailable, match="er ikke tilgjengelige nå"):
        await keks(tmp_path / "other").unwrap({"a:1": await keks(tmp_path).wrap("a:1", KEY)})


@pytest.mark.parametrize("content", ["", "{}", '{"kms": "vault", "generations": {"1": "x"}}'])
async def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    """By commands with the reason; who seals for a caller is not the one to mend it."""
    (tmp_path / "keks.json").write_text(content)
    with pytest.raises(Rejected, match=r"keks\.json"):
        await keks(tmp_path).add()
    with capture_logs() as logs, pytest.raises(Unavailable) as closed:
        await keks(tmp_path).wrap("a:1", KEY)
    assert "keks.json" in logs[-1]["why"]
    assert "keks.json" not in str(closed.value)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1), st.text(max_size=20))
def test_a_wrapped_key_opens_under_its_name(key: bytes, generation: int, name: str) -> None:
    wrapped = wrap(name, key, generation, AESGCM(KEY))
    assert generation_of(wrapped) == generation
    assert unwrap(name, wrapped, AESGCM(KEY)) == key
    with pytest.raises(Tampered):
        unwrap(name + "x", wrapped, AESGCM(KEY))


@given(st.data())
def test_a_changed_byte_of_a_wrapped_key_is_found(data: st.DataObject) -> None:
    wrapped = bytearray(wrap("a:1", KEY, 1, AESGCM(KEY)))
    wrapped[data.draw(st.integers(0, len(wrapped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Tampered):
        generation_of(bytes(wrapped))
        unwrap("a:1", bytes(wrapped), AESGCM(KEY))


class _Slow(InTheClear):
    """A KMS that takes its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def encrypt(self, key: bytes) -> str:
        await asyncio.sleep(self._seconds)
        return await super().encrypt(key)


async def test_what_was_wrapped_with_the_first_opens_after_the_second(tmp_path: Path) -> None:
    file = tmp_path / "keks.json"
    await Keks(file, InTheClear()).begin()
    first, second, gateway = Keks(file, _Slow(0.1)), Keks(file, _Slow(0.4)), Keks(file, InTheClear())
    adding = asyncio.create_task(second.add())  # the one of the two operators whose KMS is slower
    assert await first.add() == 2
    wrapped = await gateway.wrap("svarut:1", b"k" * 32)
    await adding
    assert await Keks(file, InTheClear()).unwrap({"svarut:1": wrapped}) == {"svarut:1": b"k" * 32}
