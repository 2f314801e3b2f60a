"""Dokumentlager while the log is away, and while PostgreSQL is."""

from __future__ import annotations

import asyncio

from infra.metrics import DOWNLOADS_MISSED
from tests.support.dokumentlager import Lager, lager_on
from tests.support.gateway import until_log_takes
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder

TOLD = "Dokumentet er lastet ned"


def missed() -> float:
    """How many downloads this process could not tell of."""
    return next(one.value for metric in DOWNLOADS_MISSED.collect() for one in metric.samples if "_total" in one.name)


async def downloads_told(lager: Lager, dokument_id: str) -> int:
    known = await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")
    return str(known.json.get("hendelser")).count(TOLD)


async def test_downloading_works_while_the_log_is_away_and_uploading_while_postgresql_is() -> None:
    with temporary_folder() as folder:
        kafka, postgres = OwnKafka(folder), OwnPostgres(folder)
        async with lager_on(folder, kafka, postgres) as (lager, _):
            dokument_id, before = await lager.uploaded(b"innhold"), missed()
            assert await downloads_told(lager, dokument_id) == 0

            await kafka.kill()
            got = await lager.download(dokument_id)
            assert (got.status, got.body) == (200, b"innhold")
            assert missed() == before + 1

            await kafka.start()
            await until_log_takes(lager.app)
            assert (await lager.download(dokument_id)).status == 200
            assert missed() == before + 1
            while not (told := await downloads_told(lager, dokument_id)):
                await asyncio.sleep(0.1)
            assert told == 1, "and of those before it there is no event"

            await postgres.kill()
            await lager.uploaded(b"uten database")  # is answered 201
            await postgres.start()
