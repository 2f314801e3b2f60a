"""An analyst reads what is in the schema ``read``, also once a projection was rebuilt, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio

from infra.database import Connection
from infra.migrate import migrate
from projections import versions
from projections.projection import projections
from tests.support.stack import OwnPostgres, temporary_folder


@dataclass(frozen=True)
class Sides:
    """The same database, as its owner and as an analyst."""

    owner: Connection
    analyst: Connection


@pytest_asyncio.fixture(scope="module")
async def sides() -> AsyncIterator[Sides]:
    with temporary_folder() as folder:
        server = OwnPostgres(folder)
        await server.start()
        owner = await asyncpg.connect(server.dsn)
        await migrate(owner)
        for projection in projections().values():
            async with owner.transaction():
                await versions.install(owner, projection)
        analyst = await asyncpg.connect(server.analyst)
        yield Sides(owner, analyst)
        await analyst.close()
        await owner.close()
        await server.stop()


async def test_reads_every_view(sides: Sides) -> None:
    views = await sides.owner.fetch("select table_name from information_schema.tables where table_schema = 'read'")
    assert "audit" in [view["table_name"] for view in views]
    for view in views:
        assert await sides.analyst.fetch(f"select * from read.{view['table_name']} limit 1") == []


async def test_reads_a_view_that_was_made_anew(sides: Sides) -> None:
    await sides.owner.execute("create view read.later as select 1 as one")
    assert await sides.analyst.fetchval("select one from read.later") == 1
    await sides.owner.execute("drop view read.later")


@pytest.mark.parametrize(
    "statement",
    [
        "update read.audit set actor = 'nobody'",
        "delete from read.audit",
        "insert into read.audit (actor) values ('nobody')",
        "drop view read.audit",
        "create table read.mine (one int)",
        "create table public.mine (one int)",
        "create schema mine",
        "create temp table mine (one int)",
        "select lo_from_bytea(0, 'x')",
        "select lo_create(0)",
        "select * from audit_v1.audit",
        "select * from public.projection",
        "select * from public.nokkel",
        "set role fiks",
        "create role other",
    ],
)
async def test_can_do_nothing_else(sides: Sides, statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)):
        await sides.analyst.execute(statement)


async def test_a_member_of_the_role_reads_the_same(sides: Sides) -> None:
    await sides.owner.execute("create role kari in role fiks_analyst")
    await sides.owner.execute("set role kari")
    try:
        assert await sides.owner.fetch("select * from read.audit") == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sides.owner.fetch("select * from public.projection")
    finally:
        await sides.owner.execute("reset role")
