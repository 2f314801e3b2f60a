"""Writes a batch's rows: folded in memory to one row a key, then one statement a table and shape.

What a table looks like is asked of PostgreSQL, where its ``.sql`` file made it; nothing is said twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.database import Connection
from projections.projection import Append, Change, Create, Met, Write

DESCRIBE = """
    select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
           coalesce(a.attnum = any(i.indkey), false) as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = c.oid and i.indisprimary
    where n.nspname = $1 and c.relkind = 'r'
    order by c.relname, a.attnum
"""


Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one version: its columns with their types, in order, and its primary key."""

    schema: str
    name: str
    columns: dict[str, str]
    key: tuple[str, ...]

    def marks(self) -> str:
        """Select key and mark of the rows whose keys are given as one array a key column."""
        keys = ", ".join(self.key)
        return (
            f"select {keys}, mark from {self.schema}.{self.name} "
            f"join unnest({self._arrays(self.key)}) as u ({keys}) using ({keys})"
        )

    async def copy(self, connection: Connection, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows, by COPY: it is cheaper than any INSERT on both sides."""
        await connection.copy_records_to_table(self.name, schema_name=self.schema, records=rows)

    def update(self, columns: Sequence[str]) -> str:
        """Update rows given as one array a column, the key among them."""
        sets = ", ".join(f"{name} = u.{name}" for name in columns if name not in self.key)
        where = " and ".join(f"t.{name} = u.{name}" for name in self.key)
        return (
            f"update {self.schema}.{self.name} as t set {sets} from unnest({self._arrays(columns)}) "
            f"as u ({', '.join(columns)}) where {where}"
        )

    def find(self, columns: Sequence[str]) -> str:
        """Select the rows that have some values in these columns, given as one array a column."""
        names = ", ".join(f"t.{name}" for name in self.columns)
        return (
            f"select {names} from {self.schema}.{self.name} as t "
            f"join unnest({self._arrays(columns)}) as u ({', '.join(columns)}) using ({', '.join(columns)})"
        )

    def delete(self) -> str:
        """Delete the rows whose keys are given as one array a key column."""
        where = " and ".join(f"t.{name} = u.{name}" for name in self.key)
        return (
            f"delete from {self.schema}.{self.name} as t "
            f"using unnest({self._arrays(self.key)}) as u ({', '.join(self.key)}) where {where}"
        )

    def _arrays(self, columns: Iterable[str]) -> str:
        return ", ".join(f"${i}::{self.columns[name]}[]" for i, name in enumerate(columns, 1))


async def describe(connection: Connection, schema: str) -> dict[str, Table]:
    """The tables of a schema by name."""
    tables: dict[str, Table] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for row in await connection.fetch(DESCRIBE, schema):
        name = row["table"]
        tables.setdefault(name, Table(schema, name, {}, ()))
        tables[name].columns[row["column"]] = row["type"]
        if row["key"]:
            keys[name] = (*keys.get(name, ()), row["column"])
    return {name: Table(schema, name, table.columns, keys.get(name, ())) for name, table in tables.items()}


NO_ROW = -2
NEW = -1
"""The mark of a row that was created and not changed yet."""


@dataclass(slots=True)
class Batch:
    """The writes of a batch, in order within each row."""

    rows: dict[str, dict[Key, list[Create | Change]]] = field(default_factory=lambda: defaultdict(dict))
    appended: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    met: list[Met] = field(default_factory=list)

    def add(self, writes: Iterable[Write]) -> None:
        """Take the writes that one event led to."""
        for write in writes:
            if isinstance(write, Append):
                self.appended[write.table].append(write.row)
                continue
            if isinstance(write, Met):
                self.met.append(write)
                continue
            rows = self.rows[write.table]
            if (earlier := rows.get(write.key)) is None:
                rows[write.key] = [write]
            else:
                earlier.append(write)

    async def write(self, connection: Connection, tables: dict[str, Table]) -> None:
        """Write all but ``met``, within the caller's transaction and under the lock of its checkpoint."""
        for name, lines in self.appended.items():
            await tables[name].copy(connection, lines)
        for name, rows in self.rows.items():
            await _write_rows(connection, tables[name], rows)


def fold(mark: int, writes: Sequence[Create | Change]) -> tuple[int, dict[str, Any]]:
    """The mark of a row after the writes, and the values that they leave changed. ``mark`` is NO_ROW without a row."""
    values: dict[str, Any] = {}
    for write in writes:
        if isinstance(write, Create):
            if mark == NO_ROW:
                mark, values = NEW, dict(write.values)
        elif NO_ROW < mark <= write.since:
            mark = write.made
            values.update(write.values)
    return mark, values


async def _write_rows(connection: Connection, table: Table, rows: dict[Key, list[Create | Change]]) -> None:
    marks = await _marks(connection, table, rows.keys())
    inserts: list[dict[str, Any]] = []
    updates: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for key, writes in rows.items():
        before = marks.get(key, NO_ROW)
        mark, values = fold(before, writes)
        if mark != before:
            row = dict(zip(table.key, key, strict=True)) | values | {"mark": mark}
            (inserts if before == NO_ROW else updates.setdefault(tuple(row), [])).append(row)
    if inserts:
        await table.copy(connection, [tuple(row[name] for name in table.columns) for row in inserts])
    for names, lines in updates.items():
        await connection.execute(table.update(names), *([row[name] for row in lines] for name in names))


async def _marks(connection: Connection, table: Table, keys: Iterable[Key]) -> dict[Key, int]:
    columns = [list(column) for column in zip(*keys, strict=True)]
    return {tuple(row)[:-1]: row["mark"] for row in await connection.fetch(table.marks(), *columns)}
