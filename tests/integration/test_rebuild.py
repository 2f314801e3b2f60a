"""Rebuilding while the system runs: nobody is shown less than before, and what is rebuilt is what was live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.cli import cli
from infra.database import Connection
from projections import rebuild as rebuilding
from projections import versions
from projections.compare import check
from projections.gauges import watch_projections
from projections.projection import projections
from projections.rebuild import Positions, RebuildFailed, cancel, end_offsets, group_of, prepare, processes, reached
from projections.worker import projected_ends
from schemas.topics import TOPICS
from streams.agents import BLOCKED
from streams.domain.errors import Unavailable
from tests.support.backbone import Backbone
from tests.support.eventually import eventually

STATUS = projections()["svarut_status"]
AUDIT = projections()["audit"]


def silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest_asyncio.fixture
async def operator(system: Backbone, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    """The connection of whoever rebuilds, and the surroundings that the processes of a rebuild find."""
    monkeypatch.setenv("FIKS_KAFKA", system.settings.kafka)
    monkeypatch.setenv("FIKS_POSTGRES", system.settings.postgres)
    monkeypatch.setenv("FIKS_STATE", str(system.settings.state))
    connection = await asyncpg.connect(system.settings.postgres, server_settings={"lock_timeout": "2s"})
    yield connection
    await connection.close()


async def fiks_rebuild(*arguments: str) -> Result:
    """As whoever types it sees it, where ``operator`` has set the surroundings."""
    return await asyncio.to_thread(CliRunner().invoke, cli, ["rebuild", *arguments])


async def live_version(system: Backbone) -> int:
    found = await versions.live(system.connection, STATUS)
    assert found is not None
    return found[0]


async def test_a_rebuild_under_load_shows_nobody_less_than_before(system: Backbone, operator: Connection) -> None:
    ids: list[UUID] = []
    seen: dict[UUID, int] = {}
    order = ["MOTTATT", "AKSEPTERT", "SENDT_ALTINN"]

    async def keep_sending() -> None:
        while True:
            with suppress(Unavailable):  # as whoever sends tries again
                ids.extend(await system.send(5))
            await asyncio.sleep(0.02)

    async def keep_reading() -> None:
        connection = await asyncpg.connect(system.settings.postgres)
        try:
            while True:
                rows = await connection.fetch("select forsendelse_id, status from read.svarut_status")
                now = {row["forsendelse_id"]: order.index(row["status"]) for row in rows}
                assert all(now.get(one, -1) >= was for one, was in seen.items()), "a reader saw an older state"
                seen.update(now)
                await asyncio.sleep(0.005)
        finally:
            await connection.close()

    async with system.worker():
        busy = [asyncio.create_task(keep_sending()), asyncio.create_task(keep_reading())]
        made = await rebuilding.rebuild(operator, system.settings.kafka, [STATUS, AUDIT], 2, silent)
        await asyncio.sleep(1)
        for task in busy:
            assert not task.done() or task.exception() is None, task.exception()
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await system.until_status(ids, "SENDT_ALTINN")
    assert made == {"svarut_status": 2, "audit": 2}
    assert await live_version(system) == 2
    assert await system.connection.fetchval("select to_regnamespace('svarut_status_v1')") is None
    assert await system.connection.fetchval("select count(*) from checkpoint where version = 1 and name = 'audit'") == 0


async def test_a_rebuild_equals_what_is_live_and_a_planted_difference_is_found(
    system: Backbone, operator: Connection
) -> None:
    async with system.worker():
        await system.until_status(await system.send(30), "SENDT_ALTINN")
        snapshot = await asyncpg.connect(system.settings.postgres)
        for projection in (STATUS, AUDIT):
            found = await check(operator, snapshot, system.settings.kafka, projection, 1, silent)
            assert (found.differing, found.rows > 30) == (0, True)
        schema = versions.schema_of("svarut_status", await live_version(system))
        changed, gone, *_ = [r[0] for r in await operator.fetch(f"select forsendelse_id from {schema}.svarut_status")]
        await operator.execute(f"update {schema}.svarut_status set status = 'LEST' where forsendelse_id = $1", changed)
        await operator.execute(f"delete from {schema}.svarut_status where forsendelse_id = $1", gone)
        found = await check(operator, snapshot, system.settings.kafka, STATUS, 1, silent)
        await snapshot.close()
    differences = {one.key[0]: one for one in found.differences}
    assert differences.keys() == {changed, gone}
    assert differences[gone].live is None
    assert (differences[changed].live or {})["status"] == "LEST"
    assert (differences[changed].rebuilt or {})["status"] == "SENDT_ALTINN"
    assert await operator.fetchval("select count(*) from building") == 0


async def test_the_command_that_compares_ends_with_one_where_a_row_differs_and_shows_both(
    system: Backbone, operator: Connection
) -> None:
    async with system.worker():
        await system.until_status(ids := await system.send(3), "SENDT_ALTINN")
        same = await fiks_rebuild("svarut_status", "--check")
        schema = versions.schema_of("svarut_status", await live_version(system))
        await operator.execute(f"update {schema}.svarut_status set status = 'LEST' where forsendelse_id = $1", ids[1])
        differs = await fiks_rebuild("svarut_status", "--check")
    assert (same.exit_code, "rows compared, 0 differ\n" in same.stdout) == (0, True)
    assert (differs.exit_code, "rows compared, 1 differ\n" in differs.stdout) == (1, True)
    live, rebuilt = differs.stdout.partition(str(ids[1]))[2].splitlines()[1:3]
    assert ("live:" in live, "'LEST'" in live) == ("rebuilt:" in rebuilt, "'SENDT_ALTINN'" in rebuilt) == (True, True)
    assert await live_version(system) == 1


async def test_an_interrupted_rebuild_goes_on_where_it_stopped(system: Backbone, operator: Connection) -> None:
    async with system.worker():
        await system.until_status(await system.send(50), "SENDT_ALTINN")
    building = {STATUS: await prepare(operator, STATUS)}
    ends = end_offsets(system.settings.kafka, ["fiks.svarut"])
    half: Positions = {partition: end // 2 for partition, end in ends.items()}
    async with processes(["svarut_status"], group_of(building), 1, half) as running:
        await reached(operator, building, half, running, silent)
    assert await versions.checkpoints(operator, "svarut_status", building[STATUS]) == half
    assert await prepare(operator, STATUS) == building[STATUS]
    started: list[int] = []
    made = await rebuilding.rebuild(operator, system.settings.kafka, [STATUS], 1, lambda done, _: started.append(done))
    assert made == {"svarut_status": building[STATUS]}
    assert started[0] >= sum(half.values())


async def test_a_rebuild_that_was_interrupted_after_the_indexes_goes_on_too(
    system: Backbone, operator: Connection
) -> None:
    version = await prepare(operator, AUDIT)
    async with operator.transaction():
        await versions.index(operator, AUDIT, version)
    assert await rebuilding.rebuild(operator, system.settings.kafka, [AUDIT], 1, silent) == {"audit": version}


async def test_two_do_not_rebuild_the_same_at_once(system: Backbone, operator: Connection) -> None:
    other = await asyncpg.connect(system.settings.postgres)
    await rebuilding.alone(other, [AUDIT])
    with pytest.raises(rebuilding.RebuildFailed, match="already"):
        await rebuilding.rebuild(operator, system.settings.kafka, [STATUS, AUDIT], 1, silent)
    await other.close()
    await rebuilding.alone(operator, [AUDIT])


async def test_what_is_being_built_is_not_dropped_under_its_builder(system: Backbone, operator: Connection) -> None:
    builder = await asyncpg.connect(system.settings.postgres)
    await rebuilding.alone(builder, [STATUS])
    version = await prepare(builder, STATUS)
    with pytest.raises(RebuildFailed, match="already"):
        await cancel(operator, STATUS)
    await builder.close()
    assert await prepare(operator, STATUS) == version


async def test_a_rebuild_that_is_done_says_that_all_is(
    system: Backbone, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SWITCH_WAIT", 60)  # so few events are carried while the switch waits for them
    told: list[tuple[int, int]] = []
    async with system.worker():
        await system.until_status(await system.send(5), "SENDT_ALTINN")
        await system.until_projected("svarut_status")
        await rebuilding.rebuild(
            operator, system.settings.kafka, [STATUS], 1, lambda done, total: told.append((done, total))
        )
    done, total = told[-1]
    assert done == total >= 15


async def test_comparing_says_so_where_the_live_version_is_not_read_on(
    system: Backbone, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads it on: there is no worker."""
    monkeypatch.setattr("projections.compare.PATIENCE", 0.5)
    await system.send(1)
    snapshot = await asyncpg.connect(system.settings.postgres)
    with pytest.raises(RebuildFailed, match=r"svarut_status has stood still for 0 seconds with [1-9][0-9]* events"):
        await check(operator, snapshot, system.settings.kafka, STATUS, 1, silent)
    await snapshot.close()


