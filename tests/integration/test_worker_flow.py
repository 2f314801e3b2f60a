"""The worker end to end: facts in, decisions and rows out; joins and leaves; poison, bugs and newer releases."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psutil
import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from prometheus_client import REGISTRY

from infra.database import Connection
from infra.partitions import partition_of
from projections.projecting import Prepared, Projecting
from projections.projection import projections
from projections.rebuild import end_offsets
from schemas.codec import MAGIC, PREFIX, encode
from schemas.envelope import Position
from schemas.errors import NotYetKnown
from schemas.registry import by_id
from schemas.svarut import Adresse, DokumenterNedlastet, LestMeldt, StansBegjart
from schemas.topics import TOPICS
from streams import dead_letters
from streams.agents import BLOCKED, Lot
from streams.app import CONCURRENCY
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding, Met
from streams.domain.errors import Unavailable
from streams.domain.svarut import svarut
from streams.gauges import Gauges
from streams.reader import Claim
from tests.support.backbone import TOPIC, Backbone, about, mottatt
from tests.support.eventually import eventually
from tests.support.records import Record, distinct

BY_PRINT = Adresse(navn="Ola Nordmann", adresselinje1="Storgata 1", postnummer="0155", poststed="Oslo")


def types_of(system: Backbone, stream: UUID) -> list[str]:
    """The types on the log of one stream, in order, each event once."""
    records = [one for one in system.records() if one.key == str(stream).encode()]
    return [dict(one.headers)["ce_type"].decode() for one in distinct(records)]


async def test_a_fact_leads_to_decisions_and_rows(system: Backbone) -> None:
    async with system.worker():
        digital = await system.send(10)
        paper = await system.send(10, mottaker=BY_PRINT)
        await system.until_status(digital, "SENDT_ALTINN")
        await system.until_status(paper, "SENDT_PRINT")
        await system.until_projected("audit")
    assert types_of(system, paper[0]) == ["ForsendelseMottatt", "ForsendelseAkseptert", "ForsendelseSendtPrint"]
    found = await system.connection.fetch(
        'select type, id, causation_id from read.audit where stream = $1 order by "offset"', str(paper[0])
    )
    lines = list({line["id"]: line for line in found}.values())
    assert [line["type"] for line in lines] == types_of(system, paper[0])
    assert [line["causation_id"] for line in lines] == [None, lines[0]["id"], lines[1]["id"]]


def said_to_wait(role: str) -> list[float | None]:
    """How many records of each partition no batch has taken up."""
    of = [{"role": role, "topic": TOPIC, "partition": str(one)} for one in range(TOPICS[TOPIC].partitions)]
    return [REGISTRY.get_sample_value("fiks_agent_lag_events", labels) for labels in of]


async def test_what_no_batch_has_taken_up_is_told_of_each_partition_while_it_is_claimed(system: Backbone) -> None:
    begun: set[int] = set()
    go_on = asyncio.Event()

    class Held(Projecting):
        """Takes one record at a time, and keeps it."""

        batch = 1

        async def carry(self, connection: Connection, prepared: Prepared) -> None:
            begun.update(lot.at[1] for lot in prepared.lots)
            await go_on.wait()
            await super().carry(connection, prepared)

    await system.send(50)
    ends = end_offsets(system.settings.kafka, [TOPIC])
    work = Held([projections()["svarut_status"]], DeadLetters(system.log), system.log.keys)
    async with system.worker([work]) as worker:
        [reader] = worker.readers
        gauges = Gauges(work.role, reader)
        await eventually(lambda: len(begun) == CONCURRENCY and len(reader.behind()) == len(ends))
        await gauges.show()
        assert said_to_wait(work.role) == [ends[TOPIC, one] - (one in begun) for one in range(len(ends))]

        go_on.set()
        await system.until_projected("svarut_status")
        await gauges.show()
        assert said_to_wait(work.role) == [0] * len(ends)
    await gauges.show()
    assert said_to_wait(work.role) == [None] * len(ends)


async def test_a_fact_that_comes_while_a_decision_is_on_its_way_waits_for_it(system: Backbone) -> None:
    event = mottatt()
    lest = LestMeldt(forsendelse_id=event.forsendelse_id, fnr="01810112345", tidspunkt=datetime.now(UTC))
    await system.log.append_all([(event, about(event)), (lest, about(lest))])
    async with system.worker():
        await system.until_status([event.forsendelse_id], "LEST")
    assert types_of(system, event.forsendelse_id) == [
        "ForsendelseMottatt",
        "LestMeldt",
        "ForsendelseAkseptert",
        "ForsendelseSendtAltinn",
        "ForsendelseLest",
    ]


async def test_one_look_appends_all_deadlines_that_have_passed(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: dict[str, Callable[[], Awaitable[None]]] = {}
    monkeypatch.setattr("streams.journals.DUE_AT_ONCE", 1)
    monkeypatch.setattr("streams.app.every", lambda _app, _seconds, name, body: looks.update({name: body}))
    many = 2 * TOPICS[TOPIC].partitions  # so some partition has two
    open_ones = "select count(*) from frist where stream = any($1::text[]) and due <= now() and not appended"
    async with system.worker():
        ids = [str(one) for one in await system.send(many, lesefrist_timer=0)]
        while await system.connection.fetchval(open_ones, ids) < many:
            await asyncio.sleep(0.05)
        await system.until_quiet()
        await looks["deadlines of decider:svarut"]()
        assert await system.connection.fetchval(open_ones, ids) == 0


async def test_a_deadline_that_passes_is_an_event_and_is_decided_on(system: Backbone) -> None:
    async with system.worker():
        ids = await system.send(5, lesefrist_timer=0)
        await system.until_status(ids, "SENDT_PRINT")
        await system.until_quiet()
    assert "FristUtlopt" in types_of(system, ids[0])
    assert await system.connection.fetchval("select count(*) from frist where stream = $1", str(ids[0])) == 0


async def test_a_deadline_is_not_appended_again_before_what_settled_it_was_read_again(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with system.worker():
        [id_] = await system.send(1, lesefrist_timer=0)
        await system.until_status([id_], "SENDT_PRINT")

    def appended() -> list[Position]:
        """Where the deadline lies, repeats included: what is tested is that nobody appends one."""
        of_it = [one for one in system.records() if one.key == str(id_).encode()]
        found = [one for one in of_it if dict(one.headers)["ce_type"] == b"FristUtlopt"]
        return [Position(TOPIC, one.partition, one.offset) for one in found]

    expired, passed = types_of(system, id_), appended()
    settled = passed[0]
    for forgotten in ("journal where decider", "frist where decider", "checkpoint where substr(name, 9)"):
        await system.connection.execute(f"delete from {forgotten} = $1", "svarut")
    looks: dict[str, Callable[[], Awaitable[None]]] = {}
    monkeypatch.setattr("streams.app.every", lambda _app, _seconds, name, body: looks.update({name: body}))

    class Reading(Deciding):
        """Does not come to what settled the deadline."""

        batch = 1

        async def carry(self, connection: Connection, prepared: Met) -> None:
            if any(one.at.position == settled for _, events in prepared for one in events):
                raise Unavailable("not yet")
            await super().carry(connection, prepared)

    running = "select count(*) from frist where stream = $1 and due <= now() and not appended"
    async with system.worker([Reading(svarut, system.log, DeadLetters(system.log))]):
        while not await system.connection.fetchval(running, str(id_)):
            await asyncio.sleep(0.05)
        await looks["deadlines of decider:svarut"]()
    assert (types_of(system, id_), appended()) == (expired, passed)


async def test_workers_that_join_and_leave_lose_and_double_nothing(system: Backbone) -> None:
    ids: list[UUID] = []

    async def keep_sending() -> None:
        while True:
            with suppress(Unavailable):  # as whoever sends tries again
                ids.extend(await system.send(20))
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(keep_sending())
    async with system.worker():
        async with system.worker():
            await asyncio.sleep(3)
        async with system.worker():
            await asyncio.sleep(2)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await system.until_status(ids, "SENDT_ALTINN")
        await system.until_quiet()
    on_the_log = Counter(one.key for one in distinct(system.records()))
    assert {on_the_log[str(one).encode()] for one in ids} == {3}
    lines = await system.connection.fetchval("select count(*) from read.audit where topic = $1", TOPIC)
    assert lines == len(system.records())


async def test_a_worker_opens_no_port(system: Backbone) -> None:
    def listening() -> set[int]:
        return {one.laddr.port for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN}

    before = listening()
    async with system.worker():
        await system.until_status(await system.send(1), "SENDT_ALTINN")
        assert listening() == before


POISON: dict[str, tuple[bytes, dict[str, bytes]]] = {
    "no wire format": (b"\x01garbage", {}),
    "cut short": (encode(mottatt())[:40], {}),
    "no value": (b"", {}),
    "a NUL that PostgreSQL cannot hold": (encode(mottatt(ekstern_referanse="a\x00b")), {}),
    "headers that are no event's": (encode(mottatt()), {"ce_time": b"yesterday"}),
    "a time that no clock shows in UTC": (encode(mottatt()), {"ce_time": b"0001-01-01T00:00:00+14:00"}),
    "a NUL in a header": (encode(mottatt()), {"ce_actor": b"a\x00b"}),
    "a header that no index takes": (encode(mottatt()), {"ce_actor": b"x" * 5000}),
    "a key that is not its stream": (encode(mottatt()), {"ce_subject": str(mottatt().forsendelse_id).encode()}),
    "an event that belongs on another topic": (encode(mottatt()), {"ce_type": b"OppslagGjort"}),
    "a schema of another type": (PREFIX.pack(MAGIC, min(by_id())) + b"\0" * 50, {}),
}


ENVELOPES = {
    "headers that are no event's",
    "a time that no clock shows in UTC",
    "a NUL in a header",
    "a header that no index takes",
    "a key that is not its stream",
    "an event that belongs on another topic",
}
"""Poison of which the audit trail can hold no line either. Of the rest it has one: it reads envelopes alone."""


@pytest.mark.parametrize("name", POISON)
async def test_poison_is_set_aside_and_stops_nobody(system: Backbone, name: str) -> None:
    value, changed = POISON[name]
    before, after = mottatt(), mottatt()
    poisoned = mottatt()
    headers = list((dict(about(poisoned).headers()) | changed).items())
    await system.log.append(before, about(before))
    await system.log.send(TOPIC, str(poisoned.forsendelse_id), value, headers)
    await system.log.append(after, about(after))
    async with system.worker():
        await system.until_status([before.forsendelse_id, after.forsendelse_id], "SENDT_ALTINN")
        for one in projections():
            await system.until_projected(one)
    [letter] = [one for one in dead_letters.read_all(system.settings.kafka, TOPIC) if one.value == value]
    assert (letter.key, letter.headers) == (str(poisoned.forsendelse_id).encode(), headers)
    roles = {"projections", "projections:gathered", "projections:envelopes", "decider:svarut"}
    assert letter.reasons.keys() <= roles
    lines = 'select count(*) from read.audit where topic = $1 and partition = $2 and "offset" = $3'
    assert await system.connection.fetchval(lines, TOPIC, letter.partition, letter.offset) == (name not in ENVELOPES)


async def test_what_several_roles_cannot_read_is_one_dead_letter_at_the_place_where_it_stood(system: Backbone) -> None:
    event = mottatt()
    at = await system.log.send(TOPIC, str(event.forsendelse_id), b"\x01", about(event).headers())
    behind = mottatt(forsendelse_id=event.forsendelse_id)
    await system.log.append(behind, about(behind))
    async with system.worker():
        await system.until_status([event.forsendelse_id], "SENDT_ALTINN")
        for one in projections():
            await system.until_projected(one)
    [letter] = [one for one in dead_letters.read_all(system.settings.kafka, TOPIC) if one.value == b"\x01"]
    assert letter.number == f"{at.partition}-{at.offset}"
    assert letter.reasons.keys() == {"projections", "projections:gathered", "decider:svarut"}
    assert all("too short" in reason for reason in letter.reasons.values())
    assert await dead_letters.find(system.settings.kafka, TOPIC, letter.number) == letter


async def test_poison_that_is_too_large_to_be_kept_twice_is_kept_without_its_value(system: Backbone) -> None:
    event, after = mottatt(), mottatt()
    producer = Producer({"bootstrap.servers": system.settings.kafka, "message.max.bytes": 3_000_000})
    key = str(event.forsendelse_id).encode()
    producer.produce(TOPIC, b"\x01" * 2_000_000, key, headers=list(about(event).headers()))
    producer.flush()
    await system.log.append(after, about(after))
    async with system.worker():
        await system.until_status([after.forsendelse_id], "SENDT_ALTINN")
        await system.until_quiet()
    [letter] = [one for one in dead_letters.read_all(system.settings.kafka, TOPIC) if one.key == key]
    [stands] = [one for one in system.records() if one.key == key]
    assert (letter.value, letter.partition, letter.offset) == (None, stands.partition, stands.offset)


async def test_a_record_in_a_partition_that_is_not_its_stream_s_stops_nobody(system: Backbone) -> None:
    event = mottatt()
    at = about(event)
    producer = Producer({"bootstrap.servers": system.settings.kafka})
    for partition in range(12):
        producer.produce(TOPIC, encode(event), at.stream, partition, headers=list(at.headers()))
    producer.flush()
    async with system.worker():
        await system.until_projected("svarut_status")
        await system.until_status(await system.send(10), "SENDT_ALTINN")


async def test_a_dead_letter_is_replayed_once_it_can_be_read(system: Backbone) -> None:
    event = mottatt()
    at = about(event)
    await system.log.send(TOPIC, at.stream, b"\x01", at.headers())
    async with system.worker():
        await system.until_projected("svarut_status")
        letter = next(
            one for one in dead_letters.read_all(system.settings.kafka, TOPIC) if one.key == at.stream.encode()
        )
        letters = DeadLetters(system.log)
        with pytest.raises(Exception, match="too short"):
            await letters.replay(letter)
        await letters.replay(dataclasses.replace(letter, value=encode(event)))
        await system.until_status([event.forsendelse_id], "SENDT_ALTINN")


async def test_a_bug_stops_the_process_and_the_event_is_not_lost(system: Backbone) -> None:
    ids = await system.send(3)
    broken = await system.worker_process(
        "from projections.projection import projections\n"
        "def bug(event, at): raise KeyError('a bug')\n"
        "projections()['svarut_status'].handlers['ForsendelseMottatt'] = (bug, None)"
    )
    _, log = await broken.communicate()
    assert broken.returncode == 70
    assert b"a bug stops the process" in log
    async with system.worker():
        await system.until_status(ids, "SENDT_ALTINN")


OLDER = """
from schemas import catalogue, codec, registry
catalogue._types.pop({without_type!r}, None)
known = {{id: one for id, one in registry.by_id().items() if one.name != {without_schema!r}}}
codec.by_id = lambda: known
"""
"""Makes a process another release: one that does not know an event type, or a newer version of a type's schema."""


