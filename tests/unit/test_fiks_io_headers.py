"""Headers that are taken in can be delivered: by our frames and by a client's decoder, whatever they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pamqp import decode

from gateway.amqp import content
from gateway.amqp.codec import FRAME_MAX
from gateway.amqp.deliveries import Melding
from gateway.fiks_io import MOST_HEADERS, headers_of, must_be_deliverable
from gateway.meldinger import EGENDEFINERT, in_both_spellings
from schemas.errors import Unreadable

CLEAN = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=58)
KNOWN = st.sampled_from(["klientKorrelasjonsId", "klientKorrelasjonId", "klientMeldingId", "n" * 235, "å" * 117])
HEADERE = st.dictionaries(CLEAN | KNOWN, CLEAN, max_size=20) | st.dictionaries(
    st.text(max_size=300), st.text(max_size=300), max_size=3
)
PLATFORM = {"type": "ø" * 255, "svar-til-type": "ø" * 255, "avsender-navn": "Å" * 1000} | dict.fromkeys(
    ("melding-id", "avsender-id", "svar-til", "dokumentlager-id"), "0" * 36
)
"""The headers of the platform's at their longest."""


def delivered(headere: dict[str, str]) -> bytes:
    """The payload of the header's frame."""
    own = {EGENDEFINERT + one.navn: one.verdi for one in in_both_spellings(headers_of(headere))}
    _, header, *_ = content.message(1, b"", Melding(PLATFORM | own, b"", 2**32 - 1), FRAME_MAX)
    return header[7:-1]


@given(headere=HEADERE)
def test_what_is_taken_in_is_delivered_as_it_was_said(headere: dict[str, str]) -> None:
    try:
        must_be_deliverable(None, headere)
    except Unreadable:
        event("refused")
        return
    event("taken in")
    _, table = decode.by_type(delivered(headere)[14:], "table")
    own = {name.removeprefix(EGENDEFINERT): value for name, value in table.items() if name.startswith(EGENDEFINERT)}
    assert headere.items() <= own.items()
    assert own.keys() - headere.keys() <= {"klientKorrelasjonsId", "klientKorrelasjonId"}
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in "".join((*own, *own.values())))


@pytest.mark.parametrize(
    "made",
    [
        lambda size: {"a": "x" * size},
        lambda size: {"klientKorrelasjonsId": "x" * size},
        lambda size: {f"{number:05}": "" for number in range(size // 30)},
    ],
    ids=["one", "one in both spellings", "many"],
)
def test_as_much_as_is_taken_in_fits_a_frame(made: Callable[[int], dict[str, str]]) -> None:
    least, most = 0, 2 * MOST_HEADERS
    while most - least > 1:
        size = (least + most) // 2
        least, most = (size, most) if _fits(made(size)) else (least, size)
    assert least > MOST_HEADERS // 3
    assert len(delivered(made(least))) < FRAME_MAX


def _fits(headere: dict[str, str]) -> bool:
    try:
        must_be_deliverable(None, headere)
    except Unreadable:
        return False
    return True
