"""The status projection is what the decider's own fold says, whatever came to lie on the log, in whatever batches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.projecting import writes_of
from projections.projection import Change, Create, projections
from projections.svarut_status import Hendelse, that_counted
from projections.tables import NEW, NO_ROW, fold
from schemas.codec import encode
from schemas.envelope import Recorded
from schemas.errors import Unreadable
from schemas.svarut import ForsendelseAkseptert
from streams.domain.svarut import svarut
from streams.domain.svarut_status import STATUS_OF, Status
from tests.support.backbone import about, mottatt
from tests.support.records import Record
from tests.support.simulated_log import SimulatedLog
from tests.unit.test_decider import _played, happenings, other, receptions

STATUS = projections()["svarut_status"]


def record_of(one: Recorded, topic: str = "fiks.svarut") -> Record:
    position = one.at.position
    assert position is not None
    return Record(topic, 0, position.offset, one.at.stream.encode(), encode(one.event), one.at.headers())


def projected(log: SimulatedLog, sizes: list[int]) -> tuple[dict[str, Any], list[Hendelse]]:
    """The row and the history after all records, taken in batches of these sizes, over and over."""
    mark, row, history = NO_ROW, {}, []
    records = [record_of(one) for one in log.records]
    number = 0
    while records:
        size = sizes[number % len(sizes)]
        batch = writes_of([records[:size]], [STATUS])["svarut_status"]
        records, number = records[size:], number + 1
        for writes in batch.rows["svarut_status"].values():
            mark, values = fold(mark, writes)
            row |= values
        history += [Hendelse(*line) for line in batch.appended["svarut_hendelse"]]
    return row, history


@settings(max_examples=300)
@given(receptions, happenings, st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_the_status_is_that_of_the_decider_whichever_release_decided(
    first: Any, happening: list[Any], sizes: list[int]
) -> None:
    log = _played(first, happening, [svarut, other])
    journal = log.settle(svarut)
    row, history = projected(log, sizes)
    counted = [one.at.type for one in log.counted()]
    assert [one.type for one in that_counted(history)] == ["ForsendelseMottatt", *counted]
    assert journal.state.status is not None
    last = STATUS_OF[type(log.counted()[-1].event)] if counted else Status.MOTTATT
    assert row["status"] == last.value


def test_a_row_that_exists_is_not_created_again() -> None:
    again = Create("t", (1,), {"status": "MOTTATT"})
    assert fold(NO_ROW, [again]) == (NEW, {"status": "MOTTATT"})
    assert fold(7, [again]) == (7, {})


def test_a_change_without_a_row_is_void() -> None:
    assert fold(NO_ROW, [Change("t", (1,), 0, 1, {"status": "LEST"})]) == (NO_ROW, {})


def test_a_change_that_was_made_without_knowing_the_last_one_is_void() -> None:
    assert fold(8, [Change("t", (1,), 7, 9, {"status": "LEST"})]) == (8, {})
    assert fold(8, [Change("t", (1,), 8, 9, {"status": "LEST"})]) == (9, {"status": "LEST"})


def test_a_decision_that_does_not_say_what_caused_it_is_unreadable() -> None:
    event = ForsendelseAkseptert(forsendelse_id=mottatt().forsendelse_id)
    at = about(event)
    with pytest.raises(Unreadable):
        writes_of([[Record("fiks.svarut", 0, 0, b"", encode(event), at.headers())]], [STATUS])


def test_a_stream_that_is_no_uuid_is_unreadable() -> None:
    event = ForsendelseAkseptert(forsendelse_id=mottatt().forsendelse_id)
    headers = [(n, b"elsewhere" if n == "ce_subject" else v) for n, v in about(event).headers()]
    with pytest.raises(Unreadable):
        writes_of([[Record("fiks.svarut", 0, 0, b"", encode(event), [*headers, ("cause", b"1")])]], [STATUS])
