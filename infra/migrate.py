"""Brings the database to the newest migration: numbered SQL files, each applied once, in one transaction."""

from __future__ import annotations

from pathlib import Path

from infra.database import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x66696B73
"""The advisory lock that keeps two migrations apart ("fiks" in ASCII)."""


async def migrate(connection: Connection) -> list[str]:
    """Apply what is missing, in order. Returns the names of the migrations that were applied."""
    applied = []
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(
            "create table if not exists migration (name text primary key, at timestamptz not null default now())"
        )
        known = {row["name"] for row in await connection.fetch("select name from migration")}
        for file in sorted(MIGRATIONS.glob("*.sql")):
            if file.stem not in known:
                await connection.execute(file.read_text())
                await connection.execute("insert into migration (name) values ($1)", file.stem)
                applied.append(file.stem)
    return applied
