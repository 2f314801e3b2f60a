"""The history of a document in pages, however long it is."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.dokumenter import HENDELSER
from infra.database import Connection
from projections.dokumentlager import dokumentlager
from projections.versions import schema_of
from tests.support.workers import prepare

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LAST_OPP, LAST_NED, DESTRUERT = "DokumentLastetOpp", "DokumentLastetNed", "DokumentDestruert"


class Line(NamedTuple):
    """Of a history."""

    tidspunkt: datetime
    sist: datetime
    antall: int
    type: str
    aktor: str | None
    detalj: str | None


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    await prepare(database)
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def happened(connection: Connection, dokument_id: UUID, *events: tuple[str, str | None]) -> None:
    """What has happened to the document, one event a second: of which type, and by whom."""
    rows = [
        (dokument_id, 10 * at, BEGIN + timedelta(seconds=at), kind, aktor, kind[:8])
        for at, (kind, aktor) in enumerate(events)
    ]
    schema = schema_of(dokumentlager.name, 1)
    await connection.copy_records_to_table("dokumentlager_hendelse", schema_name=schema, records=rows)
    await connection.execute(f"analyze {schema}.dokumentlager_hendelse")


async def page(connection: Connection, dokument_id: UUID, offset: int, limit: int) -> list[Line]:
    return [Line(*row.values()) for row in await connection.fetch(HENDELSER, dokument_id, offset, limit)]


def told(events: Sequence[tuple[str, str | None]]) -> list[Line]:
    """The lines of that history."""
    lines: list[Line] = []
    for at, (kind, aktor) in enumerate(events):
        moment, is_destroyed = BEGIN + timedelta(seconds=at), any(line.type == DESTRUERT for line in lines)
        if kind == LAST_NED and lines and lines[-1][3:5] == (kind, aktor):
            lines[-1] = lines[-1]._replace(sist=moment, antall=lines[-1].antall + 1)
        elif not (kind == DESTRUERT and is_destroyed):
            lines.append(Line(moment, moment, 1, kind, aktor, kind[:8]))
    return lines


@pytest.mark.parametrize("seed", range(20))
async def test_pages_are_of_the_same_lines_as_the_whole(connection: Connection, seed: int) -> None:
    chance = random.Random(seed)
    events: list[tuple[str, str | None]] = [(LAST_OPP, "a")]
    for _ in range(chance.randrange(60)):
        kind = chance.choice([LAST_NED] * 6 + ["DokumentEndret", DESTRUERT])
        events += [(kind, chance.choice(["a", "b", None]))] * chance.choice([1, 1, 2, 5])
    dokument_id = uuid4()
    await happened(connection, dokument_id, *events)
    await happened(connection, uuid4(), *reversed(events))

    lines = told(events)
    assert await page(connection, dokument_id, 0, 10_000) == lines
    for size in (1, 2, 7):
        for offset in range(0, len(lines) + size, size):
            assert await page(connection, dokument_id, offset, size) == lines[offset : offset + size]


async def test_what_is_behind_a_page_is_not_read(connection: Connection) -> None:
    dokument_id = uuid4()
    await happened(connection, dokument_id, (LAST_OPP, "a"), *[(LAST_NED, "a"), (LAST_NED, "b")] * 20_000)

    [plan] = await connection.fetchrow(f"explain (analyze, format json) {HENDELSER}", dokument_id, 100, 10)
    assert rows_read(json.loads(plan)[0]["Plan"]) < 500


def rows_read(plan: dict[str, Any]) -> int:
    """From tables, however often."""
    own = plan["Actual Rows"] * plan["Actual Loops"] if "Relation Name" in plan else 0
    return int(own) + sum(rows_read(one) for one in plan.get("Plans", []))
