"""Rows come to the same by one statement, by one that moves a checkpoint with them and by COPY, whatever they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from asyncpg.pgproto import pgproto
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.database import Connection
from projections.editing import carry_out, carry_out_from
from projections.projection import Change, Create
from projections.tables import FEW, NEW, Batch, Do, Edit, Table, describe
from streams.checkpoints import Step

TABLE = """
    create schema things;
    create table checkpoint (name text, version int, topic text, partition int, next_offset bigint);
    insert into checkpoint values ('thing', 1, 't', 0, 0);
    create table things.thing (
        id uuid primary key, name text, tags text[] not null, owners uuid[], sizes bigint[], number int, size bigint,
        "offset" bigint, kept boolean, at timestamptz, mark bigint not null
    )
"""
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
bigint, uuid = st.integers(-(2**63), 2**63 - 1), st.uuids() | st.uuids().map(lambda one: pgproto.UUID(str(one)))
# The driver takes the very first and the very last moment for -infinity and infinity.
moments = st.datetimes(timezones=st.just(UTC)).filter(lambda one: 1 < one.year < 9999)
values = st.tuples(
    st.none() | text,
    st.lists(text, max_size=3).map(tuple),
    st.none() | st.lists(uuid, max_size=3).map(tuple),
    st.none() | st.lists(bigint, max_size=3).map(tuple),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | bigint,
    st.none() | bigint,
    st.none() | st.booleans(),
    st.none() | moments,
    st.just(-1),
)
rows = st.dictionaries(uuid, values, max_size=4)


@pytest.fixture
async def tables(database: str) -> AsyncIterator[Connection]:
    """A connection to a database with the table above."""
    connection = await asyncpg.connect(database)
    await connection.execute(TABLE)
    yield connection
    await connection.execute("drop schema things cascade; drop table checkpoint")
    await connection.close()


async def rows_of(connection: Connection) -> dict[UUID, tuple[Any, ...]]:
    found = await connection.fetch("select * from things.thing")
    return {row[0]: tuple(tuple(one) if isinstance(one, list) else one for one in row)[1:] for row in found}


def whole(do: Do, table: Table, lines: dict[UUID, tuple[Any, ...]]) -> Edit:
    return Edit(do, table, list(table.columns), [(key, *line) for key, line in lines.items()])


async def with_checkpoint(connection: Connection, edits: Sequence[Edit]) -> None:
    """Carry them out together with a step, after one in vain that does nothing."""
    at, there = await connection.fetchval("select next_offset from checkpoint"), await rows_of(connection)
    assert not await carry_out_from(connection, edits, [Step("thing", 1, "t", 0, at + 1, at + 2)])
    assert await rows_of(connection) == there
    assert await carry_out_from(connection, edits, [Step("thing", 1, "t", 0, at, at + 1)])
    assert await connection.fetchval("select next_offset from checkpoint") == at + 1


@pytest.mark.parametrize(("way", "few"), [(carry_out, 0), (carry_out, FEW), (with_checkpoint, FEW)])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(first=rows, second=rows, others=rows)
async def test_rows_are_what_was_written_last(
    tables: Connection, monkeypatch: pytest.MonkeyPatch, way: Any, few: int, first: Any, second: Any, others: Any
) -> None:
    monkeypatch.setattr("projections.editing.FEW", few)
    thing = (await describe(tables, "things"))["thing"]
    new = {key: line for key, line in second.items() if key not in first}
    changed = dict(zip(first, second.values(), strict=False))
    transaction = tables.transaction()
    await transaction.start()
    await way(tables, [whole(Do.INSERT, thing, first)])
    await way(tables, [whole(Do.CREATE, thing, others | first)])
    there = await rows_of(tables)
    assert there == others | first
    await way(
        tables,
        [
            whole(Do.UPDATE, thing, changed),
            whole(Do.CREATE, thing, new),
            Edit(Do.DELETE, thing, ["id"], [(key,) for key in others if key not in first and key not in new]),
        ],
    )
    left = {key: line for key, line in there.items() if key in first or key in new}
    assert await rows_of(tables) == new | left | changed
    await transaction.rollback()


@pytest.mark.parametrize("few", [0, FEW])
async def test_a_row_that_is_there_is_not_created_again_and_may_change(
    tables: Connection, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("projections.editing.FEW", few)
    monkeypatch.setattr("projections.tables.FEW", few)
    described, key = await describe(tables, "things"), (UUID(int=7),)
    said = dict.fromkeys(described["thing"].columns, None) | {"tags": ()}
    del said["id"], said["mark"]
    for name, changes in (("first", []), ("second", []), ("third", [Change("thing", key, -1, 5, {"name": "changed"})])):
        batch = Batch()
        batch.add([Create("thing", key, said | {"name": name}), *changes])
        await carry_out(tables, await batch.edits(tables, described))
        [row] = (await rows_of(tables)).values()
        assert (row[0], row[-1]) == (("changed", 5) if changes else ("first", -1))


@pytest.mark.parametrize("few", [0, FEW])
async def test_what_is_there_is_found_by_a_key_of_two_columns_that_was_made_later(
    tables: Connection, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("projections.tables.FEW", few)
    await tables.execute('create table things.line (owner uuid not null, "offset" int not null, mark bigint not null)')
    assert (await describe(tables, "things"))["line"].key == ()
    await tables.execute('create unique index on things.line (owner, "offset")')
    described, owners = await describe(tables, "things"), [UUID(int=1), UUID(int=2)]
    keys = [(owner, number) for owner in owners for number in range(3)]
    for some, made in ((keys[:2], 7), (keys, 9)):
        batch = Batch()
        for key in some:
            batch.add([Create("line", key, {}), Change("line", key, NEW, made, {})])
        await carry_out(tables, await batch.edits(tables, described))
    rows = await tables.fetch('select owner, "offset", mark from things.line order by 1, 2')
    assert [tuple(row) for row in rows] == [(*key, 7 if key in keys[:2] else 9) for key in keys]
