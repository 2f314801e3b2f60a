"""A destroyed key leaves Kafka's files: the bytes themselves are looked for, with the topic's bounds made short."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from infra.ends import Ends
from infra.keys import Table
from schemas import topics as declared
from schemas.topics import NOKKEL
from streams import topics
from streams.keys import Following
from tests.support.backbone import Backbone, backbone
from tests.support.stack import OwnKafka, temporary_folder

SHORT = {
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "file.delete.delay.ms": "100",
    "delete.retention.ms": "1000",
}


async def test_the_bytes_of_a_destroyed_key_are_gone_from_the_files_though_nothing_else_is_said(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = replace(NOKKEL, partitions=1, settings=NOKKEL.settings | SHORT)
    monkeypatch.setattr(declared, "NOKKEL", brief)
    monkeypatch.setattr(topics, "NOKKEL", brief)
    monkeypatch.setattr("infra.keys.NOKKEL", brief)
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        topics.apply(server.bootstrap, 1)
        try:
            async with backbone(server.bootstrap, database, tmp_path) as system:
                await _destroy_and_look(system, folder, Ends(server.bootstrap, brief))
        finally:
            await server.stop()


async def _destroy_and_look(system: Backbone, folder: Path, ends: Ends) -> None:
    async with system.worker([Following(system.log, close_after=1.5)]) as worker:
        table = Table(worker._pool, ends)
        kept, gone = f"test:{uuid4()}", f"test:{uuid4()}"
        await asyncio.gather(system.log.keys.create(kept), system.log.keys.create(gone))
        await table.catch_up()
        wrapped = await table.load([kept, gone])
        assert _lies_in(folder, wrapped[gone])
        await system.log.keys.destroy(gone)
        while _lies_in(folder, wrapped[gone]):
            await asyncio.sleep(0.5)
        assert _lies_in(folder, wrapped[kept])
        assert (await table.load([kept, gone])).keys() == {kept}
        # And whoever builds the table anew from what is left comes to the end of the topic.
        await system.connection.execute("truncate nokkel, nokkel_slettet")
        await system.connection.execute("delete from checkpoint where name = 'nokler'")
    async with system.worker([Following(system.log, close_after=1.5)]) as worker:
        table = Table(worker._pool, ends, patience=60)
        await table.catch_up()
        assert (await table.load([kept, gone])).keys() == {kept}


def _lies_in(folder: Path, wrapped: bytes) -> bool:
    """Whether the bytes are in any file of the topic, those about to be deleted included."""
    files = [file for file in folder.rglob("*") if "fiks.nokkel-" in str(file) and file.is_file()]
    return any(wrapped in _bytes_of(file) for file in files)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # cleaned away meanwhile
        return b""
