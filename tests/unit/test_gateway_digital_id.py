"""Check digits and dates of fødselsnummer, d-number and organisasjonsnummer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.digital_id import Kind, kind_of

PERSONS = ("01010700066", "41010700130", "01810700021", "01410700049", "01660700095")
ORGANISATIONS = ("974760673", "310991007", "310992003")


def test_numbers_of_persons_d_numbers_and_synthetic_months_included() -> None:
    assert [kind_of(number) for number in PERSONS] == [Kind.PERSON] * len(PERSONS)


def test_numbers_of_organisations() -> None:
    assert [kind_of(number) for number in ORGANISATIONS] == [Kind.ORGANISASJON] * len(ORGANISATIONS)


@pytest.mark.parametrize(
    "number",
    [
        None,
        "",
        "0101070006",
        "010107000660",
        "01010700066 ",
        "O1010700066",
        "０１０１０７０００６６",
        "01010112345",
        "00000000000",
        "000000000",
    ],
)
def test_what_is_no_number(number: str | None) -> None:
    assert kind_of(number) is None


@given(st.sampled_from(PERSONS + ORGANISATIONS), st.data())
def test_a_single_wrong_digit_is_always_found(number: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[at]]))

    assert kind_of(number[:at] + wrong + number[at + 1 :]) is None


@given(st.sampled_from(PERSONS), st.sampled_from(("32", "00", "72")))
def test_a_day_that_no_month_has_is_no_number(number: str, day: str) -> None:
    assert all(kind_of(day + number[2:9] + f"{check:02d}") is None for check in range(100))


@given(st.text(max_size=12))
def test_any_text_is_answered(text: str) -> None:
    assert kind_of(text) in (None, *Kind)
