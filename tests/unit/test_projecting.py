"""Which projections there are, and what one makes of records that are no events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from projections.projecting import with_personal
from tests.support.records import Record

ROOT = Path(__file__).parents[2]


def test_whoever_imports_the_package_knows_every_projection() -> None:
    code = "import projections.projection as one; print(*sorted(one.projections()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert done.stdout.split() == sorted(file.stem for file in (ROOT / "projections").glob("*.sql"))


def test_a_record_whose_type_is_none_has_no_personal_text() -> None:
    """Whoever writes to a topic may write a header without a value: the record is then set aside as any other."""
    opens = SimpleNamespace(topics=("t",), personal={"X": object})
    record = Record("t", 0, 0, b"", b"", [("ce_type", None)])  # type: ignore[list-item]
    assert with_personal([[record]], [opens]) == {}  # type: ignore[list-item]