NEWER = {
    "a type": ("StansBegjart", lambda id_: StansBegjart(forsendelse_id=id_), "MANUELT_HANDTERT"),
    "a version of a schema": (None, lambda id_: DokumenterNedlastet(forsendelse_id=id_), "LEST"),
}
"""What an older release does not know. No other test here may put it on the log: it would stand in the way."""


@asynccontextmanager
async def listening(process: asyncio.subprocess.Process) -> AsyncIterator[list[dict[str, Any]]]:
    """What the process logs, as it comes. One to whom nobody listens waits, once the pipe is full."""
    said: list[dict[str, Any]] = []

    async def listen() -> None:
        assert process.stderr
        async for line in process.stderr:
            said.append(json.loads(line))

    listener = asyncio.create_task(listen())
    try:
        yield said
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await listener


async def has_stopped(said: list[dict[str, Any]], role: str, partitions: set[int]) -> None:
    """Returns once a worker has said that on these partitions of the topic it goes no further in that role."""

    def stopped() -> set[int]:
        blocked = [one["at"] for one in said if (one["event"], one.get("role")) == (BLOCKED, role)]
        return {number for topic, number in blocked if topic == TOPIC}

    await eventually(lambda: partitions <= stopped())


@pytest.mark.parametrize("name", NEWER)
async def test_an_older_release_waits_for_what_it_does_not_know_and_a_newer_one_goes_on(
    system: Backbone, name: str
) -> None:
    without_type, make, status = NEWER[name]
    known = await system.send(5)
    event = make(known[0])
    unknown = type(event).__name__
    older = await system.worker_process(OLDER.format(without_type=without_type, without_schema=unknown))
    async with listening(older) as logged:
        await system.until_status(known, "SENDT_ALTINN")
        position = await system.log.append(event, about(event))
        await has_stopped(logged, "decider:svarut", {position.partition})
        decided = await system.connection.fetchval(
            "select next_offset from checkpoint where name = 'decider:svarut' and partition = $1", position.partition
        )
        assert decided <= position.offset, "the older release must not pass what it cannot read"
        async with system.worker():
            await system.until_status([known[0]], status)
            assert older.returncode is None, f"waiting is no crash: {logged[-5:]}"
    assert await system.statuser(known) == {"SENDT_ALTINN": 4, status: 1}


