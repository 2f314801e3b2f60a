"""Carries out what is to be done to tables, within the caller's transaction: few rows by one statement, many by COPY.

A statement costs a round trip, which is most of what a small batch costs; COPY costs the server least for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from infra.database import Connection
from projections.tables import FEW, Do, Edit
from streams import checkpoints
from streams.checkpoints import Step

NOTHING = "select"


def are_few(edits: Sequence[Edit]) -> bool:
    """Whether one statement had better do them all."""
    return sum(len(edit.rows) for edit in edits) <= FEW


async def carry_out_from(connection: Connection, edits: Sequence[Edit], steps: Sequence[Step]) -> bool:
    """Do all the edits, few, and move the checkpoints, if these are where they are believed to be: else nothing."""
    parts = [f"e{i} as ({edit.statement(6 + i, 'agreed')})" for i, edit in enumerate(edits, 1)]
    return await checkpoints.step(connection, steps, parts, *map(_as_json, edits))


async def carry_out(connection: Connection, edits: Sequence[Edit], then: str = NOTHING, *args: Any) -> None:
    """Do all the edits, of which no two concern the same row, and ``then``, a statement that tells nothing."""
    if are_few(edits):
        parts = [f"e{i} as ({edit.statement(len(args) + i)})" for i, edit in enumerate(edits, 1)]
        first = f"with {', '.join(parts)} " if parts else ""
        await connection.execute(first + then, *args, *map(_as_json, edits))
        return
    for edit in edits:
        if edit.do is Do.INSERT:
            table = edit.table
            await connection.copy_records_to_table(
                table.name, schema_name=table.schema, columns=edit.columns, records=edit.rows
            )
        else:
            await connection.execute(edit.statement(1), _as_json(edit))
    await connection.execute(then, *args)


def _as_json(edit: Edit) -> str:
    rows = [dict(zip(edit.columns, row, strict=True)) for row in edit.rows]
    return msgspec.json.encode(rows, enc_hook=str).decode()  # a kind of text that is none of msgspec's own
