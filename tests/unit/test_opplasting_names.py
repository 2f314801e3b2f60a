"""The names of uploads in several calls say whose they are and until when they live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.opplasting import expiry_of, folder_of, id_of, placed

A_UUID = "bbabbbba-6b91-4b9f-8867-c1092fd72202"
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(expires=TIMES, random=st.uuids(), konto_id=st.uuids(), name=st.from_regex(r"\A[a-z0-9]{1,20}\Z"))
def test_what_was_named_is_read(expires: datetime, random: UUID, konto_id: UUID, name: str) -> None:
    id_ = id_of(expires, random.hex)
    until = expiry_of(id_)
    assert until is not None and timedelta(0) <= expires - until < timedelta(seconds=1)
    assert placed(f"{folder_of(konto_id, id_)}/{name}") == (folder_of(konto_id, id_), name, until)


@pytest.mark.parametrize(
    "id_",
    ["", "x", "f" * 39, "f" * 41, "G" * 40, A_UUID, "../" + "f" * 37, "f" * 40 + "\n"],
)
def test_what_is_no_id(id_: str) -> None:
    assert expiry_of(id_) is None


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    expiry_of(text)
    assert placed(text) is None


@pytest.mark.parametrize(
    "name", [A_UUID.replace("-", ""), A_UUID.replace("-", "") + ".part", "opplasting-x/1", "nokler/ab"]
)
def test_other_blobs_belong_to_none(name: str) -> None:
    assert placed(name) is None
