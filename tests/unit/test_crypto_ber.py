"""BER read in any chunks gives what was written, however its lengths are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import pytest
from cryptography import x509
from hypothesis import assume, given
from hypothesis import strategies as st

from fiks_cms.ber import (
    CONSTRUCTED,
    DEEPEST,
    LARGEST,
    OCTET_STRING,
    SEQUENCE,
    Element,
    NotBer,
    Reader,
    Reading,
    encoded,
    oid,
    opening,
)
from tests.support.cms import chunks

T = TypeVar("T")
CUTS = st.lists(st.integers(0, 200), max_size=20)
TREES = st.recursive(
    st.builds(Element, st.sampled_from([2, 4, 5, 6, 12, 0x80, 0x9E]), st.binary(max_size=200)),
    lambda inner: st.builds(
        lambda tag, parts: Element(tag, parts=tuple(parts)),
        st.sampled_from([0x30, 0x31, 0xA0, 0xBE]),
        st.lists(inner, min_size=1, max_size=4),
    ),
    max_leaves=12,
)


def run(reading: Reading[T], reader: Reader, pieces: Iterable[bytes]) -> T:
    """What the reading returns; LookupError if it wants more."""
    for piece in pieces:
        reader.feed(piece)
        try:
            next(reading)
        except StopIteration as end:
            return end.value
    raise LookupError


def written(element: Element, draw: st.DrawFn) -> bytes:
    """The element with its lengths in one of the ways that BER allows."""
    content = b"".join(written(part, draw) for part in element.parts) or element.octets
    how = draw(st.sampled_from(["short", "long", "open"]))
    if how == "open" and element.parts:
        return bytes((element.tag, 0x80)) + content + b"\0\0"
    if how == "long":
        return bytes((element.tag, 0x84)) + len(content).to_bytes(4) + content
    return encoded(element.tag, content)


@given(tree=TREES, data=st.data(), cuts=CUTS)
def test_an_element_is_read_as_it_was_written(tree: Element, data: st.DataObject, cuts: list[int]) -> None:
    reader = Reader()
    assert run(reader.element(), reader, chunks(written(tree, data.draw) + b"more", cuts)) == tree


@given(tree=TREES, data=st.data())
def test_der_is_the_same_however_it_was_written(tree: Element, data: st.DataObject) -> None:
    reader = Reader()
    assert run(reader.element(), reader, [written(tree, data.draw)]).der == tree.der


@given(tree=TREES, data=st.data())
def test_what_is_cut_off_wants_more(tree: Element, data: st.DataObject) -> None:
    message = written(tree, data.draw)
    reader = Reader()
    with pytest.raises(LookupError):
        run(reader.element(), reader, [message[: data.draw(st.integers(0, len(message) - 1))]])


@pytest.mark.parametrize(
    "dotted",
    ["1.2.840.113549.1.7.3", "2.16.840.1.101.3.4.1.42", "1.3.14.3.2.26", "2.5.4.3", "2.999.1", "0.9.2342", "1.3"],
)
def test_names_of_algorithms(dotted: str) -> None:
    """As cryptography writes them, in a certificate's name."""
    attribute = x509.NameAttribute(x509.ObjectIdentifier(dotted), "x")
    assert encoded(6, oid(dotted)) in x509.Name([attribute]).public_bytes()


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32])
def test_lengths(length: int) -> None:
    reader = Reader()
    reader.feed(opening(SEQUENCE, length))
    with pytest.raises(StopIteration):
        next(reader.enter(SEQUENCE))
    octets = opening(SEQUENCE, length)
    assert octets[1] == (length if length < 128 else 0x80 | (length.bit_length() + 7) // 8)
    assert int.from_bytes(octets[2:]) == (0 if length < 128 else length)


@pytest.mark.parametrize(
    "message",
    [
        b"\x1f\x81\x01\x00",  # a tag of several octets
        b"\x00\x00",  # end of contents where none is open
        b"\x30\x02\x00\x00",
        b"\x04\x80\x00\x00",  # a primitive one without length
        b"\x04\xff",
        b"\x04\x89" + bytes(9),
        b"\x30\x03\x04\x02x",  # larger than what holds it
        b"\x30\x01\x04",
        b"\x30\x02\x30\x80",
        opening(OCTET_STRING, LARGEST + 1),
        b"\x30\x80" * (DEEPEST + 1),
        b"\x30\x80" + b"\x05\x00" * LARGEST,
        b"\x30\x80" + b"\x30\x80\0\0" * LARGEST,
    ],
    ids=lambda message: message[:8].hex(),
)
def test_what_is_not_ber(message: bytes) -> None:
    reader = Reader()
    with pytest.raises(NotBer):
        run(reader.element(), reader, [message])


@pytest.mark.parametrize(
    "message",
    [b"\x24\x06\x04\x82\x00\x04abcd", b"\x24\x80\x05\x00\0\0", b"\x30\x00"],
)
def test_what_is_no_string(message: bytes) -> None:
    reader = Reader()
    with pytest.raises(NotBer):
        run(reader.string(OCTET_STRING, []), reader, [message + b"\0" * 10])


@given(parts=st.lists(st.binary(max_size=2000), max_size=8), data=st.data(), cuts=st.lists(st.integers(0, 9000)))
def test_a_string_in_parts(parts: list[bytes], data: st.DataObject, cuts: list[int]) -> None:
    string = Element(OCTET_STRING | CONSTRUCTED, parts=tuple(Element(OCTET_STRING, part) for part in parts))
    assume(parts)
    reader, into = Reader(), list[bytes]()
    run(reader.string(OCTET_STRING, into), reader, chunks(written(string, data.draw), cuts))
    assert b"".join(into) == string.as_string(OCTET_STRING) == b"".join(parts)
    assert reader.at_end_of_input
