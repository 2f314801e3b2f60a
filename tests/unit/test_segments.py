"""Encryption at rest: whatever the pieces and the range, what was sealed comes back, or Tampered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.crypto import segments
from infra.crypto.segments import (
    HEADER_SIZE,
    Opener,
    Sealer,
    Tampered,
    plain_size,
    sealed_range,
    sealed_size,
)

KEY, OTHER_KEY = bytes(32), bytes([1] * 32)
SEGMENT = 64
"""Small ones show every border at little cost; one test is made with the real size."""
WHOLE = SEGMENT + segments.TAG
contents = st.binary(max_size=6 * SEGMENT) | st.integers(0, 6).map(lambda n: bytes(range(SEGMENT)) * n)
cuts = st.lists(st.integers(0, 7 * WHOLE), max_size=12)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real_size" not in request.fixturenames:
        monkeypatch.setattr(segments, "SEGMENT", SEGMENT)


@pytest.fixture
def real_size() -> int:
    return segments.SEGMENT


def pieces(data: bytes, at: list[int]) -> Iterator[bytes]:
    for start, end in pairwise(sorted({0, len(data), *(cut for cut in at if cut < len(data))})):
        yield data[start:end]


def seal(content: bytes, at: list[int] | None = None, object_id: str = "dok", key: bytes = KEY) -> bytes:
    sealer = Sealer(key, object_id)
    return b"".join(sealer.update(piece) for piece in pieces(content, at or [])) + sealer.finish()


def unseal(
    blob: bytes,
    first: int = 0,
    last: int | None = None,
    at: list[int] | None = None,
    object_id: str = "dok",
    key: bytes = KEY,
) -> bytes:
    opener = Opener(key, object_id, blob[:HEADER_SIZE], len(blob), first, last)
    start, end = sealed_range(first, plain_size(len(blob)) - 1 if last is None else last)
    opened = b"".join(opener.update(piece) for piece in pieces(blob[start : end + 1], at or []))
    opener.finish()
    return opened


@given(contents, cuts, cuts)
def test_what_was_sealed_comes_back_whatever_the_pieces(content: bytes, sealing: list[int], opening: list[int]) -> None:
    blob = seal(content, sealing)
    assert len(blob) == sealed_size(len(content))
    assert plain_size(len(blob)) == len(content)
    assert unseal(blob, at=opening) == content


@given(st.binary(min_size=1, max_size=6 * SEGMENT), st.data(), cuts)
def test_any_range_opens_by_itself(content: bytes, data: st.DataObject, opening: list[int]) -> None:
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, len(content) - 1))
    assert unseal(seal(content), first, last, opening) == content[first : last + 1]


@given(contents, st.data())
def test_a_flipped_bit_anywhere_is_found(content: bytes, data: st.DataObject) -> None:
    blob = bytearray(seal(content))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Tampered):
        unseal(bytes(blob))


@given(contents, st.data())
def test_a_cut_anywhere_is_found(content: bytes, data: st.DataObject) -> None:
    blob = seal(content)
    with pytest.raises(Tampered):
        unseal(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(contents, st.binary(min_size=1, max_size=2 * WHOLE))
def test_bytes_put_behind_are_found(content: bytes, more: bytes) -> None:
    with pytest.raises(Tampered):
        unseal(seal(content) + more)


@given(st.integers(2, 6), st.data())
def test_segments_that_changed_places_are_found(count: int, data: st.DataObject) -> None:
    blob = seal(bytes(SEGMENT) * count)  # alike in content, so that only their places differ
    parts = [blob[HEADER_SIZE + n * WHOLE : HEADER_SIZE + (n + 1) * WHOLE] for n in range(count)]
    order = data.draw(st.permutations(range(count)).filter(lambda found: found != sorted(found)))
    with pytest.raises(Tampered):
        unseal(blob[:HEADER_SIZE] + b"".join(parts[n] for n in order))


def test_a_segment_of_another_object_or_of_another_sealing_is_found() -> None:
    blob = seal(bytes(3 * SEGMENT))
    for stranger in (seal(bytes(3 * SEGMENT), object_id="annet"), seal(bytes(3 * SEGMENT))):
        start, end = HEADER_SIZE + WHOLE, HEADER_SIZE + 2 * WHOLE
        with pytest.raises(Tampered):
            unseal(blob[:start] + stranger[start:end] + blob[end:])


def test_a_dropped_segment_in_the_middle_and_a_last_one_too_few_are_found() -> None:
    blob = seal(bytes(3 * SEGMENT))
    for damaged in (blob[: HEADER_SIZE + WHOLE] + blob[HEADER_SIZE + 2 * WHOLE :], blob[:-WHOLE]):
        with pytest.raises(Tampered):
            unseal(damaged)


@given(contents)
def test_another_key_or_another_object_opens_nothing(content: bytes) -> None:
    blob = seal(content)
    for stranger in ({"key": OTHER_KEY}, {"object_id": "annet"}):
        with pytest.raises(Tampered):
            unseal(blob, **stranger)  # type: ignore[arg-type]


@given(st.integers(1, 5), st.data())
def test_nothing_of_a_segment_is_given_out_before_its_tag_was_checked(count: int, data: st.DataObject) -> None:
    content = bytes(range(SEGMENT)) * count
    blob = bytearray(seal(content))
    damaged = data.draw(st.integers(0, count - 1))
    blob[HEADER_SIZE + damaged * WHOLE + data.draw(st.integers(0, WHOLE - 1))] ^= 1
    opener, given_out = Opener(KEY, "dok", bytes(blob[:HEADER_SIZE]), len(blob)), b""
    with pytest.raises(Tampered):
        for byte in blob[HEADER_SIZE:]:
            given_out += opener.update(bytes([byte]))
    assert given_out == content[: damaged * SEGMENT]


def test_a_stream_that_ends_early_is_found_at_its_end() -> None:
    blob = seal(bytes(2 * SEGMENT))
    opener = Opener(KEY, "dok", blob[:HEADER_SIZE], len(blob))
    opener.update(blob[HEADER_SIZE:-1])
    with pytest.raises(Tampered, match="1 bytes are missing"):
        opener.finish()


def test_no_content_is_sealed_too() -> None:
    blob = seal(b"")
    assert len(blob) == HEADER_SIZE + segments.TAG
    assert unseal(blob) == b""


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (4, 2), (0, 10), (11, None)])
def test_a_range_that_is_not_there_is_refused(first: int, last: int | None) -> None:
    blob = seal(bytes(10))
    with pytest.raises(ValueError, match="there are no bytes"):
        Opener(KEY, "dok", blob[:HEADER_SIZE], len(blob), first, last)


@given(st.integers(0, 10**13))
def test_the_size_of_the_content_follows_from_that_of_the_blob(plain: int) -> None:
    assert plain_size(sealed_size(plain)) == plain


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        Sealer(bytes(16), "dok")


@pytest.mark.parametrize("first", [0, 256 * 1024 - 1, 256 * 1024, 512 * 1024])
def test_the_real_segment_size(real_size: int, first: int) -> None:
    content = bytes(range(256)) * (2 * real_size // 256 + 3)
    blob = seal(content, [real_size - 1, real_size + 1])
    assert unseal(blob, first) == content[first:]
