"""What one statement and COPY make of the same event is the same, and neither ends the worker."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from infra.database import BY_KEY, Connection, pool_of
from projections.dokumentlager import LATEST, dokumentlager
from projections.projecting import Projecting
from projections.tables import FEW
from schemas.catalogue import key_of
from schemas.codec import encode
from schemas.dokumentlager import DokumentLastetOpp
from schemas.envelope import fact
from streams.agents import Carrier
from streams.reader import Claim

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Letters:
    """Keeps where the dead letters stood."""

    def __init__(self) -> None:
        self.kept: list[int] = []

    async def append(self, _role: str, record: Any, _reason: str) -> None:
        self.kept.append(record.offset)


def document(**said: Any) -> DokumentLastetOpp:
    measured = {"ukryptert_storrelse": 10, "kryptert_storrelse": 67, "sha256": "0" * 64}
    named = {"blob": uuid4().hex, "nokkel_id": "dokumentlager:1", "dokumentnavn": "a", "mimetype": "text/plain"}
    ids = {"dokument_id": uuid4(), "fiks_org_id": uuid4(), "konto_id": uuid4()}
    return DokumentLastetOpp(**ids, **named, **measured, **({"sikkerhetsniva": 3} | said))


async def carried(database: str, events: list[DokumentLastetOpp]) -> list[int]:
    """One batch of all of them, as in a rebuild. Returns which were set aside."""
    claim = Claim(TopicPartition("fiks.dokumentlager", 0))
    for offset, event in enumerate(events):
        at = fact(event, time=NOW, id=str(uuid4()), source="test")
        claim.waiting.append(
            SimpleNamespace(
                topic="fiks.dokumentlager",
                partition=0,
                offset=offset,
                timestamp=0,
                key=key_of(at.stream).encode(),
                value=encode(event),
                headers=at.headers(),
            )  # type: ignore[arg-type]
        )
    letters = _Letters()
    async with pool_of(database, 2, session=BY_KEY) as pool:
        await Carrier(Projecting([dokumentlager], letters, None), pool, 100).carry([claim])  # type: ignore[arg-type]
    return letters.kept


@pytest.mark.parametrize("others", [0, 2 * FEW])
async def test_a_number_that_its_column_does_not_hold_is_set_aside(
    tables: Connection, database: str, others: int
) -> None:
    events = [document(sikkerhetsniva=2**31), *(document() for _ in range(others))]
    assert await carried(database, events) == [0]
    assert await tables.fetchval("select count(*) from read.dokumentlager_dokument") == others


@pytest.mark.parametrize("others", [0, 2 * FEW])
async def test_the_last_moment_is_a_moment(tables: Connection, database: str, others: int) -> None:
    """Whoever uploads may say tilgjengeligTil 9999-12-31T23:59:59.999999Z; gateways compare it with the time."""
    events = [document(tilgjengelig_til=datetime.max.replace(tzinfo=UTC)), *(document() for _ in range(others))]
    assert await carried(database, events) == []
    one = "select tilgjengelig_til from read.dokumentlager_dokument where dokument_id = $1"
    assert await tables.fetchval(one, events[0].dokument_id) == LATEST
