"""Rows that are a state: what a batch's events concern is read from the tables, folded as everybody folds it, and the
difference is written. So a large state costs no more than the part of it that is spoken of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from infra.database import Connection
from projections.projection import Fold, Met, Needs, Row, Rows
from projections.tables import Table

Find = Callable[[str, Sequence[str], set[Row]], Awaitable[Iterable[Row]]]
"""Finds the rows of a table that have some values in some columns."""


async def carry(connection: Connection, tables: Mapping[str, Table], fold: Fold, met: Sequence[Met]) -> None:
    """Bring the tables past the events, within the caller's transaction and under the lock of its checkpoint."""

    async def find(name: str, columns: Sequence[str], keys: set[Row]) -> Iterable[Row]:
        rows = await connection.fetch(tables[name].find(columns), *_columns(keys))
        return (tuple(map(_plain, row)) for row in rows)

    before = await load(fold, met, find)
    after = fold.advance(before, met)
    for name, table in tables.items():
        had, has = before.get(name, set()), after.get(name, set())
        if gone := {row[: len(table.key)] for row in had - has}:
            await connection.execute(table.delete(), *_columns(gone))
        if new := has - had:
            await table.copy(connection, list(new))


async def load(fold: Fold, met: Sequence[Met], find: Find) -> Rows:
    """All rows that the fold needs. What it needs may depend on what was found."""
    rows: Rows = {}
    loaded: Needs = {}
    while missing := _missing(fold.needs(rows, met), loaded):
        for (name, columns), keys in missing.items():
            rows.setdefault(name, set()).update(await find(name, columns, keys))
            loaded.setdefault((name, columns), set()).update(keys)
    return rows


def _missing(needs: Needs, loaded: Needs) -> Needs:
    missing = {where: keys - loaded.get(where, set()) for where, keys in needs.items()}
    return {where: keys for where, keys in missing.items() if keys}


def _columns(keys: Iterable[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]


def _plain(value: Any) -> Any:
    """A value as a fold has it: arrays are tuples."""
    return tuple(value) if isinstance(value, list) else value
