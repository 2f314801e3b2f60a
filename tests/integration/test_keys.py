"""Data keys on a real log and in a real table: made, read, destroyed, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from infra.database import SESSION
from infra.ends import Ends
from infra.keks import InTheClear, Keks
from infra.keys import FOLLOWER, Keys, Table, new_key, say
from infra.kms import keks
from infra.settings import Settings
from schemas.topics import NOKKEL
from streams import topics
from streams.agents import Lot
from streams.domain.errors import Unavailable
from streams.keys import Following
from streams.reader import Claim
from streams.rotation import Rotation
from tests.support.backbone import Backbone
from tests.support.eventually import eventually_found
from tests.support.records import Record
from tests.support.stack import OwnKafka, temporary_folder


def new_id() -> str:
    return f"test:{uuid4()}"


@asynccontextmanager
async def following(system: Backbone) -> AsyncIterator[Keys]:
    """A worker that follows the keys, and the keys of another process, which remembers nothing."""
    async with system.worker([Following(system.log)]) as worker:
        other = Keys(keks(system.settings), system.log)
        other.table = Table(worker._pool, Ends(system.settings.kafka, NOKKEL))
        yield other


async def test_a_key_that_was_just_made_is_read_by_another_process(system: Backbone) -> None:
    async with following(system) as other:
        ids = [new_id() for _ in range(50)]
        made = dict(zip(ids, await asyncio.gather(*map(system.log.keys.create, ids)), strict=True))
        assert await other.get_many(ids) == made
        assert len(set(made.values())) == len(ids)


async def test_a_destroyed_key_is_absent_and_the_others_are_not(system: Backbone) -> None:
    async with following(system) as other:
        gone, kept = new_id(), new_id()
        await system.log.keys.create(gone)
        key = await system.log.keys.create(kept)
        await system.log.keys.destroy(gone)
        await other.table.catch_up()
        assert await other.get_many([gone, kept]) == {kept: key}
        assert await system.log.keys.get_many([gone, kept]) == {kept: key}


async def test_all_keys_of_an_id_are_destroyed_and_their_tombstones_told(system: Backbone) -> None:
    async with following(system) as other:
        id_ = new_id()
        await system.log.keys.create(id_)
        name, _ = await other.for_sealing(id_)  # does not know the key, so it makes another one
        assert name.startswith(f"{id_}#")
        await system.log.keys.destroy(id_)
        await other.table.catch_up()
        assert await other.table.load([id_, name]) == {}
        await _until(system, lambda said: said[name] is None and said[id_] is None)


async def test_one_key_of_an_id_is_destroyed_and_nothing_is_sealed_by_it_any_more(system: Backbone) -> None:
    async with following(system) as other:
        id_, drawn = new_id(), new_key()
        kept, gone = f"{id_}#a", f"{id_}#b"
        await system.log.keys.create(kept, drawn)
        await system.log.keys.create(gone)
        assert (await system.log.keys.for_sealing(id_))[0] == gone
        await system.log.keys.destroy(gone)
        await other.table.catch_up()
        assert await other.get_many([kept, gone]) == await system.log.keys.get_many([kept]) == {kept: drawn}
        assert (await system.log.keys.for_sealing(id_))[0] not in (kept, gone)


async def test_sealing_goes_on_under_the_same_key_without_a_table(system: Backbone) -> None:
    id_ = new_id()
    assert system.log.keys.table is None
    assert await system.log.keys.for_sealing(id_) == await system.log.keys.for_sealing(id_)


async def test_few_keys_take_one_statement_and_a_name_that_is_put_again_is_asked_about(system: Backbone) -> None:
    name, work, said = new_id(), Following(system.log), list[str]()
    wrapped = await keks(system.settings).wrap(name, new_key())
    partition = TopicPartition(NOKKEL.name, 0)
    await work.load(system.connection, [partition])
    numbers = []
    for offset, value in enumerate([wrapped, None, wrapped]):
        record = Record(NOKKEL.name, 0, offset, name.encode(), value, [])  # type: ignore[arg-type]  # a tombstone
        said.clear()
        with system.connection.query_logger(lambda query: said.append(query.query)):
            await work.carry(system.connection, [Lot(Claim(partition, carried=offset), [record], ())])  # type: ignore[list-item]
            await asyncio.sleep(0)  # it is told of a statement a moment later
        numbers.append(sum("nokkel" in one for one in said))
    assert numbers == [1, 2, 3]
    assert not await system.connection.fetch("select from nokkel where name = $1", name)


async def test_what_is_said_of_a_key_after_it_was_destroyed_does_not_bring_it_back(system: Backbone) -> None:
    async with following(system) as other:
        id_ = new_id()
        await system.log.keys.create(id_)
        await other.get_many([id_])
        wrapped = await system.connection.fetchval("select wrapped from nokkel where name = $1", id_)
        await system.log.keys.destroy(id_)
        await say(system.log, id_, wrapped)  # a rewrapping that was overtaken
        await other.table.catch_up()
        assert await other.table.load([id_]) == {}
        await _until(system, lambda said: said[id_] is None)


async def test_a_table_that_is_filled_anew_is_the_same(system: Backbone) -> None:
    async with following(system) as other:
        kept, gone = new_id(), new_id()
        await asyncio.gather(system.log.keys.create(kept), system.log.keys.create(gone))
        await system.log.keys.destroy(gone)
        await other.table.catch_up()
        assert (await other.get_many([kept, gone])).keys() == {kept}
    before = await _rows(system)
    await system.connection.execute("truncate nokkel, nokkel_slettet")
    await system.connection.execute("delete from checkpoint where name = $1", FOLLOWER)
    async with following(system) as other:
        assert (await other.get_many([kept, gone])).keys() == {kept}
        assert await _rows(system) == before


async def test_a_key_that_is_missing_is_not_called_erased_before_the_table_has_caught_up(system: Backbone) -> None:
    async with following(system) as other:
        await other.get_many([new_id()])
    id_ = new_id()
    await system.log.keys.create(id_)  # nobody follows now
    async with system.worker([]) as worker:
        waiting = Keys(keks(system.settings), system.log)
        waiting.table = Table(worker._pool, Ends(system.settings.kafka, NOKKEL), patience=2)
        with pytest.raises(Unavailable, match="ikke klare"):
            await waiting.get_many([id_])


async def test_a_log_without_key_encryption_keys_refuses_personal_text(system: Backbone) -> None:
    with pytest.raises(LookupError, match="key-encryption keys"):
        await Keys(None, system.log).for_sealing(new_id())


@pytest.fixture
async def own_keks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that no other test needs: generations of it are dropped."""
    await Keks(tmp_path / "keks.json", InTheClear()).begin()
    monkeypatch.setenv("FIKS_KEK_FILE", str(tmp_path / "keks.json"))


