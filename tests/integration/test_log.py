"""Appending: what is acknowledged is there, what is refused is not, whatever happens to the broker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import REGISTRY

from infra.partitions import partition_of
from schemas.catalogue import event_type
from schemas.envelope import Position
from schemas.svarut import ForsendelseAkseptert
from schemas.topics import TOPICS
from streams.broker_errors import NotTaken, refusal
from streams.domain.errors import TooLarge, Unacknowledged, Unavailable
from streams.log import (
    GIVEN_UP_AFTER,
    LARGEST,
    LARGEST_FACT,
    MESSAGE_TIMEOUT,
    POLLED_EVERY,
    SETTINGS,
    STALLED_AFTER,
    Log,
)
from tests.support.backbone import TOPIC, Backbone, about, mottatt
from tests.support.eventually import eventually
from tests.support.stack import OwnKafka

FAR_MORE_THAN_TWO_SECONDS = 10
FULL, UNAVAILABLE = {"topic": TOPIC, "reason": "full"}, {"topic": TOPIC, "reason": "unavailable"}


def test_what_an_append_may_take_adds_up_to_less_than_two_seconds() -> None:
    assert STALLED_AFTER < MESSAGE_TIMEOUT < GIVEN_UP_AFTER < 2.0 - 10 * POLLED_EVERY
    assert SETTINGS["message.timeout.ms"] == MESSAGE_TIMEOUT * 1000


@pytest_asyncio.fixture
async def patient(own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Log]:
    """A log that no busy machine makes give up, for events that need no key."""
    for limit in ("STALLED_AFTER", "GIVEN_UP_AFTER"):
        monkeypatch.setattr(f"streams.log.{limit}", 60.0)
    for setting in ("message.timeout.ms", "socket.timeout.ms", "request.timeout.ms"):
        monkeypatch.setitem(SETTINGS, setting, 60_000)
    log = Log(own_kafka.bootstrap)
    await log.start()
    yield log
    await log.stop()


def ids_on(system: Backbone) -> list[str]:
    return [one.key.decode() for one in system.records()]


def stand_still(seconds: float) -> None:
    """As a process does that gets no processor: its event loop runs nothing."""
    time.sleep(seconds)


async def test_an_event_lies_where_append_says(system: Backbone) -> None:
    event = mottatt()
    position = await system.log.append(event, about(event))
    found = next(one for one in system.records() if one.key == str(event.forsendelse_id).encode())
    assert (found.topic, found.partition, found.offset) == position
    assert position.partition == partition_of(str(event.forsendelse_id), TOPICS["fiks.svarut"].partitions)
    assert dict(found.headers)["ce_type"] == event_type(event).name.encode()


async def test_many_at_once_are_all_there_once_and_in_order(system: Backbone) -> None:
    event = mottatt()
    positions = await asyncio.gather(*(system.log.append(event, about(event)) for _ in range(500)))
    offsets = [one.offset for one in positions]
    assert offsets == sorted(set(offsets))


async def test_what_comes_while_others_are_on_their_way_is_sent_together(patient: Log, own_kafka: OwnKafka) -> None:
    event = ForsendelseAkseptert(forsendelse_id=uuid4())
    own_kafka.pause()
    try:
        appends = asyncio.gather(*(patient.append(event, about(event)) for _ in range(500)))
        await eventually(lambda: len(patient._outstanding) == 500)
    finally:
        own_kafka.resume()
    offsets = {one.offset for one in await appends}
    batches = own_kafka.batches(TOPIC, partition_of(str(event.forsendelse_id), TOPICS[TOPIC].partitions))
    assert len(offsets.intersection(batches)) < 20


def told(what: str) -> float:
    """The number, or the seconds, of all appends so far."""
    return REGISTRY.get_sample_value(f"fiks_append_seconds_{what}", {"topic": TOPIC}) or 0


async def test_how_long_each_append_took_is_told(system: Backbone) -> None:
    events = [ForsendelseAkseptert(forsendelse_id=uuid4()) for _ in range(3)]
    count, seconds = told("count"), told("sum")
    begin = time.monotonic()
    appends = asyncio.gather(*(system.log.append(one, about(one)) for one in events))
    await asyncio.sleep(0)
    handed_over = time.monotonic()
    stand_still(0.2)
    least = time.monotonic() - handed_over
    await appends
    most = time.monotonic() - begin
    assert told("count") == count + 3
    assert 3 * least <= told("sum") - seconds <= 3 * most


async def test_nothing_that_was_refused_is_appended_later(system: Backbone, own_kafka: OwnKafka) -> None:
    before = await system.send(20)
    await own_kafka.kill()
    refused = [one for _ in range(25) for one in (mottatt(), ForsendelseAkseptert(forsendelse_id=uuid4()))]
    appends = (system.log.append(one, about(one)) for one in refused)
    async with asyncio.timeout(FAR_MORE_THAN_TWO_SECONDS):
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in outcomes)
    with pytest.raises(Unavailable):
        await system.send(1)
    await own_kafka.restart()
    after = [await system.until_sent()]
    there = set(ids_on(system))
    assert {str(one) for one in [*before, *after]} <= there
    assert there.isdisjoint(str(one.forsendelse_id) for one in refused)


async def test_a_broker_that_hangs_is_unavailable_and_loses_nothing_that_it_had_acknowledged(
    system: Backbone, own_kafka: OwnKafka
) -> None:
    acknowledged = await system.send(20)
    own_kafka.pause()
    try:
        with pytest.raises(Unavailable) as refused:
            await system.send(1)
    finally:
        own_kafka.resume()
    assert refused.value.retry_after > 0
    acknowledged.append(await system.until_sent())
    assert {str(one) for one in acknowledged} <= set(ids_on(system))


async def test_nobody_waits_for_the_client_to_look_for_what_has_timed_out(
    system: Backbone, own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("message.timeout.ms", "socket.timeout.ms", "request.timeout.ms"):
        monkeypatch.setitem(SETTINGS, setting, 60_000)
    log = Log(system.settings.kafka)
    await log.start()
    own_kafka.pause()
    unavailable = REGISTRY.get_sample_value("fiks_append_failures_total", UNAVAILABLE) or 0
    try:
        async with asyncio.timeout(FAR_MORE_THAN_TWO_SECONDS):
            told = [ForsendelseAkseptert(forsendelse_id=uuid4()) for _ in range(5)]
            outcomes = await asyncio.gather(*(log.append(one, about(one)) for one in told), return_exceptions=True)
    finally:
        own_kafka.resume()
    assert {type(one) for one in outcomes} == {Unacknowledged}
    assert REGISTRY.get_sample_value("fiks_append_failures_total", UNAVAILABLE) == unavailable + len(told)
    await system.until_sent()
    after = ForsendelseAkseptert(forsendelse_id=uuid4())
    await log.append(after, about(after))
    there = ids_on(system)
    assert there.count(str(after.forsendelse_id)) == 1
    assert all(there.count(str(one.forsendelse_id)) <= 1 for one in told)
    await log.stop()


async def test_what_is_refused_while_a_broker_hangs_is_never_appended(
    system: Backbone, patient: Log, own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late it is looked: what is on its way is given up once all others were refused."""
    monkeypatch.setattr("streams.log.STALLED_AFTER", STALLED_AFTER)
    own_kafka.pause()
    try:
        async with asyncio.timeout(FAR_MORE_THAN_TWO_SECONDS):
            on_its_way = ForsendelseAkseptert(forsendelse_id=uuid4())  # that needs no key first
            first = asyncio.ensure_future(patient.append(on_its_way, about(on_its_way)))
            await eventually(lambda: patient.stalled)
            refused = [ForsendelseAkseptert(forsendelse_id=uuid4()) for _ in range(20)]
            outcomes = await asyncio.gather(
                *(patient.append(one, about(one)) for one in refused), return_exceptions=True
            )
            with monkeypatch.context() as patch:
                patch.setattr("streams.log.GIVEN_UP_AFTER", GIVEN_UP_AFTER)
                with pytest.raises(Unacknowledged):  # which the broker may have in its hands
                    await first
    finally:
        own_kafka.resume()
    assert {type(one) for one in outcomes} == {Unavailable}
    await system.until_sent()
    there = ids_on(system)
    assert set(there).isdisjoint(str(one.forsendelse_id) for one in refused)
    assert there.count(str(on_its_way.forsendelse_id)) <= 1


