"""What Altinn answers, read: for arbitrary trees a right counts where it is written, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registers.parties import MAIL_ROLES, ROLE, read_parties
from gateway.seed import TESTVIK
from gateway.stand_ins.population import NEDLAGT, SKOLE, organisation, person

NUMBERS = st.sampled_from([f"31099{number:04}" for number in range(6)])
ROLES = st.lists(
    st.sampled_from(["A0236", "KOMAB", "a0236", f"{ROLE}komab", "DAGL", "A0237", "KOMA", "A02360"]), max_size=3
)
RESOURCES = st.lists(st.sampled_from(["post", "skatt", "innsyn"]), max_size=2)


def party(subunits: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "organizationNumber": st.none() | NUMBERS,
            "personId": st.none() | st.just("12858010053"),
            "name": st.none() | st.text(max_size=5),
            "isDeleted": st.booleans(),
            "onlyHierarchyElementWithNoAccess": st.booleans(),
            "authorizedRoles": st.none() | ROLES,
            "authorizedResources": st.none() | RESOURCES,
            "subunits": st.none() | subunits,
        },
        optional={"unitType": st.just("BEDR"), "authorizedAccessPackages": st.just(["innbygger-post"])},
    )


FORESTS = st.recursive(st.just([]), lambda below: st.lists(party(below), max_size=3), max_leaves=12)


def everywhere(forest: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in forest:
        yield one
        yield from everywhere(one["subunits"] or [])


def counts(one: dict[str, Any]) -> bool:
    return not one["isDeleted"] and not one["onlyHierarchyElementWithNoAccess"]


def holds_mail(one: dict[str, Any]) -> bool:
    return any(role.lower().removeprefix(ROLE) in MAIL_ROLES for role in one["authorizedRoles"] or ())


@given(FORESTS)
def test_exactly_who_has_a_mail_role_written_on_it_takes_mail(forest: list[dict[str, Any]]) -> None:
    expected = {
        one["organizationNumber"]
        for one in everywhere(forest)
        if one["organizationNumber"] and counts(one) and holds_mail(one)
    }
    assert {number for number, read in read_parties(forest).items() if read.takes_mail} == expected


@given(FORESTS)
def test_resources_are_those_written_on_the_party_wherever_it_stands(forest: list[dict[str, Any]]) -> None:
    for number, read in read_parties(forest).items():
        standing = [one for one in everywhere(forest) if number in (one["organizationNumber"] or one["personId"],)]
        written = {resource for one in standing if counts(one) for resource in one["authorizedResources"] or ()}
        assert read.resources == written


@given(FORESTS)
def test_where_the_parties_stand_in_the_tree_does_not_matter(forest: list[dict[str, Any]]) -> None:
    flat = [one | {"subunits": []} for one in everywhere(forest)]
    assert rights(forest) == rights(flat) == rights(flat[::-1])


def rights(forest: list[dict[str, Any]]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    return {number: (read.roles, read.resources) for number, read in read_parties(forest).items()}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["isDeleted", "subunits", "organizationNumber", "x"]), below, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_an_answer_of_another_shape_is_refused_and_never_a_yes(answer: Any) -> None:
    if answer == []:
        assert read_parties(answer) == {}
        return
    with pytest.raises(msgspec.ValidationError):
        read_parties(answer)


@pytest.mark.parametrize("missing", ["isDeleted", "onlyHierarchyElementWithNoAccess"])
def test_what_takes_a_right_away_may_not_be_left_out(missing: str) -> None:
    whole = organisation(TESTVIK, "A0236")
    assert read_parties([whole])[TESTVIK.orgnr].takes_mail
    with pytest.raises(msgspec.ValidationError):
        read_parties([{name: value for name, value in whole.items() if name != missing}])


def test_a_parent_that_only_holds_its_subunits_gives_nothing() -> None:
    parent = organisation(
        TESTVIK, "A0236", subunits=[organisation(SKOLE, "KOMAB")], onlyHierarchyElementWithNoAccess=True
    )
    assert read_parties([parent]).keys() == {SKOLE.orgnr}


def test_a_role_on_the_parent_is_none_on_its_subunit() -> None:
    read = read_parties([organisation(TESTVIK, "A0236", subunits=[organisation(SKOLE, "DAGL")])])
    assert (read[TESTVIK.orgnr].takes_mail, read[SKOLE.orgnr].takes_mail) == (True, False)


def test_a_subunit_of_what_was_deleted_stands_for_itself() -> None:
    assert read_parties(
        [organisation(NEDLAGT, "A0236", isDeleted=True, subunits=[organisation(SKOLE, "A0236")])]
    ).keys() == {SKOLE.orgnr}


def test_a_mail_role_on_a_person_gives_no_mail() -> None:
    of_a_person = person("12858010053", "Åse Testesen") | {"authorizedRoles": ["A0236"]}
    assert not read_parties([of_a_person])["12858010053"].takes_mail