@pytest.mark.usefixtures("own_keks")
async def test_rotation_wraps_every_key_anew_and_nothing_else(system: Backbone) -> None:
    async with following(system) as other:
        ids = [new_id() for _ in range(30)]
        made = dict(zip(ids, await asyncio.gather(*map(system.log.keys.create, ids)), strict=True))
        assert other.table is not None
        await other.table.catch_up()
        before = await other.table.load(ids)
        rotation = Rotation(keks(system.settings), system.log, other.table._pool, other.table)
        assert await keks(system.settings).add() == 2
        assert await rotation.retire() == set()  # the old one still wraps everything
        await system.connection.execute("delete from nokkel where not name = any($1)", ids)  # of other tests' files
        assert await rotation.rewrap() == len(ids)
        after = await other.table.load(ids)
        assert not set(before.values()) & set(after.values())
        assert await rotation.retire() == {1}
        assert await other.get_many(ids) == made
        assert await keks(system.settings).unwrap(after) == made


@pytest.mark.usefixtures("own_keks")
async def test_a_table_that_takes_long_to_read_keeps_no_generation_from_being_retired(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SESSION, "statement_timeout", "1s")
    monkeypatch.setattr("infra.database.ANSWER", 1.5)
    monkeypatch.setattr("streams.rotation.USED", "select 2 as generation, pg_sleep(2)")
    async with following(system) as other:
        assert other.table is not None
        rotation = Rotation(keks(system.settings), system.log, other.table._pool, other.table)
        await system.log.keys.create(new_id())
        assert await keks(system.settings).add() == 2
        assert await rotation.retire() == {1}


async def _rows(system: Backbone) -> list[Any]:
    return await system.connection.fetch("select name, wrapped from nokkel order by name")


async def _until(system: Backbone, true: Any) -> None:
    """Wait until it is true of what the topic says of each name last."""
    while True:
        said = {record.key.decode(): record.value or None for record in system.records(NOKKEL.name)}
        if true(said):
            return
        await asyncio.sleep(0.1)


async def test_a_file_that_is_gone_is_not_made_anew(system: Backbone, tmp_path: Path) -> None:
    """A volume that is not mounted: what were sealed under a new one would be lost as soon as it is mounted again."""
    await system.log.keys.create(new_id())
    settings = system.settings.model_copy(update={"kek_file": tmp_path / "volume" / "keks.json"})
    elsewhere = keks(settings)
    with capture_logs() as logs, pytest.raises(Unavailable) as refused:
        await elsewhere.wrap("test:1", new_key())
    assert "is its volume mounted" in logs[-1]["why"]
    assert str(tmp_path) not in str(refused.value), "callers hear of no file"
    with pytest.raises(Unavailable, match="is its volume mounted"):
        await elsewhere.add()
    assert not (tmp_path / "volume").exists()
    await elsewhere.begin()
    await elsewhere.wrap("test:1", new_key())
    (tmp_path / "volume" / "keks.json").unlink()
    with pytest.raises(Unavailable):
        await elsewhere.wrap("test:1", new_key())


async def test_the_first_file_is_made_by_itself_once_the_log_says_that_nothing_was_sealed(tmp_path: Path) -> None:
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        settings = Settings(kafka=server.bootstrap, kek_file=tmp_path / "keks.json")
        with pytest.raises(Unavailable):
            await keks(settings).wrap("test:1", new_key())
        assert not settings.kek_file.exists()
        await server.start()
        topics.apply(server.bootstrap, 1)

        async def is_made() -> bool:
            with suppress(Unavailable):
                await keks(settings).wrap("test:1", new_key())
            return settings.kek_file.exists()

        await eventually_found(is_made)
        await server.stop()