async def test_comparing_leaves_what_an_interrupted_rebuild_has_made(system: Backbone, operator: Connection) -> None:
    version, snapshot = await prepare(operator, STATUS), await asyncpg.connect(system.settings.postgres)
    with pytest.raises(RebuildFailed, match="not done"):
        await check(operator, snapshot, system.settings.kafka, STATUS, 1, silent)
    await snapshot.close()
    assert await prepare(operator, STATUS) == version


async def test_what_an_interrupted_rebuild_has_made_can_be_dropped(system: Backbone, operator: Connection) -> None:
    schema = versions.schema_of("svarut_status", await prepare(operator, STATUS))
    assert await operator.fetchval("select to_regnamespace($1)", schema)
    first, again = [await fiks_rebuild("svarut_status", "--cancel") for _ in range(2)]
    assert (first.exit_code, first.stdout) == (0, "svarut_status: dropped what was built\n")
    assert (again.exit_code, again.stdout) == (0, "svarut_status: nothing was being built\n")
    assert await operator.fetchval("select to_regnamespace($1)", schema) is None
    assert await live_version(system) == 1


def said_to_be_built(name: str) -> list[float | None]:
    """How many events a rebuild has applied, and how many it has to apply in all."""
    metrics = ("fiks_rebuild_events", "fiks_rebuild_events_expected")
    return [REGISTRY.get_sample_value(one, {"projection": name}) for one in metrics]


