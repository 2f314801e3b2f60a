"""The gateway's memory against a real broker: what it folds, what it skips, what it waits for, and outages."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from gateway.auth.memory import Memory
from schemas.codec import MAGIC, PREFIX, encode
from schemas.envelope import Headers
from schemas.svarut import ForsendelseAkseptert
from schemas.topics import Topic
from streams.domain.errors import Unavailable
from streams.log import Log
from tests.support.eventually import eventually
from tests.support.stack import OwnKafka, temporary_folder
from tests.support.topical import OWNER, Topical, create, headers, konto, topical


@asynccontextmanager
async def remembering(of: Topical) -> AsyncIterator[Memory]:
    memory = Memory(of.bootstrap, of.topic)
    await memory.start()
    yield memory
    await memory.stop()


@pytest.fixture
async def own(kafka: str) -> AsyncIterator[Topical]:
    async with topical(kafka) as own:
        yield own


async def test_it_is_ready_when_it_has_met_what_was_there_and_goes_on(own: Topical) -> None:
    before = [await own.konto() for _ in range(3)]
    async with remembering(own) as memory:
        assert not memory.ready
        assert memory.staleness == float("inf")
        await eventually(lambda: memory.ready)
        assert memory.staleness < float("inf"), "what it has met, it met when it asked how much there was"
        assert all(memory.ressurs(one) for one in before)
        after = await own.konto()
        await eventually(lambda: memory.ressurs(after) is not None)
        await eventually(lambda: memory.staleness < float("inf"))


async def test_an_empty_topic_of_many_partitions_is_ready_at_once(kafka: str) -> None:
    async with topical(kafka, partitions=12) as own, remembering(own) as memory:
        await eventually(lambda: memory.ready and memory.staleness < float("inf"))


async def test_a_topic_that_does_not_exist_yet_is_waited_for(kafka: str) -> None:
    topic = Topic(f"test.konfigurasjon.{uuid4().hex}", "made later", 1)
    memory = Memory(kafka, topic)
    await memory.start()
    with capture_logs() as logs:
        await eventually(lambda: any(line["event"] == "the log cannot be read; trying again" for line in logs))
    assert not memory.ready
    create(kafka, topic)
    await eventually(lambda: memory.ready)
    await memory.stop()


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (b"garbage", headers(konto(uuid4()))),
        (None, headers(konto(uuid4()))),
        (encode(konto(uuid4()))[:-3], headers(konto(uuid4()))),
        (encode(konto(uuid4())), headers(konto(uuid4()), ce_type="PrivilegieTildelt")),
        (encode(ForsendelseAkseptert(forsendelse_id=OWNER)), headers(konto(uuid4()))),
        (encode(konto(uuid4(), fiks_org_id=uuid4())), headers(konto(uuid4()))),
    ],
    ids=["garbage", "no value", "cut off", "another type than it says", "of another topic", "of another stream"],
)
async def test_what_can_never_be_read_is_told_and_left(own: Topical, value: Any, described: Headers) -> None:
    with capture_logs() as logs:
        await own.append(value, described)
        after = await own.konto()
        async with remembering(own) as memory:
            await eventually(lambda: memory.ready)
            assert memory.ressurs(after)
    assert [line["at"] for line in logs if line["log_level"] == "error"] == [f"{own.topic.name}/0/0"]


@pytest.mark.parametrize("described", [[], headers(konto(uuid4()), ce_type="NoeNytt")], ids=["none", "new"])
async def test_types_that_it_does_not_fold_are_not_decoded(own: Topical, described: Headers) -> None:
    await own.append(b"never decoded", described)
    after = await own.konto()
    with capture_logs() as logs:
        async with remembering(own) as memory:
            await eventually(lambda: memory.ready)
            assert memory.ressurs(after)
    assert [line["log_level"] for line in logs if line["event"] == "the memory does not fold this type of event"] == [
        "warning"
    ]


async def test_a_newer_schema_of_a_type_that_it_folds_makes_it_not_ready(own: Topical) -> None:
    event = konto(uuid4())
    before = await own.konto()
    async with remembering(own) as memory:
        await eventually(lambda: memory.ready)
        with capture_logs() as logs:
            await own.append(PREFIX.pack(MAGIC, 999_999) + b"x", headers(event))
            await eventually(lambda: not memory.ready)
        after = await own.konto()
        assert [line["offset"] for line in logs if line["log_level"] == "error"] == [1]
        assert memory.ressurs(before), "what it knew, it knows"
    with capture_logs() as logs:
        async with remembering(own) as restarted:
            await eventually(lambda: any(line["event"] == "waits for a newer release" for line in logs))
            assert not restarted.ready
            assert restarted.ressurs(before)
            assert restarted.ressurs(after) is None, "nothing behind what cannot be read yet counts"


async def test_who_would_refuse_is_told_when_there_is_more_to_know(own: Topical) -> None:
    async with remembering(own) as memory:
        await eventually(lambda: memory.ready)
        for _ in range(20):
            moment = memory.moment
            there = await own.konto()
            assert await memory.has_moved_on(moment)
            assert memory.ressurs(there)
        assert not await memory.has_moved_on(memory.moment)


async def test_what_only_a_newer_release_can_read_keeps_nobody_waiting(own: Topical) -> None:
    async with remembering(own) as memory:
        await own.append(PREFIX.pack(MAGIC, 999_999) + b"x", headers(konto(uuid4())))
        await eventually(lambda: bool(memory._follower._waiting))
        assert not await memory.has_moved_on(memory.moment)


async def test_it_is_as_old_as_it_is_where_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who is cut off from the log would let those in for an hour more whose rights are gone."""
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        topic = Topic("konfigurasjon", "of one test", 1)
        create(server.bootstrap, topic)
        memory = Memory(server.bootstrap, topic)
        await memory.start()
        await eventually(lambda: memory.ready)
        await server.kill()
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 3600)
        await eventually(lambda: memory.staleness > 2)
        await memory.stop()


async def test_it_survives_a_broker_that_goes_away() -> None:
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        topic = Topic("konfigurasjon", "of one test", 1)
        memory = Memory(server.bootstrap, topic)
        await memory.start()  # nobody is there yet
        await server.start()
        create(server.bootstrap, topic)
        log = Log(server.bootstrap)
        await log.start()
        own = Topical(server.bootstrap, log, topic)
        before = await own.konto()
        await eventually(lambda: memory.ready and memory.ressurs(before) is not None)
        await server.kill()
        was = memory.staleness
        await eventually(lambda: memory.staleness > was + 1)
        assert not await memory.has_moved_on(memory.moment)
        assert memory.ready
        assert memory.ressurs(before)
        await server.start()
        after = None
        while after is None:
            with suppress(Unavailable):
                after = await own.konto()
        await eventually(lambda: memory.ressurs(after) is not None)
        await memory.stop()
        await log.stop()
        await server.stop()
