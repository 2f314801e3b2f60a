"""What a projection makes of records that are no events."""

from __future__ import annotations

from types import SimpleNamespace

from projections.projecting import with_personal
from tests.support.records import Record


def test_a_record_whose_type_is_none_has_no_personal_text() -> None:
    """Whoever writes to a topic may write a header without a value: the record is then set aside as any other."""
    opens = SimpleNamespace(topics=("t",), personal={"X": object})
    record = Record("t", 0, 0, b"", b"", [("ce_type", None)])  # type: ignore[list-item]
    assert with_personal([[record]], [opens]) == {}  # type: ignore[list-item]
