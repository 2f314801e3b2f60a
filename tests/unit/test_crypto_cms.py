"""The CMS envelope under any cut, any shape, any damage and any garbage."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from fiks_cms import recipients
from fiks_cms.ber import INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET, encoded
from fiks_cms.envelope import SEGMENT, Decryptor, Encryptor, NotReadable
from fiks_cms.recipients import RSA_V15, KeyPair
from tests.support.cms import decrypt, encrypt, envelope, key_pair

PAIR = key_pair()
CONTENT = bytes(range(256)) * 4 + b"rest"
BEGINNING = encrypt(b"", PAIR)[:60]
MESSAGES = {
    "as we write it": encrypt(CONTENT, PAIR),
    "as BouncyCastle writes it": envelope(CONTENT, PAIR, part=1000, is_open=True),
    "DER": envelope(CONTENT, PAIR),
    "DER in parts": envelope(CONTENT, PAIR, part=100, deep=2),
    "open, in deep parts": envelope(CONTENT, PAIR, part=700, deep=5, is_open=True),
    "parts of one octet": envelope(CONTENT[:300], PAIR, part=1, is_open=True),
    "GCM": envelope(CONTENT, PAIR, gcm=True),
    "GCM, open": envelope(CONTENT, PAIR, gcm=True, part=1000, is_open=True),
}
GCM = [name for name in MESSAGES if "GCM" in name]
CUTS = st.lists(st.integers(min_value=0, max_value=3000), max_size=40)


WHOLE = {name: CONTENT[:300] if "one octet" in name else CONTENT for name in MESSAGES}


def read(message: bytes, *, cuts: list[int] | None = None) -> bytes | None:
    """The content, None if it is NotReadable. Anything else that is raised fails the test."""
    try:
        return decrypt(message, PAIR, cuts=cuts or [])
    except NotReadable as fault:
        assert str(fault) == str(NotReadable())
        assert fault.__cause__ is None
        return None


@pytest.mark.parametrize("name", MESSAGES)
@given(cuts=CUTS)
def test_any_cut_gives_the_same(name: str, cuts: list[int]) -> None:
    assert read(MESSAGES[name], cuts=cuts) == WHOLE[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_octet_by_octet(name: str) -> None:
    assert read(MESSAGES[name], cuts=list(range(len(MESSAGES[name])))) == WHOLE[name]


@given(content=st.binary(max_size=200), cuts=CUTS, times=st.integers(min_value=0, max_value=2 * SEGMENT // 100))
@example(content=b"x" * 16, cuts=[], times=SEGMENT // 16)
@example(content=b"x" * 16, cuts=[], times=SEGMENT // 16 - 1)
@settings(max_examples=50, deadline=None)
def test_round_trip(content: bytes, cuts: list[int], times: int) -> None:
    encryptor, decryptor = Encryptor([PAIR.certificate]), Decryptor([PAIR])
    plain = content * times
    messages = [encryptor.update(plain[:one]) + encryptor.update(plain[one:]) for one in cuts[:1]]
    message = b"".join(messages or [encryptor.update(plain)]) + encryptor.finish()
    assert decryptor.update(message) + decryptor.finish() == plain


@pytest.mark.parametrize("name", MESSAGES)
def test_cut_off_anywhere_is_not_readable(name: str) -> None:
    message = MESSAGES[name]
    places = {*range(0, 700, 7), *range(0, len(message), 97), *range(len(message) - 30, len(message))}
    assert not [place for place in places if place < len(message) and read(message[:place]) is not None]


@pytest.mark.parametrize("name", MESSAGES)
@given(more=st.binary(min_size=1, max_size=20), is_apart=st.booleans())
def test_nothing_may_follow(name: str, more: bytes, is_apart: bool) -> None:
    message = MESSAGES[name]
    assert read(message + more, cuts=[len(message)] if is_apart else []) is None


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data(), bits=st.integers(min_value=1, max_value=255), cuts=CUTS)
@settings(deadline=None)
def test_a_changed_octet(name: str, data: st.DataObject, bits: int, cuts: list[int]) -> None:
    """With GCM the true content or nothing; with CBC, which cannot tell, nothing worse than other content."""
    changed = bytearray(MESSAGES[name])
    ends = [*range(min(600, len(changed))), *range(len(changed) - 60, len(changed))]
    changed[data.draw(st.sampled_from(ends) | st.integers(0, len(changed) - 1))] ^= bits
    content = read(bytes(changed), cuts=cuts)
    event("not readable" if content is None else "same" if content == CONTENT else "other")
    if name in GCM:
        assert content in {None, CONTENT}


@pytest.mark.parametrize("is_open", [False, True])
def test_each_changed_octet_with_gcm(is_open: bool) -> None:
    message = envelope(b"kort innhold", PAIR, gcm=True, part=5, is_open=is_open)
    others = []
    for place in range(len(message)):
        changed = bytearray(message)
        changed[place] ^= 1
        if read(bytes(changed)) not in {None, b"kort innhold"}:
            others.append(place)
    assert not others


@given(garbage=st.binary(max_size=400), beginning=st.integers(0, 60), cuts=CUTS)
@settings(max_examples=500)
def test_garbage_is_not_readable(garbage: bytes, beginning: int, cuts: list[int]) -> None:
    assert read(BEGINNING[:beginning] + garbage, cuts=cuts) is None


ELEMENTS = st.recursive(
    st.builds(encoded, st.sampled_from([INTEGER, OCTET_STRING, NULL, OID, 0x80, 0x81]), st.binary(max_size=20)),
    lambda inner: st.builds(
        lambda tag, parts: encoded(tag, *parts),
        st.sampled_from([SEQUENCE, SET, 0xA0, 0xA1, 0xA2, 0x24]),
        st.lists(inner, max_size=5),
    ),
    max_leaves=30,
)


@given(data=st.data(), name=st.sampled_from(sorted(MESSAGES)))
@settings(max_examples=300, deadline=None)
def test_other_elements_in_its_place(data: st.DataObject, name: str) -> None:
    """Well-formed, but not what belongs there."""
    message = MESSAGES[name]
    begin = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(begin, min(begin + 60, len(message))))
    content = read(message[:begin] + data.draw(ELEMENTS) + message[end:])
    assert name not in GCM or content in {None, CONTENT}


@pytest.mark.parametrize(
    ("beginning", "repeated"),
    [
        (b"\x02\x84\x40\0\0\0", b"\1"),  # a version of 1 GB
        (b"\x30\x80" + b"\x06\x84\x40\0\0\0", b"\1"),
        (BEGINNING[:17] + b"\2\1\0" + b"\x31\x84\x40\0\0\0" + b"\x04\x84\x20\0\0\0", b"\1"),
        (BEGINNING[:17] + b"\2\1\0" + b"\x31\x80", b"\5\0"),  # recipients without end
        (BEGINNING[:17] + b"\2\1\0" + b"\x31\x80", b"\x30\0"),
        (BEGINNING[:17] + b"\2\1\0" + b"\x31\x80", b"\x30\x80"),  # and ever deeper
        (b"", b"\x30\x80"),
        (MESSAGES["as we write it"][:-6], encoded(0xA1, encoded(OCTET_STRING, b"x" * 900))),  # attributes without end
        (MESSAGES["as we write it"][:-10], b"\x24\x80"),
    ],
    ids=lambda value: None,
)
def test_a_hostile_header_is_refused_early(beginning: bytes, repeated: bytes) -> None:
    """No more than a few times the largest header is taken in before it is refused, and none of a named size."""
    decryptor, taken = Decryptor([PAIR]), 0
    with pytest.raises(NotReadable):
        decryptor.update(beginning)
        while taken < 300_000:
            taken += len(decryptor.update(repeated * 100)) + len(repeated) * 100
    assert taken < 200_000
    with pytest.raises(NotReadable):
        decryptor.update(b"")
    with pytest.raises(NotReadable):
        decryptor.finish()


@pytest.mark.parametrize("part", [None, 1000])
def test_memory_is_constant(part: int | None) -> None:
    """Both ways, whatever the size; content without parts, 1000 octets a part, and our own parts."""
    size = 12 * 1024 * 1024
    message = envelope(b"x" * size, PAIR, part=part, is_open=part is not None)
    ours, decryptor = Encryptor([PAIR.certificate]), Decryptor([PAIR])
    chained = Decryptor([PAIR])
    done = 0
    tracemalloc.start()
    try:
        for at in range(0, len(message), 65536):
            done += len(chained.update(ours.update(decryptor.update(message[at : at + 65536]))))
        done += len(chained.update(ours.update(decryptor.finish()) + ours.finish())) + len(chained.finish())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done == size
    assert peak < 2 * 1024 * 1024


def v15(pair: KeyPair, unwrapped: bytes) -> bytes:
    """A RecipientInfo with PKCS#1 v1.5 that holds this."""
    info = recipients.recipient(pair.certificate, b"")
    issuer = info[info.index(b"\2\1\0") + 3 :]
    issuer = issuer[: 2 + issuer[1]]
    wrapped = pair.certificate.public_key().encrypt(unwrapped, PKCS1v15())  # type: ignore[union-attr, call-arg, arg-type]
    algorithm = encoded(SEQUENCE, encoded(OID, RSA_V15), encoded(NULL))
    return encoded(SEQUENCE, encoded(INTEGER, b"\0"), issuer, algorithm, encoded(OCTET_STRING, wrapped))


