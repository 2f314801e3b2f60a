"""Up to when an answer knows everything, from looks at a log that grows and a projection that follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.reading import Freshness

START = datetime(2026, 11, 26, tzinfo=UTC)
STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=40)


def moment(number: int) -> datetime:
    return START + timedelta(seconds=number)


@given(STEPS)
def test_all_that_the_log_had_at_that_moment_was_read(steps: list[tuple[int, int, bool]]) -> None:
    freshness, end, at, ends = Freshness(), 0, 0, dict[datetime, int]()
    for number, (more, read, is_looked) in enumerate(steps):
        end += more
        at = min(end, at + read)
        ends[moment(number)] = end
        if is_looked:
            freshness.saw(0, end, at, moment(number), moment(number))
            as_of = freshness.of([0])
            assert as_of is None or ends[as_of] <= at
            assert at < end or as_of == moment(number)


def test_a_projection_that_never_quite_catches_up_is_as_fresh_as_what_it_has_passed() -> None:
    freshness = Freshness()
    for number in range(100):
        freshness.saw(0, 10 * number + 5, 10 * number, moment(number), moment(number))
    as_of = freshness.of([0])
    assert as_of is not None
    assert as_of >= moment(97)


def test_the_oldest_of_several_partitions_counts_and_one_that_is_not_known_makes_it_unknown() -> None:
    freshness = Freshness()
    freshness.saw(0, 3, 3, moment(1), moment(1))
    freshness.saw(1, 3, 3, moment(2), moment(2))
    freshness.saw(2, 3, 2, moment(3), moment(3))
    assert freshness.of([0, 1]) == moment(1)
    assert freshness.of([0, 1, 2]) is None
    assert freshness.of([]) is None


def test_a_look_that_took_long_makes_nothing_older() -> None:
    freshness = Freshness()
    freshness.saw(0, 4, 4, moment(2), moment(2))
    freshness.saw(0, 3, 4, moment(1), moment(3))
    assert freshness.of([0]) == moment(2)


def test_a_projection_that_forgot_what_it_had_read_is_not_known_to_be_fresh_until_it_has_read_it_again() -> None:
    freshness = Freshness()
    freshness.saw(0, 8, 8, moment(1), moment(3))
    freshness.saw(0, 8, 2, moment(2), moment(4))  # began before the other was told: it may have looked before it
    assert freshness.of([0]) == moment(1)
    freshness.saw(0, 8, 2, moment(5), moment(6))
    assert freshness.of([0]) is None
    freshness.saw(0, 8, 8, moment(7), moment(8))
    assert freshness.of([0]) == moment(7)


def test_nothing_is_fresher_than_now_where_the_clock_is_set_back() -> None:
    freshness = Freshness()
    freshness.saw(0, 4, 4, moment(3600), moment(3600))
    freshness.saw(0, 4, 4, moment(3601), moment(1))  # asked before it was set back, and told after
    assert freshness.of([0]) == moment(1)
    freshness.saw(0, 5, 5, moment(2), moment(2))
    assert freshness.of([0]) == moment(2)


def test_nor_where_the_projection_was_behind_before() -> None:
    freshness = Freshness()
    freshness.saw(0, 4, 3, moment(3600), moment(3600))
    freshness.saw(0, 6, 5, moment(1), moment(1))
    assert freshness.of([0]) is None
    freshness.saw(0, 7, 6, moment(2), moment(2))
    assert freshness.of([0]) == moment(1)
