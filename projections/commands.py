"""The commands of those who run the system: migrate, worker, rebuild."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from infra import telemetry
from infra.migrate import migrate as apply_migrations
from infra.settings import Settings
from projections import compare, versions
from projections import rebuild as rebuilding
from projections.projection import Projection, projections
from projections.worker import ROLES, work

NAMES = click.argument("names", nargs=-1, type=click.Choice(sorted(projections())))
console = Console(stderr=True)


@click.command()
def migrate() -> None:
    """Bring the database to this release, and make the projections that it does not have yet."""

    async def run() -> None:
        connection = await asyncpg.connect(Settings().postgres)
        try:
            for name in await apply_migrations(connection):
                click.echo(f"applied {name}")
            for projection in projections().values():
                async with connection.transaction():
                    if await versions.install(connection, projection):
                        click.echo(f"made projection {projection.name}")
        finally:
            await connection.close()

    asyncio.run(run())


@click.command()
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="Play this role; without: all of them.")
def worker(roles: tuple[str, ...]) -> None:
    """Run a worker until it is told to stop (SIGTERM)."""
    settings = Settings()
    telemetry.start(settings, "worker")
    uvloop.run(work(settings, roles or ROLES))


@click.command()
@NAMES
@click.option("--outdated", is_flag=True, help="Those that an earlier release built, by other logic: after an upgrade.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 64), help="How many to use.")
@click.option("--check", is_flag=True, help="Compare a rebuilt version with the live one, row by row; switch nothing.")
@click.option("--cancel", is_flag=True, help="Drop what an interrupted rebuild has built.")
def rebuild(names: tuple[str, ...], outdated: bool, processes: int, check: bool, cancel: bool) -> None:
    """Rebuild projections from the log beside the live ones, then switch; reads go on all the time.

    Interrupt it at any time: the next run goes on where it stopped.
    """
    if bool(names) == outdated:
        raise click.UsageError("Name the projections, or say --outdated.")
    if check and cancel:
        raise click.UsageError("Say --check or --cancel, not both.")
    chosen = asyncio.run(_outdated()) if outdated else [projections()[name] for name in names]
    if not chosen:
        click.echo("every projection is as this release builds it")
    elif cancel:
        asyncio.run(_cancel(chosen))
    elif check:
        sys.exit(asyncio.run(_check(chosen, processes)))
    else:
        try:
            asyncio.run(_rebuild(chosen, processes))
        except KeyboardInterrupt:
            click.echo("\nThe same command goes on where this one stopped; --cancel drops what it has built.", err=True)
            raise


async def _outdated() -> list[Projection]:
    connection = await _connect(Settings())
    try:
        return [one for one in projections().values() if await versions.is_outdated(connection, one)]
    finally:
        await connection.close()


async def _rebuild(chosen: list[Projection], count: int) -> None:
    settings = Settings()
    connection = await _connect(settings)
    try:
        with _progress("rebuilding " + ", ".join(one.name for one in chosen)) as progress:
            made = await rebuilding.rebuild(connection, settings.kafka, chosen, count, progress)
        for name, version in made.items():
            click.echo(f"{name} is live as version {version}")
    finally:
        await connection.close()


async def _check(chosen: list[Projection], count: int) -> int:
    settings, differing = Settings(), 0
    connection, snapshot = await _connect(settings), await _connect(settings)
    try:
        for projection in chosen:
            with _progress(f"rebuilding {projection.name} to compare it") as progress:
                found = await compare.check(connection, snapshot, settings.kafka, projection, count, progress)
            differing += found.differing
            click.echo(f"{projection.name}: {found.rows} rows compared, {found.differing} differ")
            for one in found.differences:
                click.echo(f"  {one.table} {one.key}\n    live:    {one.live}\n    rebuilt: {one.rebuilt}")
    finally:
        await connection.close()
        await snapshot.close()
    return 1 if differing else 0


async def _cancel(chosen: list[Projection]) -> None:
    connection = await _connect(Settings())
    try:
        for projection in chosen:
            dropped = await rebuilding.cancel(connection, projection)
            click.echo(f"{projection.name}: {'dropped what was built' if dropped else 'nothing was being built'}")
    finally:
        await connection.close()


async def _connect(settings: Settings) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(settings.postgres, server_settings={"lock_timeout": "2s"})


@contextmanager
def _progress(text: str) -> Iterator[rebuilding.Progress]:
    """A bar with events carried, the time so far and an estimate; its last state alone where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(text, total=0)
        yield lambda done, total: bar.update(task, completed=done, total=max(total, 1))