@pytest.mark.parametrize(
    "damaged",
    [
        lambda: v15(PAIR, b"k" * 32),  # well-formed, another key
        lambda: v15(PAIR, b"k" * 16),  # well-formed, too short
        lambda: v15(PAIR, b""),
        lambda: v15(PAIR, b"k" * 32)[:-256] + b"\1" * 256,  # not well-formed
        lambda: v15(PAIR, b"k" * 32)[:-256] + b"\xff" * 256,  # larger than the modulus
        lambda: v15(PAIR, b"k" * 32)[:-256] + bytes(256),
    ],
)
def test_no_oracle_of_pkcs1_v15(damaged: Callable[[], bytes]) -> None:
    """Well-formed or not: the content is deciphered in full with some key, and fails at its end and not before."""
    message = envelope(CONTENT, recipients=[damaged()], gcm=True)
    decryptor = Decryptor([PAIR])
    assert len(decryptor.update(message)) == len(CONTENT)
    with pytest.raises(NotReadable):
        decryptor.finish()


@pytest.mark.parametrize("gcm", [False, True])
@pytest.mark.parametrize(
    "damaged",
    [
        recipients.recipient(PAIR.certificate, b"k" * 32)[:-256] + b"\1" * 256,
        recipients.recipient(PAIR.certificate, b"k" * 16),  # too short
    ],
)
def test_damaged_oaep_is_not_readable_and_shows_at_the_end_like_damaged_content(damaged: bytes, gcm: bool) -> None:
    message = envelope(CONTENT, recipients=[damaged], gcm=gcm)
    assert read(message) is None
    decryptor = Decryptor([PAIR])
    assert len(decryptor.update(message)) > len(CONTENT) - 32
    with pytest.raises(NotReadable):
        decryptor.finish()


