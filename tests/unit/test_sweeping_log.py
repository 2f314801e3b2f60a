"""What the blob store says of the log that it belongs to ends no worker."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.blobs import LOG, Blobs
from projections.sweeping import PASSING, require_told_by_this_log


class _Connection:
    def __init__(self, id_: str) -> None:
        self.line = ("fiks.io", 0, 1, id_, datetime(2026, 1, 1, tzinfo=UTC))

    async def fetchrow(self, statement: str, *at: Any) -> Any:
        return self.line if not at or at == self.line else None


async def test_an_event_whose_id_has_a_slash(tmp_path: Path) -> None:
    """Any text is an id of CloudEvents; of all that lie on the log whichever comes first is taken."""
    connection: Any = _Connection("urn:other/17")
    blobs = Blobs(tmp_path.as_uri())
    for _ in range(2):
        await require_told_by_this_log(connection, blobs)


@pytest.mark.parametrize("damaged", [b"", b"fiks.io/0/1/x", b"fiks.io/0/1/x/then", b"\xff"])
async def test_a_blob_that_is_damaged(tmp_path: Path, damaged: bytes) -> None:
    connection: Any = _Connection("x")
    blobs = Blobs(tmp_path.as_uri())
    await blobs.create(LOG, damaged)
    with suppress(*PASSING):
        await require_told_by_this_log(connection, blobs)
