"""The configuration in a real PostgreSQL: the tables are what a gateway remembers, live, repeated and rebuilt."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.auth.memory import Memory
from infra.database import Connection
from projections import folding, versions
from projections.compare import check
from projections.editing import carry_out
from projections.konfigurasjon import KOMMANDO, STEG, rows_of
from projections.konfigurasjon import konfigurasjon as projected
from projections.projecting import Projecting
from projections.projection import Met, Rows
from projections.rebuild import rebuild
from projections.tables import FEW, describe
from schemas.envelope import By, Envelope, decided
from schemas.konfigurasjon import PrivilegieTildelt
from schemas.konfigurasjon_commands import Command, DeactivateAktor, GrantPrivilegium, RevokePrivilegium
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain.konfigurasjon_commands import konfigurasjon
from tests.support.backbone import Backbone, about
from tests.support.eventually import eventually, eventually_found
from tests.support.konfigurasjon import (
    ADMIN_A,
    ADMIN_B,
    GENESIS,
    A,
    B,
    any_configuration_event,
    fold,
    grant,
    met,
    organisasjon,
)

README = Path(__file__).parent.parent.parent / "README.md"
INTEGRASJON = f"integrasjon:{UUID(int=0x30)}"


def silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""


async def rows_in(connection: Connection, schema: str) -> Rows:
    rows: Rows = {}
    for name in await describe(connection, schema):
        for row in await connection.fetch(f"select * from {schema}.{name}"):
            rows.setdefault(name, set()).add(tuple(tuple(v) if isinstance(v, list) else v for v in row))
    return rows


def not_empty(rows: Rows) -> Rows:
    return {name: lines for name, lines in rows.items() if lines}


@pytest.fixture
async def tables(database: str) -> AsyncIterator[Connection]:
    """A connection to a database with the empty tables in schema konfigurasjon_v1."""
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await versions.create(connection, projected, 1)
    yield connection
    await connection.close()


storable = any_configuration_event.filter(lambda event: "\\x00" not in repr(event))
"""A NUL, which no column takes, is dead-lettered; commands with one are refused at the door."""
told = st.tuples(storable, st.none() | st.integers(-1, 40))


@pytest.mark.parametrize("few", [0, FEW])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=st.lists(told, max_size=40), size=st.integers(1, 15))
async def test_the_rows_are_what_the_fold_says(
    tables: Connection, monkeypatch: pytest.MonkeyPatch, few: int, events: list[tuple[Any, int | None]], size: int
) -> None:
    monkeypatch.setattr("projections.editing.FEW", few)
    history = [met(event, n, cause) for n, (event, cause) in enumerate([*((e, None) for e in GENESIS), *events])]
    transaction = tables.transaction()
    await transaction.start()
    described = await describe(tables, "konfigurasjon_v1")
    assert projected.fold
    for begin in range(0, len(history), size):
        await carry_out(tables, await folding.edits(tables, described, projected.fold, history[begin : begin + size]))
    assert _but_steps(await rows_in(tables, "konfigurasjon_v1")) == folded(history)
    await transaction.rollback()


def folded(history: Iterable[Met]) -> Rows:
    memory = fold(())
    for event, at in history:
        assert at.position is not None
        memory.meet(event, at.cause, at.position.offset)
    return not_empty(rows_of(memory.streams()))


async def tell(system: Backbone, *events: object) -> list[Envelope]:
    """Append facts and commands. Returns their envelopes."""
    described = [(event, about(event)) for event in events]
    await system.log.append_all(described)
    return [at for _, at in described]


def grants(count: int, av: str = ADMIN_A, org: UUID = A) -> list[Command]:
    return [
        GrantPrivilegium(fiks_org_id=org, av=av, aktor=INTEGRASJON, ressurs_id=org, privilegium=f"P{number}")
        for number in range(count)
    ]


async def test_the_tables_are_what_a_gateway_remembers_live_and_rebuilt(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIKS_KAFKA", system.settings.kafka)
    monkeypatch.setenv("FIKS_POSTGRES", system.settings.postgres)
    monkeypatch.setenv("FIKS_STATE", str(system.settings.state))
    letters = DeadLetters(system.log)
    memory = Memory(system.settings.kafka)
    await memory.start()
    works = [Deciding(konfigurasjon, system.log, letters), Projecting([projected], letters, system.log.keys)]
    async with system.worker(works):
        await tell(system, *GENESIS)
        asked = await tell(system, *grants(20), *grants(5, ADMIN_B, B))
        taken = RevokePrivilegium(fiks_org_id=A, av=ADMIN_A, aktor=INTEGRASJON, ressurs_id=A, privilegium="P3")
        await tell(system, taken, DeactivateAktor(fiks_org_id=B, av=ADMIN_B, aktor=INTEGRASJON))
        await eventually(lambda: INTEGRASJON in memory.configuration.virksomhet(B).inaktive)
        await eventually(lambda: not memory.may(INTEGRASJON, "P3", A) and memory.may(INTEGRASJON, "P19", A))
        # A repeat of the decision to grant what was revoked since: void everywhere.
        again = PrivilegieTildelt(fiks_org_id=A, aktor=INTEGRASJON, ressurs_id=A, privilegium="P3")
        await system.log.append(again, decided(again, because=asked[3], cause=0, source="test"))
        await system.until_projected("konfigurasjon")
        all_ = await _shown(system)
        shown = _but_steps(all_)
        await eventually(lambda: _remembered(memory) == shown)
        connection, snapshot = [await asyncpg.connect(system.settings.postgres) for _ in range(2)]
        found = await check(connection, snapshot, system.settings.kafka, projected, 1, silent)
        assert (found.differing, found.differences) == (0, [])
        assert found.rows == sum(map(len, all_.values()))
        await tell(system, *grants(3, ADMIN_B, B))
        made = await rebuild(connection, system.settings.kafka, [projected], 1, silent)
        await tell(system, *grants(30))
        await eventually(lambda: memory.may(INTEGRASJON, "P29", A))
        await system.until_projected("konfigurasjon")
        assert made == {"konfigurasjon": 2}
        shown = _but_steps(await _shown(system))
        await eventually(lambda: _remembered(memory) == shown)
        for one in (connection, snapshot):
            await one.close()
    await memory.stop()
    held = await system.connection.fetch(
        "select privilegium from read.konfigurasjon_rettighet where aktor = $1", INTEGRASJON
    )
    assert {row["privilegium"] for row in held} == {f"P{number}" for number in range(30)}


async def test_who_gave_a_right_to_whom_when_and_by_which_law_is_asked_as_readme_says(system: Backbone) -> None:
    [query] = [sql for sql in re.findall("```sql\n(.*?)```", README.read_text(), re.DOTALL) if KOMMANDO in sql]
    letters, law, on, other = DeadLetters(system.log), "Kommuneloven § 24-1", uuid4(), "integrasjon:another"
    works = [Deciding(konfigurasjon, system.log, letters), Projecting([projected], letters, system.log.keys)]
    right = {"fiks_org_id": on, "aktor": INTEGRASJON, "ressurs_id": on}
    async with system.worker(works):
        await tell(system, organisasjon(on), grant(on, ADMIN_A, on))
        given = GrantPrivilegium(**right, av=ADMIN_A, privilegium="SVARUT.SEND")
        at = about(given, by=By(ADMIN_A), legal_basis=law)
        await system.log.append(given, at)
        taken = RevokePrivilegium(**right, av=ADMIN_A, privilegium="SVARUT.SEND")
        refused = GrantPrivilegium(**(right | {"aktor": other}), av=other, privilegium="SVARUT.SEND")
        for event, by in ((refused, other), (taken, ADMIN_A)):
            await system.log.append(event, about(event, by=By(by)))
        connection = system.connection

        async def found() -> list[Any]:
            return await connection.fetch(query.replace("'…'", "$1"), on)

        await eventually_found(lambda: _has_length(found, 3))
        first, second, third = await found()
    told = [(one["endring"], one["aktor"], one["privilegium"], one["av"], one["lovhjemmel"]) for one in (second, third)]
    assert told == [
        ("GITT", INTEGRASJON, "SVARUT.SEND", ADMIN_A, law),
        ("TATT", INTEGRASJON, "SVARUT.SEND", ADMIN_A, None),
    ]
    assert (first["aktor"], first["endring"], first["av"]) == (ADMIN_A, "GITT", None)
    assert second["tidspunkt"] == at.time
    [at_log] = [
        one
        for one in system.records("fiks.konfigurasjon")
        if (one.partition, one.offset) == (second["partisjon"], second["plass"])
    ]
    assert dict(at_log.headers)["ce_id"].decode() == second["hendelse_id"]


async def _has_length(found: Callable[[], Awaitable[list[Any]]], length: int) -> bool:
    return len(await found()) == length


def _but_steps(rows: Rows) -> Rows:
    return {name: lines for name, lines in rows.items() if name not in (STEG, KOMMANDO)}


async def _shown(system: Backbone) -> Rows:
    version = await versions.live(system.connection, projected)
    assert version
    return await rows_in(system.connection, versions.schema_of("konfigurasjon", version[0]))


def _remembered(memory: Memory) -> Rows:
    return not_empty(rows_of(memory.configuration.streams()))
