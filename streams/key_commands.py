"""The commands of the key-encryption keys: fiks keys rotate | add | rewrap | retire | begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from infra.database import pool_of
from infra.ends import Ends
from infra.keys import Table
from infra.kms import keks
from infra.settings import Settings
from schemas.topics import NOKKEL
from streams.log import Log
from streams.rotation import Rotation

PATIENCE = 60.0


@click.group()
def keys() -> None:
    """The keys that wrap the data keys."""


@keys.command()
def rotate() -> None:
    """A new generation, and every data key wrapped with it: add and rewrap, where all processes share one file."""
    asyncio.run(_add())
    asyncio.run(_rewrap())


@keys.command()
def add() -> None:
    """A new generation in the file, which wraps from here on. Give the file to all hosts, then rewrap."""
    asyncio.run(_add())


@keys.command()
def rewrap() -> None:
    """Wrap every data key with the newest generation; no content is touched. Needs a worker that follows the keys."""
    asyncio.run(_rewrap())


@keys.command()
def retire() -> None:
    """Drop the generations that wrap nothing any more: copies of old wrapped keys are worth nothing then."""
    asyncio.run(_retire())


@keys.command()
@click.confirmation_option(prompt="What was sealed under the file that is lost can never be opened again. Begin anew?")
def begin() -> None:
    """Make the file anew where the one that was is lost for good. Nothing else needs it: the first start makes one."""
    asyncio.run(keks(Settings()).begin())
    click.echo("what comes is sealed under a file made anew: give it to all hosts, and keep a copy")


async def _add() -> None:
    click.echo(f"generation {await keks(Settings()).add()} wraps from here on")


async def _rewrap() -> None:
    async with _rotation() as rotation:
        click.echo(f"{await rotation.rewrap()} data keys rewrapped")


async def _retire() -> None:
    async with _rotation() as rotation:
        dropped = sorted(await rotation.retire())
    click.echo(f"dropped generation {', '.join(map(str, dropped))}" if dropped else "every older generation is in use")


@asynccontextmanager
async def _rotation() -> AsyncIterator[Rotation]:
    settings = Settings()
    log, pool = Log(settings.kafka), await pool_of(settings.postgres, 2)
    await log.start()
    try:
        yield Rotation(keks(settings), log, pool, Table(pool, Ends(settings.kafka, NOKKEL), PATIENCE))
    finally:
        await log.stop()
        await pool.close()
