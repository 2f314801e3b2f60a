"""What content a record names, whatever its headers say that it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.innhold import NAMED_IN, blobs_in
from schemas.catalogue import event_type
from schemas.codec import encode
from schemas.errors import Unreadable
from tests.support.events import any_event


@given(any_event, st.sampled_from(sorted(NAMED_IN)))
def test_an_event_of_another_type_than_its_headers_say_is_unreadable(event: object, kind: str) -> None:
    if kind == event_type(event).name:
        assert all(repr(name) in repr(event) for name in blobs_in(encode(event), kind))
    else:
        with pytest.raises(Unreadable, match=f"the headers say {kind}"):
            blobs_in(encode(event), kind)