async def test_how_far_a_rebuild_has_come_is_told_until_it_is_done(
    system: Backbone, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.gauges.EVERY", 0.05)
    await system.send(20)
    ends = end_offsets(system.settings.kafka, STATUS.topics)
    half: Positions = {partition: end // 2 for partition, end in ends.items()}
    building = {STATUS: await prepare(operator, STATUS)}
    watching = asyncio.create_task(watch_projections(system.settings, dict))
    await eventually(lambda: said_to_be_built(STATUS.name) == [0, sum(ends.values())])

    async with processes([STATUS.name], group_of(building), 1, half) as running:
        await reached(operator, building, half, running, silent)
    await eventually(lambda: said_to_be_built(STATUS.name) == [sum(half.values()), sum(ends.values())])

    await rebuilding.rebuild(operator, system.settings.kafka, [STATUS], 1, silent)
    await eventually(lambda: said_to_be_built(STATUS.name) == [None, None])
    watching.cancel()


def said_to_be_gone(logs: list[EventDict]) -> list[str]:
    """The projections of which a worker has said so, in order."""
    return [one["projection"] for one in logs if one["event"].startswith("tables are gone")]


def said_to_be_lost(name: str) -> float | None:
    return REGISTRY.get_sample_value("fiks_projection_lost", {"projection": name})


def said_to_be_behind(name: str) -> float:
    """On all partitions of fiks.svarut together."""
    metric, topic = "fiks_projection_lag_events", TOPICS["fiks.svarut"]
    of = [{"projection": name, "topic": topic.name, "partition": str(one)} for one in range(topic.partitions)]
    return sum(REGISTRY.get_sample_value(metric, labels) or 0 for labels in of)


@pytest.mark.parametrize("what", ["schema svarut_status_v1", "table svarut_status_v1.svarut_hendelse"])
async def test_the_others_go_on_without_tables_that_somebody_dropped_until_a_rebuild_brings_them_back(
    system: Backbone, operator: Connection, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("projections.gauges.EVERY", 0.05)
    async with system.worker() as worker:
        watching = asyncio.create_task(watch_projections(system.settings, partial(projected_ends, worker)))
        ids = await system.send(10)
        await system.until_status(ids, "SENDT_ALTINN")
        with capture_logs() as logs:
            await operator.execute(f"drop {what} cascade")
            ids += await system.send(10)
            await system.until_projected("audit")
            await eventually(lambda: bool(said_to_be_gone(logs)))
            assert said_to_be_gone(logs) == [STATUS.name]
            await eventually(lambda: (said_to_be_lost("svarut_status"), said_to_be_lost("audit")) == (1, 0))
            await eventually(lambda: said_to_be_behind("svarut_status") >= 10 > said_to_be_behind("audit") == 0)

            await rebuilding.rebuild(operator, system.settings.kafka, [STATUS], 1, silent)
            await system.until_status(ids, "SENDT_ALTINN")
            await system.until_status(await system.send(10), "SENDT_ALTINN")
            await eventually(lambda: said_to_be_lost("svarut_status") == said_to_be_behind("svarut_status") == 0)
        assert "tables are there again" in [one["event"] for one in logs]
        watching.cancel()


async def test_a_worker_that_starts_where_the_only_projection_of_a_topic_has_no_tables_goes_on_with_the_rest(
    system: Backbone, operator: Connection
) -> None:
    """Only the audit trail reads fiks.audit."""
    await operator.execute("drop schema audit_v1 cascade")
    async with system.worker():
        await system.until_status(await system.send(10), "SENDT_ALTINN")
        await rebuilding.rebuild(operator, system.settings.kafka, [AUDIT], 1, silent)
        await system.until_status(await system.send(10), "SENDT_ALTINN")
        await system.until_projected("audit")


async def test_a_release_with_other_logic_waits_until_it_has_been_rebuilt(
    system: Backbone, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await system.send(3)
    monkeypatch.setattr(STATUS, "logic", STATUS.logic + 1)
    with capture_logs() as logs:
        async with system.worker():
            await eventually(lambda: ("projections", BLOCKED) in [(one.get("role"), one["event"]) for one in logs])
            assert not await system.statuser(ids)
            await operator.execute("update projection set logic = $1 where name = 'svarut_status'", STATUS.logic)
            await system.until_status(ids, "SENDT_ALTINN")


@pytest.mark.usefixtures("operator")
async def test_what_an_earlier_release_built_is_rebuilt_and_nothing_else(system: Backbone) -> None:
    async with system.worker():
        await system.until_status(ids := await system.send(3), "SENDT_ALTINN")
    await system.connection.execute("update projection set logic = logic - 1 where name = 'svarut_status'")

    first, again = [await fiks_rebuild("--outdated") for _ in range(2)]

    assert (first.exit_code, first.stdout) == (0, "svarut_status is live as version 2\n")
    assert (again.exit_code, again.stdout) == (0, "every projection is as this release builds it\n")
    assert await system.statuser(ids) == {"SENDT_ALTINN": 3}


@pytest.mark.parametrize("arguments", [[], ["audit", "--outdated"]])
def test_which_to_rebuild_must_be_said_once(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["rebuild", *arguments]).exit_code == 2


async def test_what_an_interrupted_switch_has_left_is_dropped_by_the_next(
    system: Backbone, operator: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else would ever know of it, and it may be very large."""

    async def interrupted(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch, suppress(asyncio.CancelledError):
        patch.setattr(rebuilding, "_drop", interrupted)
        await rebuilding.rebuild(operator, system.settings.kafka, [STATUS], 1, silent)
    await rebuilding.rebuild(operator, system.settings.kafka, [STATUS], 1, silent)
    there = await operator.fetch("select nspname from pg_namespace where nspname like 'svarut_status_v%'")
    assert [row["nspname"] for row in there] == [f"svarut_status_v{await live_version(system)}"]


async def test_dropping_an_old_version_ends_with_the_connection(operator: Connection) -> None:
    await operator.close()
    with pytest.raises(asyncpg.InterfaceError):
        await asyncio.wait_for(rebuilding._drop(operator, STATUS.name, 1), 3)