async def test_when_too_many_wait_the_next_is_refused_and_not_appended(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, key = 100, str(uuid4())
    monkeypatch.setitem(SETTINGS, "queue.buffering.max.messages", room)
    log = Log(system.settings.kafka)
    await log.start()
    before = REGISTRY.get_sample_value("fiks_append_failures_total", FULL) or 0

    sends = (log.send(TOPIC, key, str(number).encode(), []) for number in range(room + 20))
    outcomes = await asyncio.gather(*sends, return_exceptions=True)  # all are handed over before any is answered

    assert [isinstance(one, Position) for one in outcomes] == [True] * room + [False] * 20
    assert {type(one) for one in outcomes[room:]} == {Unavailable}
    assert REGISTRY.get_sample_value("fiks_append_failures_total", FULL) == before + 20
    assert await log.send(TOPIC, key, b"there is room again", [])
    there = [one.value for one in system.records() if one.key == key.encode()]
    assert there == [*(str(number).encode() for number in range(room)), b"there is room again"]
    await log.stop()


async def test_a_process_that_stood_still_does_not_think_the_log_away(system: Backbone) -> None:
    event = ForsendelseAkseptert(forsendelse_id=uuid4())  # that needs no key first
    before = asyncio.ensure_future(system.log.append(event, about(event)))
    await asyncio.sleep(0)
    stand_still(STALLED_AFTER * 1.2)  # the broker answers meanwhile, and nobody looks
    await system.log.append(event, about(event))
    await before
    assert ids_on(system).count(str(event.forsendelse_id)) == 2


async def test_a_caller_that_goes_away_does_not_stop_the_append(system: Backbone) -> None:
    event = ForsendelseAkseptert(forsendelse_id=uuid4())  # that needs no key first
    call = asyncio.ensure_future(system.log.append(event, about(event)))
    await asyncio.sleep(0)
    call.cancel()
    await system.log.append(event, about(event))
    assert ids_on(system).count(str(event.forsendelse_id)) == 2


NOT_OURS = "fiks.test."
"""Topics that the catalogue does not have, made by these tests."""


def make_topic(kafka: str, name: str, **settings: str) -> str:
    made = NewTopic(NOT_OURS + name, 1, 1, config={key.replace("_", "."): of for key, of in settings.items()})
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([made], operation_timeout=20)[made.topic].result(20)
    return str(made.topic)


async def test_what_is_too_large_is_refused_for_good_and_what_follows_is_appended(system: Backbone) -> None:
    before = await system.send(1)
    event = mottatt(tittel="x" * (LARGEST_FACT * 3 // 4))  # sealed text is longer by a third
    with pytest.raises(TooLarge, match="for stort"):
        await system.log.append(event, about(event))
    with pytest.raises(TooLarge, match="for stort"):
        await system.log.append_all([(mottatt(tittel="x" * LARGEST), about(event))])
    await system.log.append_all([(event, about(event))])  # a decision has more room than the fact that led to it
    after = await system.send(1)
    there = ids_on(system)
    assert there.count(str(event.forsendelse_id)) == 1
    assert {str(one) for one in [*before, *after]} <= set(there)


async def test_what_the_broker_finds_too_large_is_told_the_same_and_the_rest_goes_on(
    patient: Log, own_kafka: OwnKafka
) -> None:
    topic = make_topic(own_kafka.bootstrap, "small", max_message_bytes="2000")
    with pytest.raises(TooLarge):
        await patient.send(topic, "k", os.urandom(10_000), [])
    following = [await patient.send(topic, "k", b"small", []) for _ in range(20)]
    assert [at.offset for at in following] == list(range(20))
    event = ForsendelseAkseptert(forsendelse_id=uuid4())
    assert await patient.append(event, about(event))


async def test_a_topic_that_nobody_made_is_our_fault_and_not_a_matter_of_time(system: Backbone) -> None:
    for _ in range(2):  # the first time it is not known, the second it is known not to be there
        with pytest.raises(NotTaken, match="fiks topics check"):
            await system.log.send(NOT_OURS + "nowhere", "k", b"v", [])
    assert not system.log.stalled
    assert await system.send(1)


async def test_a_record_that_breaks_the_topic_s_rules_is_our_fault(system: Backbone) -> None:
    topic = make_topic(system.settings.kafka, "compacted", cleanup_policy="compact")
    with pytest.raises(NotTaken):
        await system.log.send(topic, None, b"v", [])  # type: ignore[arg-type]  # which no caller of ours may
    assert (await system.log.send(topic, "k", b"v", [])).offset == 0


PASSES = (
    *("_TRANSPORT", "_ALL_BROKERS_DOWN", "_MSG_TIMED_OUT", "_TIMED_OUT", "_QUEUE_FULL", "_PURGE_QUEUE"),
    *("LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT", "NETWORK_EXCEPTION"),
    *("NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "KAFKA_STORAGE_ERROR", "BROKER_NOT_AVAILABLE"),
    *("OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID", "UNKNOWN", "INVALID_MSG"),
    *("_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "UNKNOWN_TOPIC_OR_PART"),  # of a topic that is known to be there
)
"""What passes, or may have been appended all the same."""


def an_error(name: str) -> KafkaError:
    return KafkaError(getattr(KafkaError, name))


@pytest.mark.parametrize("name", PASSES)
def test_what_passes_is_said_to_pass(name: str) -> None:
    assert isinstance(refusal(an_error(name), TOPIC, has_taken=True), Unacknowledged)


@pytest.mark.parametrize("name", ["TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "INVALID_RECORD"])
def test_what_a_broker_will_never_allow_is_not_said_to_pass(name: str) -> None:
    found = refusal(an_error(name), TOPIC, has_taken=True)
    assert isinstance(found, NotTaken)
    assert not isinstance(found, Unavailable)


def test_a_producer_that_is_dead_for_good_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setattr("streams.broker_errors.die", lambda where, fault: ended.append(where))
    refusal(an_error("_FATAL"), TOPIC, has_taken=True)
    assert ended == ["log"]
