"""A batch's rows: folded in memory to one row a key, and what is to be done to each table of a version for that.

What a table looks like is asked of PostgreSQL, where its ``.sql`` file made it; nothing is said twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import itemgetter
from typing import Any, NamedTuple

from infra.database import Connection
from projections.projection import Append, Change, Create, Met, Write

DESCRIBE = """
    select c.relname as table, a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
           coalesce(a.attnum = any(i.indkey), false) as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = c.oid and i.indisunique
    where n.nspname = $1 and c.relkind = 'r'
    order by c.relname, a.attnum
"""


FEW = 500
"""Rows that are written by one statement, at most."""
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one version: its columns with their types, in order, and its key: it has one unique index, that of its
    key.
    """

    schema: str
    name: str
    columns: dict[str, str]
    key: tuple[str, ...]

    @property
    def place(self) -> str:
        """Its name with that of its schema."""
        return f"{self.schema}.{self.name}"

    def marks(self) -> str:
        """Select key and mark of the rows whose keys are given as one array a key column.

        Each key is looked up by itself: of a join the planner makes a scan of the whole table until that is very large.
        """
        names = ", ".join(f'"{name}"' for name in self.key)
        where = " and ".join(f't."{name}" = u."{name}"' for name in self.key)
        return (
            f"select u.*, found.mark from unnest({self._arrays(self.key)}) as u ({names}) "
            f"cross join lateral (select mark from {self.place} as t where {where} limit 1) as found"
        )

    def find(self, columns: Sequence[str]) -> str:
        """Select the rows that have some values in these columns, given as one array a column."""
        names = ", ".join(f"t.{name}" for name in self.columns)
        return (
            f"select {names} from {self.place} as t "
            f"join unnest({self._arrays(columns)}) as u ({', '.join(columns)}) using ({', '.join(columns)})"
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


class Do(Enum):
    """What is done with rows."""

    INSERT = auto()
    """They are not there."""
    CREATE = auto()
    """Those that are there stay as they are."""
    UPDATE = auto()
    """They are there, and have new values in some columns."""
    DELETE = auto()
    """They are there, and shall not be."""


class Edit(NamedTuple):
    """What is to be done with some rows of a table, each with values for ``columns``, its key among them."""

    do: Do
    table: Table
    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]

    def statement(self, number: int, condition: str = "") -> str:
        """What does it, given the rows as JSON (an array of objects) in the parameter of this number; ``condition``
        names a table that has one row if it shall be done, and else none.
        """
        place, key = self.table.place, self.table.key
        rows = f"json_populate_recordset(null::{place}, ${number}) as u" + (condition and f", {condition}")
        names = ", ".join(f'"{name}"' for name in self.columns)
        new = ", ".join(f'"{name}" = u."{name}"' for name in self.columns if name not in key)
        where = " and ".join(f't."{name}" = u."{name}"' for name in key)
        match self.do:
            case Do.INSERT:
                return f"insert into {place} ({names}) select {names} from {rows}"
            case Do.CREATE:
                return f"insert into {place} ({names}) select {names} from {rows} on conflict do nothing"
            case Do.UPDATE:
                return f"update {place} as t set {new} from {rows} where {where}"
            case Do.DELETE:
                return f"delete from {place} as t using {rows} where {where}"


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
        for write in writes:  # ``isinstance`` would ask the metaclass of a Struct about each class that does not fit
            if type(write) is Append:
                self.appended[write.table].append(write.row)
                continue
            if type(write) is Met:
                self.met.append(write)
                continue
            rows = self.rows[write.table]
            if (earlier := rows.get(write.key)) is None:
                rows[write.key] = [write]
            else:
                earlier.append(write)

    async def edits(self, connection: Connection, tables: dict[str, Table]) -> list[Edit]:
        """What all but ``met`` comes to, given what is there; under the lock of the checkpoint."""
        appended = [
            Edit(Do.INSERT, tables[name], list(tables[name].columns), rows) for name, rows in self.appended.items()
        ]
        return appended + [
            edit for name, rows in self.rows.items() for edit in await _edits(connection, tables[name], rows)
        ]


def fold(mark: int, writes: Sequence[Create | Change]) -> tuple[int, dict[str, Any]]:
    """The mark of a row after the writes, and the values that they leave changed. ``mark`` is NO_ROW without a row."""
    values: dict[str, Any] = {}
    for write in writes:
        if type(write) is Create:
            if mark == NO_ROW:
                mark, values = NEW, dict(write.values)
        elif NO_ROW < mark <= write.since:
            mark = write.made
            values.update(write.values)
    return mark, values


async def _edits(connection: Connection, table: Table, rows: dict[Key, list[Create | Change]]) -> list[Edit]:
    """Where few rows are created and none is changed, it need not be known which are there."""
    do, marks = Do.CREATE, dict[Key, int]()
    if len(rows) > FEW or any(isinstance(write, Change) for writes in rows.values() for write in writes):
        do, marks = Do.INSERT, await _marks(connection, table, rows.keys())
    new: list[tuple[Any, ...]] = []
    in_order = itemgetter(*table.columns)
    changed: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for key, writes in rows.items():
        before = marks.get(key, NO_ROW)
        mark, row = fold(before, writes)
        if mark == before:
            continue
        row |= zip((*table.key, "mark"), (*key, mark), strict=True)
        if before == NO_ROW:
            new.append(in_order(row))
        else:
            changed.setdefault(tuple(row), []).append(tuple(row.values()))
    created = [Edit(do, table, list(table.columns), new)] if new else []
    return created + [Edit(Do.UPDATE, table, names, lines) for names, lines in changed.items()]


async def _marks(connection: Connection, table: Table, keys: Iterable[Key]) -> dict[Key, int]:
    columns = [list(column) for column in zip(*keys, strict=True)]
    return {tuple(row)[:-1]: row["mark"] for row in await connection.fetch(table.marks(), *columns)}
