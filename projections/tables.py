"""Writes a batch's rows: merged in memory to one row a key, then one statement a table and shape.

What a table looks like is asked of PostgreSQL, where its ``.sql`` file made it; nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.database import Connection
from projections.projection import Append, Change, Create, Write

DESCRIBE = """
    select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
           coalesce(a.attnum = any(i.indkey), false) as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = c.oid and i.indisprimary
    where n.nspname = $1 and c.relkind = 'r'
    order by c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one version: its columns with their types, in order, and its primary key."""

    schema: str
    name: str
    columns: dict[str, str]
    key: tuple[str, ...]

    def create(self) -> str:
        """Insert rows given as one array a column; an existing row yields to a higher mark only."""
        change = ", ".join(f"{name} = excluded.{name}" for name in self.columns if name not in self.key)
        return (
            f"insert into {self.schema}.{self.name} as t ({', '.join(self.columns)}) "  # noqa: S608 - names from the catalog
            f"select * from unnest({self._arrays(self.columns)}) on conflict ({', '.join(self.key)}) "
            + (f"do update set {change} where excluded.mark > t.mark" if "mark" not in self.key else "do nothing")
        )

    def change(self, columns: Sequence[str]) -> str:
        """Update rows given as one array a column, the key first and the mark last."""
        sets = ", ".join(f"{name} = u.{name}" for name in columns if name not in self.key)
        where = " and ".join(f"t.{name} = u.{name}" for name in self.key)
        return (
            f"update {self.schema}.{self.name} as t set {sets} from unnest({self._arrays(columns)}) "  # noqa: S608
            f"as u ({', '.join(columns)}) where {where} and u.mark > t.mark"
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


@dataclass(slots=True)
class _Row:
    new: bool
    mark: int
    values: dict[str, Any]


@dataclass(slots=True)
class Batch:
    """The writes of a batch, merged as they come: within a key the highest mark counts, the first of equals."""

    rows: dict[str, dict[tuple[Any, ...], _Row]] = field(default_factory=dict)
    appended: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def add(self, write: Write) -> None:
        """Merge one write."""
        if isinstance(write, Append):
            self.appended.setdefault(write.table, []).append(write.row)
            return
        rows = self.rows.setdefault(write.table, {})
        row = rows.get(write.key)
        if row is None:
            rows[write.key] = _Row(isinstance(write, Create), write.mark, write.values)
        elif isinstance(write, Change):
            if write.mark > row.mark:
                row.mark, row.values = write.mark, row.values | write.values
        elif not row.new:
            row.new, row.values = True, write.values | row.values

    async def write(self, connection: Connection, tables: dict[str, Table]) -> None:
        """Write everything, within the caller's transaction."""
        for name, lines in self.appended.items():
            await connection.copy_records_to_table(name, schema_name=tables[name].schema, records=lines)
        for name, rows in self.rows.items():
            await _write_rows(connection, tables[name], rows)


async def _write_rows(connection: Connection, table: Table, rows: dict[tuple[Any, ...], _Row]) -> None:
    shapes: dict[tuple[bool, tuple[str, ...]], list[dict[str, Any]]] = {}
    for key, row in rows.items():
        columns = dict(zip(table.key, key, strict=True)) | row.values | {"mark": row.mark}
        shapes.setdefault((row.new, tuple(columns)), []).append(columns)
    for (new, names), lines in shapes.items():
        order = tuple(table.columns) if new else names
        statement = table.create() if new else table.change(order)
        await connection.execute(statement, *([line[name] for line in lines] for name in order))


