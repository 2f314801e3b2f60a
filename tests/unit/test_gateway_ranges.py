"""The Range header against RFC 9110, and against a reading of it that is slow and plain."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.ranges import MOST, Range, framing, wanted

SIZE = 10_000
ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-999", [(500, 999)]),
        ("bytes=-500", [(9500, 9999)]),
        ("bytes=9500-", [(9500, 9999)]),
        ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 999), (4500, 5499), (9000, 9999)]),
        ("bytes=500-600,601-999", [(500, 600), (601, 999)]),
        ("bytes=500-700,601-999", [(500, 999)]),
        ("bytes=9000-9999,0-0", [(9000, 9999), (0, 0)]),
        ("bytes=9000-9999,0-5,3-7", [(0, 7), (9000, 9999)]),
        ("BYTES=0-1", [(0, 1)]),
        (" bytes=0-1 ", [(0, 1)]),
        ("bytes=,0-1,,", [(0, 1)]),
        ("bytes=0-99999", [(0, 9999)]),
        ("bytes=-99999", [(0, 9999)]),
        ("bytes=0-" + "9" * 5000, [(0, 9999)]),
        ("bytes=0" + "0" * 5000 + "7-8", [(7, 8)]),
        ("bytes=-0,5-5", [(5, 5)]),
        ("bytes=10000-,5-5", [(5, 5)]),
        ("bytes=10000-", []),
        ("bytes=-0", []),
        ("bytes=" + "9" * 5000 + "-", []),
        ("bytes=10000-10001,20000-", []),
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=--1", None),
        ("bytes=1-0", None),
        ("bytes=0-1,5-2", None),
        ("bytes=" + "9" * 30 + "-" + "9" * 21, None),
        ("bytes=0-1;2-3", None),
        ("bytes=0-1,x", None),
        ("bytes=0 - 1", None),
        ("bytes =0-1", None),
        ("bytes=+0-1", None),
        ("bytes=٠-١", None),
        ("bytes=0-1\n", [(0, 1)]),
        ("bytes=0-1\n,2-3", None),
        ("seconds=0-1", None),
        ("bytes=" + ",".join(f"{at}-{at}" for at in range(0, 2 * MOST, 2)), [(at, at) for at in range(0, 2 * MOST, 2)]),
        ("bytes=" + ",".join(["0-0"] * (MOST + 1)), None),
    ],
)
def test_what_a_header_asks_for(header: str | None, ranges: list[tuple[int, int]] | None) -> None:
    found = wanted(header, SIZE)
    assert (None if found is None else [(part.first, part.last) for part in found]) == ranges


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=5-6"])
def test_what_is_empty_is_sent_whole(header: str) -> None:
    assert wanted(header, 0) is None


@pytest.mark.parametrize(
    ("if_range", "etag", "is_whole"),
    [
        (ETAG, ETAG, False),
        (f" {ETAG} ", ETAG, False),
        (None, ETAG, False),
        ('"other"', ETAG, True),
        ("W/" + ETAG, ETAG, True),
        ("W/" + ETAG, "W/" + ETAG, True),
        ("abc", ETAG, True),
        ("", "", True),
        ("Thu, 26 Nov 2026 02:00:00 GMT", ETAG, True),
    ],
)
def test_if_range_holds_by_the_strong_etag_alone(if_range: str | None, etag: str, is_whole: bool) -> None:
    assert (wanted("bytes=0-1", SIZE, if_range=if_range, etag=etag) is None) == is_whole
    assert (wanted("bytes=10000-", SIZE, if_range=if_range, etag=etag) is None) == is_whole


NUMBERS = st.none() | st.integers(0, 40)
SPECS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=MOST)


def slowly(specs: list[tuple[int | None, int | None]], size: int) -> list[int] | None:
    """The places that are asked for, each once and in order; None where the header says nothing valid."""
    places = set[int]()
    for first, last in specs:
        if (first is None and last is None) or (first is not None and last is not None and last < first):
            return None
        for place in range(size):
            in_suffix = first is None and place >= size - (last or 0)
            if in_suffix or (first is not None and place >= first and (last is None or place <= last)):
                places.add(place)
    return sorted(places)


@given(specs=SPECS, size=st.integers(1, 30))
@example(specs=[(0, None), (0, None)], size=1)
def test_each_byte_that_is_asked_for_is_sent_once(specs: list[tuple[int | None, int | None]], size: int) -> None:
    header = "bytes=" + ",".join(
        f"{'' if first is None else first}-{'' if last is None else last}" for first, last in specs
    )
    found = wanted(header, size)
    sent = None if found is None else [place for part in found for place in range(part.first, part.last + 1)]
    assert (sent if sent is None else sorted(sent)) == slowly(specs, size)


@given(header=st.text(max_size=60) | st.text("bytes=0123456789-, \t", max_size=60), size=st.integers(0, 2**63))
def test_any_header_has_an_answer(header: str, size: int) -> None:
    for part in wanted(header, size) or ():
        assert 0 <= part.first <= part.last < size


@given(
    content=st.binary(min_size=1, max_size=300),
    specs=st.lists(st.tuples(st.integers(0, 299), st.integers(0, 50)), min_size=2, max_size=8),
)
def test_framing(content: bytes, specs: list[tuple[int, int]]) -> None:
    """As a mail reader takes it apart: the bytes, their places, and the length that was told."""
    size = len(content)
    ranges = [Range(first % size, min(first % size + more, size - 1)) for first, more in specs]
    frame = framing(ranges, size, "application/pdf", "skille-7f3a")
    pieces = [head + content[part.first : part.last + 1] for head, part in zip(frame.heads, ranges, strict=True)]
    body = b"".join(pieces) + frame.end
    assert len(body) == frame.length
    head = f"Content-Type: {frame.content_type}\r\n\r\n".encode()
    read = BytesParser(policy=HTTP.clone(cte_type="8bit")).parsebytes(head + body)
    parts = list(read.iter_parts())
    assert [part["Content-Range"] for part in parts] == [part.content_range(size) for part in ranges]
    assert {part.get_content_type() for part in parts} == {"application/pdf"}
    assert body.startswith(b"--skille-7f3a\r\n")
    taken = body.split(b"\r\n--skille-7f3a")
    assert [piece.split(b"\r\n\r\n", 1)[1] for piece in taken[:-1]] == [
        content[part.first : part.last + 1] for part in ranges
    ]