async def test_a_projection_waits_for_a_newer_version_of_a_type_that_it_handles(system: Backbone) -> None:
    older = await system.worker_process(OLDER.format(without_type=None, without_schema="ForsendelseMottatt"))
    async with listening(older) as logged:
        ids = await system.send(5)
        await has_stopped(logged, "projections", {partition_of(str(one), TOPICS[TOPIC].partitions) for one in ids})
        assert not await system.statuser(ids), "what cannot be read must not be passed"
        async with system.worker():
            await system.until_status(ids, "SENDT_ALTINN")


async def test_a_projection_passes_over_types_that_it_does_not_handle_without_decoding(system: Backbone) -> None:
    event = mottatt()
    at = about(event)
    headers = list((dict(at.headers()) | {"ce_type": b"NyHendelse"}).items())
    await system.log.send(TOPIC, at.stream, b"\x00\x7f\x7f\x7f\x7fnewer", headers)
    works = [Projecting(list(projections().values()), DeadLetters(system.log), system.log.keys)]
    async with system.worker(works):
        await system.until_projected("svarut_status")
        await system.until_projected("audit")
    assert await system.connection.fetchval("select count(*) from read.audit where stream = $1", at.stream) == 1


async def test_a_decider_that_meets_an_unknown_schema_waits(system: Backbone) -> None:
    at = about(mottatt())
    deciding = Deciding(svarut, system.log, DeadLetters(system.log))
    newer = Record(TOPIC, 0, 0, at.stream.encode(), b"\x00\x7f\x7f\x7f\x7fnewer", at.headers())
    with pytest.raises(NotYetKnown):
        await deciding.prepare([Lot(Claim(TopicPartition(TOPIC, 0)), [newer], [])])
