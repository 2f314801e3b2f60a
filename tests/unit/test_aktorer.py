"""Which privileges are given on which resources: what the catalogue tells callers is what a grant is held to."""

from __future__ import annotations

import pytest

from gateway.aktorer import must_be_given_on, must_be_type
from gateway.tjenester import PRIVILEGIER, RESSURSTYPER, privilegier_for
from schemas.errors import Unreadable
from streams.domain.errors import Rejected
from streams.domain.rettigheter import ADMIN

NOBODYS = "01010700066"


def is_given(privilegium: str, ressurs_type: str) -> bool:
    try:
        must_be_given_on(privilegium, ressurs_type)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("ressurs_type", RESSURSTYPER)
def test_what_the_catalogue_lists_for_a_type_is_given_on_it_and_nothing_else(ressurs_type: str) -> None:
    listed = {one["navn"] for one in privilegier_for(ressurs_type)}
    assert {one for one in PRIVILEGIER if is_given(one, ressurs_type)} == listed
    assert ADMIN in listed


def test_on_root_only_administration_is_given() -> None:
    assert {one for one in PRIVILEGIER if is_given(one, "ROOT")} == {ADMIN}


@pytest.mark.parametrize("privilegium", ["ALT", "admin", "", NOBODYS])
def test_a_privilege_that_there_is_none_of_is_not_repeated(privilegium: str) -> None:
    with pytest.raises(Rejected) as refused:
        must_be_given_on(privilegium, "SVARUT")
    assert NOBODYS not in str(refused.value)


@pytest.mark.parametrize("ressurs_type", ["KAFFE", "svarut", "ROOT", "", NOBODYS])
def test_a_type_that_there_is_none_of_is_not_repeated(ressurs_type: str) -> None:
    with pytest.raises(Unreadable) as refused:
        must_be_type(ressurs_type)
    assert NOBODYS not in str(refused.value)
    for known in RESSURSTYPER:
        must_be_type(known)
