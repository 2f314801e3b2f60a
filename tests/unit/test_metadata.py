"""Numbers, e-mail addresses and names in what callers say: by check digits and form, never repeated in an error."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from gateway.metadata import Epost, EpostOrNone, Fnr, Fodselsnummer, Name, Organisasjonsnummer, Orgnr, read_json
from schemas.errors import Unreadable

PERSONS = {
    "of the living": "01010700066",
    "a d-number": "41010700130",
    "month + 80": "01810700021",
    "month + 40": "01410700049",
    "month + 65": "01660700095",
    "d-number, month + 80": "52849040073",
}
ORGNR = "310991007"


class Said(Struct, rename="camel", frozen=True):
    pid: Fodselsnummer | None = None
    med_orgnr: Organisasjonsnummer | None = None
    flere: Annotated[list[Fodselsnummer], Meta(max_length=3)] = []
    form: Fnr | None = None
    form_orgnr: Orgnr | None = None
    navn: Name | None = None
    epost: Epost | None = None
    epost_or_none: EpostOrNone | None = None


def read(**said: Any) -> Said:
    return read_json(json.dumps(said).encode(), Said)


def refusal(**said: Any) -> str:
    with pytest.raises(Unreadable) as refused:
        read(**said)
    return str(refused.value)


@pytest.mark.parametrize("kind", PERSONS)
def test_numbers_of_persons_synthetic_ones_included(kind: str) -> None:
    number = PERSONS[kind]
    assert read(pid=number, flere=[number]).flere == [number]


@given(st.sampled_from([*PERSONS.values()]), st.integers(0, 10), st.integers(1, 9), st.sampled_from(["pid", "flere"]))
def test_a_wrong_digit_of_a_person_is_refused_and_not_repeated(number: str, at: int, more: int, field: str) -> None:
    wrong = number[:at] + str((int(number[at]) + more) % 10) + number[at + 1 :]
    said = refusal(**{field: [number, wrong] if field == "flere" else wrong})
    assert f"feltet {field} " in said
    assert "fødselsnummer" in said
    assert wrong not in said


@given(st.integers(0, 8), st.integers(1, 9))
def test_a_wrong_digit_of_an_organisation_is_refused(at: int, more: int) -> None:
    assert read(medOrgnr=ORGNR).med_orgnr == ORGNR
    said = refusal(medOrgnr=ORGNR[:at] + str((int(ORGNR[at]) + more) % 10) + ORGNR[at + 1 :])
    assert "feltet medOrgnr er ikke et gyldig organisasjonsnummer" in said


def test_a_number_of_the_other_kind_is_refused() -> None:
    for said in ({"pid": ORGNR}, {"medOrgnr": PERSONS["month + 80"]}):
        assert "har feil type, lengde eller format" in refusal(**said)


def test_where_the_form_is_enough_any_number_is_read() -> None:
    assert read(form="11111111111", formOrgnr="123456789").form == "11111111111"


@pytest.mark.parametrize("epost", ["a@b.no", "kari.n+x@sub.example.no", "å@blåbær.no"])
def test_e_mail_addresses(epost: str) -> None:
    assert (read(epost=epost).epost, read(epostOrNone=epost).epost_or_none) == (epost, epost)


@pytest.mark.parametrize("epost", ["a", "a@b", "@b.no", "a@", "a b@c.no", "a@b..no", "a@b.no.", "a@b@c.no", "a@b.no\n"])
def test_what_is_no_e_mail_address(epost: str) -> None:
    for field in ("epost", "epostOrNone"):
        assert f"feltet {field} har feil" in refusal(**{field: epost})


def test_an_empty_e_mail_address_only_where_it_takes_one_away() -> None:
    assert read(epostOrNone="").epost_or_none == ""
    refusal(epost="")


@pytest.mark.parametrize("navn", ["", " ", "\t\n", "a\0b", "\0", " " * 1000 + "a"])
def test_names_that_say_nothing(navn: str) -> None:
    assert "feltet navn har feil" in refusal(navn=navn)


def test_a_name() -> None:
    assert read(navn=" Åse Testesen ").navn == " Åse Testesen "
