"""Whatever comes, and however often: nothing is lost as a count, and what is told is bounded."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.tally import Rate, Sum, Tally

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST, LENGTH, KINDS = 3, timedelta(seconds=10), 4
Kind = tuple[str, int]
"""Who, and what."""

calls = st.lists(
    st.tuples(
        st.integers(0, 6000).map(lambda milliseconds: timedelta(milliseconds=milliseconds)),
        st.tuples(st.sampled_from("ab"), st.integers(0, 9)),
        st.sampled_from(["refuse", "refuse", "refuse", "tell", "fail"]),
    ),
    max_size=200,
)


def tally(kinds: int = KINDS) -> Tally[Kind]:
    return Tally(MOST, LENGTH, kinds, rest=lambda kind: (kind[0], -1))


@given(calls)
def test_every_refusal_is_told_alone_or_counted_once_under_who_it_was(steps: list) -> None:
    tallied, now = tally(), START
    asked, told, counted = Counter[str](), Counter[str](), Counter[str]()
    for after, kind, step in steps:
        now += after
        if step == "refuse":
            asked[kind[0]] += 1
            told[kind[0]] += tallied.has_room(kind, now)
        for taken in tallied.take(now) if step != "refuse" else ():
            if step == "fail":
                tallied.put_back(taken)
            else:
                counted[taken.kind[0]] += taken.count
                assert START <= taken.begin <= taken.end <= now
    pending = tallied.counted
    last = tallied.take()
    assert sum(one.count for one in last) == pending
    for taken in last:
        counted[taken.kind[0]] += taken.count
    assert asked == told + counted
    assert tallied.counted == 0


@given(calls)
def test_what_is_told_in_a_window_is_bounded_whatever_is_asked(steps: list) -> None:
    tallied, now, told = tally(), START, list[datetime]()
    for after, kind, step in steps:
        now += after
        if step == "refuse":
            told += [now] * tallied.has_room(kind, now)
        elif step == "tell":
            told += [now] * len(tallied.take(now))
    callers = 2
    for at in told:
        # A window may begin just before, and another follow it.
        assert sum(at <= other < at + LENGTH for other in told) <= 2 * (KINDS + callers) * (MOST + 1)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=100))
def test_kinds_that_there_is_room_for_are_told_apart(kinds: list[Kind]) -> None:
    tallied = tally(kinds=8)
    told = Counter(kind for kind in kinds if tallied.has_room(kind, START))
    sums = {one.kind: one.count for one in tallied.take(START + LENGTH)}
    for kind, count in Counter(kinds).items():
        assert told[kind] == min(count, MOST)
        assert sums.get(kind, 0) == count - told[kind]


def test_a_window_that_has_not_ended_is_not_taken_and_one_that_has_begins_anew() -> None:
    tallied = tally()
    assert [tallied.has_room(("a", 1), START) for _ in range(MOST + 2)] == [True] * MOST + [False] * 2
    assert tallied.take(START + LENGTH - timedelta(microseconds=1)) == []
    assert tallied.take(START + LENGTH) == [Sum(("a", 1), 2, START, START)]
    assert tallied.has_room(("a", 1), START + LENGTH)


def test_a_silent_window_makes_room_for_another_kind() -> None:
    tallied = tally()
    for number in range(KINDS):
        assert tallied.has_room(("a", number), START)
    assert not [tallied.has_room(("b", 9), START) for _ in range(MOST + 1)][-1]
    assert tallied.has_room(("b", 8), START + LENGTH)
    taken = tallied.take(START + 2 * LENGTH)
    assert [(one.kind, one.count) for one in taken] == [(("b", -1), 1)]


@given(st.lists(st.integers(0, 3000).map(lambda milliseconds: timedelta(milliseconds=milliseconds)), max_size=200))
def test_a_rate_has_room_for_so_many_in_each_window_and_then_anew(pauses: list[timedelta]) -> None:
    rate, now, begin, taken = Rate(MOST, LENGTH), START, START - LENGTH, 0
    for pause in pauses:
        now += pause
        if now - begin >= LENGTH:
            begin, taken = now, 0
        taken += (had_room := rate.has_room(now))
        assert had_room or taken == MOST
        assert taken <= MOST


def test_a_clock_that_is_set_back_ends_a_window() -> None:
    """Else refusals would be summed, and the sum not told, until it is as late again."""
    tallied, rate, back = tally(), Rate(MOST, LENGTH), START - timedelta(hours=1)
    assert [tallied.has_room(("a", 1), START) for _ in range(MOST + 2)][-1] is False
    assert [rate.has_room(START) for _ in range(MOST + 1)][-1] is False
    assert rate.has_room(back)
    assert not tallied.has_room(("a", 1), back), "what is counted is told first"
    assert tallied.take(back) == [Sum(("a", 1), 3, START, START)]
    assert tallied.has_room(("a", 1), back)