def test_of_two_ways_to_the_same_key_oaep_is_taken() -> None:
    """It is the one that shows whether it was damaged."""
    assert read(envelope(CONTENT, PAIR, recipients=[v15(PAIR, b"k" * 32)])) == CONTENT


def test_the_tag_of_gcm_has_the_length_that_was_told() -> None:
    message = MESSAGES["GCM"]
    told = encoded(INTEGER, b"\x10")
    assert message.count(told) == 1
    for length in (0, 4, 11, 12, 15, 17, 127):
        assert read(message.replace(told, encoded(INTEGER, bytes((length,))))) is None


def test_other_kinds_of_recipient_are_passed_over() -> None:
    agreement, password = encoded(0xA1, encoded(INTEGER, b"\3")), encoded(0xA3, encoded(INTEGER, b"\0"))
    assert read(envelope(CONTENT, PAIR, recipients=[agreement, password])) == CONTENT


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80, 0xFF, 0x8000])
def test_serial_numbers(serial: int) -> None:
    pair = key_pair("liten", serial=serial)
    assert decrypt(encrypt(CONTENT, pair), pair) == CONTENT


@given(position=st.integers(0, 15), bits=st.integers(1, 255))
def test_wrong_padding_is_not_readable(position: int, bits: int) -> None:
    """The last octet of the last but one block decides the padding: 1 to 16 and nothing else may be read."""
    message = bytearray(envelope(b"x" * 31, PAIR))
    message[-32 + position] ^= bits
    content = read(bytes(message))
    assert (content is None) == (position == 15)


def test_an_update_after_the_end_of_nothing_does_no_harm() -> None:
    decryptor = Decryptor([PAIR])
    assert decryptor.update(MESSAGES["DER"]) + decryptor.update(b"") + decryptor.finish() == CONTENT
