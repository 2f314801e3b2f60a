"""What waits while nothing is carried is bounded by what it takes, and not by its number alone."""

from __future__ import annotations

from typing import Any

from streams.log import LARGEST_FACT
from tests.support.records import Record
from tests.unit.test_reader import AT, Consumer, reader_and_claim

AT_A_TIME = 50
"""Records of one answer: 45 MB, less than the client asks for at once (fetch_max_bytes, 52 MB)."""
MOST = 500_000_000


class _Large(Consumer):
    """There is always more, as large as facts may be."""

    offset = 0

    async def getmany(self, *_partitions: Any, **_how: Any) -> dict[Any, list[Any]]:
        first, self.offset = self.offset, self.offset + AT_A_TIME
        return {AT: [Record("t", 0, first + number, b"", VALUE, []) for number in range(AT_A_TIME)]}

    async def beginning_offsets(self, _partitions: Any) -> dict[Any, int]:
        return {}


VALUE = bytes(LARGEST_FACT)
"""One for all, so that the test itself needs no room."""


async def test_large_records_are_not_taken_in_without_end() -> None:
    """As while PostgreSQL is away, or in a rebuild, which is slower than the log: for each role."""
    reader, claim, _ = await reader_and_claim(0)
    reader._consumer = _Large()  # type: ignore[assignment]
    reader.claims = {AT: claim}
    claim.busy = True
    for _ in range(1000):
        await reader._round()
    waiting = sum(len(one.value or b"") for one in claim.waiting)
    assert waiting < MOST, f"{len(claim.waiting)} records of {waiting / 1e9:.0f} GB wait"
