"""Rows that are a state: what a batch's events concern is read from the tables, folded as everybody folds it, and the
difference is what is to be done. So a large state costs no more than the part of it that is spoken of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra.database import Connection
from projections.projection import Fold, Met, Needs, Row, Rows
from projections.tables import Do, Edit, Table

Find = Callable[[str, Sequence[str], set[Row]], Awaitable[Iterable[Row]]]
"""Finds the rows of a table that have some values in some columns."""


async def edits(connection: Connection, tables: Mapping[str, Table], fold: Fold, met: Sequence[Met]) -> list[Edit]:
    """What brings the tables past the events; under the lock of the checkpoint."""

    async def find(name: str, columns: Sequence[str], keys: set[Row]) -> Iterable[Row]:
        rows = await connection.fetch(tables[name].find(columns), *_columns(keys))
        return (tuple(map(_plain, row)) for row in rows)

    before = await load(fold, met, find)
    after = fold.advance(before, met)
    return [
        edit
        for name, table in tables.items()
        for edit in _difference(table, before.get(name, set()), after.get(name, set()))
    ]


def _difference(table: Table, had: set[Row], has: set[Row]) -> Iterator[Edit]:
    """Rows that begin with their keys, as they were and as they are to be."""
    size = len(table.key)
    there = {row[:size] for row in had}
    gone = there - {row[:size] for row in has}
    new, changed = list[Row](), list[Row]()
    for row in has - had:
        (changed if row[:size] in there else new).append(row)
    if gone:
        yield Edit(Do.DELETE, table, table.key, list(gone))
    if new:
        yield Edit(Do.INSERT, table, list(table.columns), new)
    if changed:
        yield Edit(Do.UPDATE, table, list(table.columns), changed)


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
