"""A CMS message passes as a whole or not at all, however it is cut into chunks; anything else passes as it is."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from fiks_cms.ber import OCTET_STRING, OID, SEQUENCE, encoded, oid, opening
from infra.crypto.cms_structure import HEAD, KINDS, SIGNED_DATA, NotWhole, Structure, begins_as_cms
from tests.support.cms import chunks, encrypt, envelope, is_whole, key_pair

PAIR = key_pair()
CONTENT = bytes(range(256)) * 4
MESSAGES = {
    "as we write it": encrypt(CONTENT, PAIR),
    "as BouncyCastle writes it": envelope(CONTENT, PAIR, part=1000, is_open=True),
    "DER": envelope(CONTENT, PAIR),
    "DER in parts": envelope(CONTENT, PAIR, part=100, deep=2),
    "open, in deep parts": envelope(CONTENT, PAIR, part=700, deep=5, is_open=True),
    "GCM": envelope(CONTENT, PAIR, gcm=True),
    "signed": encoded(SEQUENCE, KINDS[2], encoded(0xA0, encoded(SEQUENCE, encoded(OCTET_STRING, CONTENT)))),
}
NAMES = st.sampled_from(sorted(MESSAGES))
CUTS = st.lists(st.integers(min_value=0, max_value=3000), max_size=40)


def is_let_through(content: bytes, cuts: list[int] | None = None) -> bool:
    structure = Structure()
    try:
        for chunk in chunks(content, cuts or []):
            structure.update(chunk)
        structure.finish()
    except NotWhole:
        return False
    return True


@given(name=NAMES, cuts=CUTS)
def test_what_is_whole_is_let_through_however_it_is_cut_into_chunks(name: str, cuts: list[int]) -> None:
    assert is_let_through(MESSAGES[name], cuts)


@pytest.mark.parametrize("name", MESSAGES)
def test_octet_by_octet(name: str) -> None:
    assert is_let_through(MESSAGES[name], list(range(len(MESSAGES[name]))))


@pytest.mark.parametrize("name", MESSAGES)
def test_wherever_it_is_cut_off_it_is_not_let_through(name: str) -> None:
    message = MESSAGES[name]
    assert not any(is_let_through(message[:end]) for end in range(2, len(message)))


@pytest.mark.parametrize("text", ["0", "00", "0123", "0*", "0 kr", "0\x06", "0å", "0€"])
def test_short_text_that_begins_with_a_zero_passes_as_it_is(text: str) -> None:
    assert is_let_through(text.encode())


@given(name=NAMES, more=st.binary(min_size=1, max_size=20), cuts=CUTS)
def test_nothing_may_follow(name: str, more: bytes, cuts: list[int]) -> None:
    assert not is_let_through(MESSAGES[name] + more, cuts)


@given(
    name=NAMES,
    changes=st.lists(st.tuples(st.integers(0, 1600), st.integers(0, 255)), max_size=3),
    taken=st.tuples(st.integers(0, 1600), st.integers(0, 40)),
    cuts=CUTS,
)
def test_what_was_garbled_is_let_through_only_where_its_lengths_still_add_up(
    name: str, changes: list[tuple[int, int]], taken: tuple[int, int], cuts: list[int]
) -> None:
    message = bytearray(MESSAGES[name])
    for at, octet in changes:
        message[at % len(message)] = octet
    del message[taken[0] : sum(taken)]
    garbled = bytes(message)
    expected = not begins_as_cms(garbled[:HEAD]) or is_whole(garbled)
    event(f"let through: {expected}")
    assert is_let_through(garbled, cuts) is expected


@given(content=st.binary(max_size=100), cuts=CUTS)
@example(b"", [])
@example(b"0", [])
@example(b"0123456789 er ikke CMS, men tekst", [3])
@example(b"%PDF-1.4", [])
@example(encoded(SEQUENCE, encoded(OID, oid("1.2.840.113549.1.7.1")), b"\xff\xff"), [])
def test_what_does_not_begin_as_cms_passes_as_it_is(content: bytes, cuts: list[int]) -> None:
    assert begins_as_cms(content[:HEAD]) or is_let_through(content, cuts)


@pytest.mark.parametrize("length", [b"\x80", b"\x20", b"\x82\x01\x00", b"\x88" + bytes(7) + b"\x20"])
@pytest.mark.parametrize("kind", KINDS, ids=["enveloped", "auth-enveloped", "signed"])
def test_each_kind_is_known_whatever_way_its_length_is_told(kind: bytes, length: bytes) -> None:
    assert begins_as_cms((b"\x30" + length + kind)[:HEAD])
    assert not begins_as_cms(b"\x30\x89" + bytes(9) + kind)


def test_elements_within_each_other_have_an_end() -> None:
    deep = b"\x30\x80" + encoded(OID, SIGNED_DATA)
    assert not is_let_through(deep + b"\x30\x80" * 100_000)


def test_its_memory_is_that_of_a_chunk() -> None:
    structure, part = Structure(), encoded(OCTET_STRING, bytes(1000)) * 60
    whole = encoded(OCTET_STRING, bytes(60_000))
    structure.update(b"\x30\x80" + KINDS[0] + b"\xa0\x80\x24\x80")
    tracemalloc.start()
    for _ in range(200):
        structure.update(part)
    for _ in range(200):
        structure.update(whole)
    structure.update(b"\0\0" + opening(OCTET_STRING, 10_000_000))
    for _ in range(100):
        structure.update(bytes(100_000))
    structure.update(b"\0\0\0\0")
    structure.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
