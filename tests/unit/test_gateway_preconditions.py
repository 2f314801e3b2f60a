"""If-Match and If-None-Match, whatever they list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.preconditions import is_as_known, is_at_hand

ETAG = '"5e88"'
others = st.lists(st.sampled_from(['"annet"', 'W/"annet"', "5e88", '"a,b"', "", '"5e8']), max_size=4)


def listed(tags: list[str], one: str, at: int) -> str:
    return ", ".join([*tags[:at], one, *tags[at:]])


@given(others, st.integers(0, 4))
def test_the_tag_is_found_wherever_it_stands(tags: list[str], at: int) -> None:
    assert is_as_known({"If-Match": listed(tags, ETAG, at)}, ETAG)
    assert is_at_hand({"If-None-Match": listed(tags, ETAG, at)}, ETAG)


@given(others)
def test_other_tags_are_not_it(tags: list[str]) -> None:
    assert not is_as_known({"If-Match": ", ".join(tags)}, ETAG)
    assert not is_at_hand({"If-None-Match": ", ".join(tags)}, ETAG)


@pytest.mark.parametrize(
    ("asked", "known", "at_hand"), [({}, True, False), ("*", True, True), (f"W/{ETAG}", False, True)]
)
def test_none_any_and_weak(asked: Any, known: bool, at_hand: bool) -> None:
    headers = {"If-Match": asked, "If-None-Match": asked} if asked else {}
    assert (is_as_known(headers, ETAG), is_at_hand(headers, ETAG)) == (known, at_hand)
