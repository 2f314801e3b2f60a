"""Deadlines on working days, in Norwegian time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.working_time import OSLO, working_hours_after


def oslo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        pytest.param("2026-03-09 08:00", 40, "2026-03-11 00:00", id="Monday morning runs out with Tuesday"),
        pytest.param("2026-03-09 08:01", 40, "2026-03-11 00:01", id="a minute later falls on the day after"),
        pytest.param("2026-03-13 14:00", 40, "2026-03-17 06:00", id="a weekend does not count"),
        pytest.param("2026-03-14 14:00", 40, "2026-03-17 16:00", id="Saturday begins on Monday"),
        pytest.param("2026-03-13 08:00", 16, "2026-03-14 00:00", id="what runs out with Friday is due at its end"),
        pytest.param("2026-04-01 12:00", 40, "2026-04-08 04:00", id="Easter: Maundy Thursday to Easter Monday"),
        pytest.param("2021-05-14 20:00", 40, "2021-05-19 12:00", id="17 May on a Monday"),
        pytest.param("2023-05-16 20:00", 40, "2023-05-22 12:00", id="17 May on Wednesday, Ascension on Thursday"),
        pytest.param("2026-04-30 12:00", 40, "2026-05-05 04:00", id="1 May on a Friday"),
        pytest.param("2026-12-24 12:00", 40, "2026-12-29 04:00", id="Christmas Eve counts, both days after do not"),
        pytest.param("2026-12-31 12:00", 40, "2027-01-05 04:00", id="New Year: the next year's holidays count too"),
        pytest.param("2026-03-27 12:00", 40, "2026-03-31 04:00", id="clocks go forward on the Sunday between"),
        pytest.param("2026-10-23 12:00", 40, "2026-10-27 04:00", id="clocks go back on the Sunday between"),
        pytest.param("2026-03-13 23:59", 0, "2026-03-13 23:59", id="no hours, no waiting"),
        pytest.param("2026-03-14 14:00", 0, "2026-03-14 14:00", id="no hours, no waiting, also on a Saturday"),
    ],
)
def test_hours_are_counted_on_working_days(start, hours, due):
    assert working_hours_after(oslo(start), hours) == oslo(due)


def test_the_day_is_norwegian_wherever_the_instant_was_written_down():
    friday_evening_in_utc = datetime(2026, 3, 13, 23, 30, tzinfo=UTC)  # Saturday in Oslo
    assert working_hours_after(friday_evening_in_utc, 1) == oslo("2026-03-16 01:00")


starts = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(OSLO))  # noqa: DTZ001
some_hours = st.integers(0, 200)


@given(starts, some_hours, some_hours)
def test_waiting_twice_is_waiting_for_the_sum(start, first, second):
    assert working_hours_after(working_hours_after(start, first), second) == working_hours_after(start, first + second)


@given(starts, st.integers(1, 200))
def test_it_takes_at_least_that_long_and_ends_on_a_working_day(start, hours):
    due = working_hours_after(start, hours)
    assert due - start.astimezone(UTC) >= timedelta(hours=hours)
    assert (due - timedelta(microseconds=1)).astimezone(OSLO).isoweekday() <= 5


@given(starts, starts, some_hours)
def test_what_began_later_is_not_due_earlier(one, another, hours):
    early, late = sorted((one.astimezone(UTC), another.astimezone(UTC)))
    assert working_hours_after(early, hours) <= working_hours_after(late, hours)
