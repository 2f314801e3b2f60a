"""The past of a topic in bulk, against a real broker: all of it, once, in order, and nothing that came later."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import KafkaError, KafkaException, Message

from schemas.envelope import Headers
from schemas.topics import Topic
from streams import history as module
from streams.domain.errors import Unavailable
from streams.history import PastRecord, history
from streams.log import Log
from tests.support.stack import OwnKafka, temporary_folder
from tests.support.topical import Topical, create, topical

PARTITIONS = 3


@pytest.fixture
async def own(kafka: str) -> AsyncIterator[Topical]:
    async with topical(kafka, partitions=PARTITIONS) as own:
        yield own


async def read(of: Topical, begins: Mapping[int, int], ends: Mapping[int, int]) -> list[PastRecord]:
    return [one async for records in history(of.bootstrap, of.topic.name, begins, ends) for one in records]


async def filled(own: Topical, number: int) -> list[tuple[int, int, bytes]]:
    """Appends records with all their parts; returns where they lie, in order, with their values."""
    for one in range(number):
        await append(own, b"%d" % one, [("ce_type", b"x"), ("nummer", b"%d" % one)], f"stream {one % 7}")
    return [(one.partition, one.offset, one.value) async for one in said_by_aiokafka(own)]


async def append(own: Topical, value: bytes, described: Headers, stream: str) -> None:
    """As often as it takes on a busy machine; it may then lie there twice."""
    while True:
        try:
            return await own.append(value, described, stream)
        except Unavailable:
            await asyncio.sleep(0.1)


async def said_by_aiokafka(own: Topical) -> AsyncIterator[PastRecord]:
    consumer = AIOKafkaConsumer(bootstrap_servers=own.bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    at = [TopicPartition(own.topic.name, number) for number in range(PARTITIONS)]
    consumer.assign(at)
    await consumer.seek_to_beginning()
    ends = await consumer.end_offsets(at)
    for one in at:
        while await consumer.position(one) < ends[one]:
            yield await consumer.getone(one)
    await consumer.stop()


def ends_of(lie: list[tuple[int, int, bytes]]) -> dict[int, int]:
    return dict.fromkeys(range(PARTITIONS), 0) | {partition: offset + 1 for partition, offset, _ in lie}


async def test_all_is_read_once_and_in_the_order_of_each_partition(
    own: Topical, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 7)
    lie = await filled(own, 100)
    begins, ends = dict.fromkeys(range(PARTITIONS), 0), ends_of(lie)
    await append(own, b"later", [], "x")
    past = await read(own, begins, ends)
    for number in range(PARTITIONS):
        found = [(one.partition, one.offset, one.value) for one in past if one.partition == number]
        assert found == [one for one in lie if one[0] == number]
    assert len(past) == len(lie)


async def test_a_record_is_what_aiokafka_says_it_is(own: Topical) -> None:
    lie = await filled(own, 20)
    past = await read(own, dict.fromkeys(range(PARTITIONS), 0), ends_of(lie))
    parts = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
    mine = {tuple(getattr(one, part) for part in parts) for one in past}
    assert mine == {tuple(getattr(one, part) for part in parts) async for one in said_by_aiokafka(own)}


async def test_it_begins_and_ends_where_it_is_told(own: Topical) -> None:
    lie = await filled(own, 40)
    ends = ends_of(lie)
    begins = {number: end // 2 for number, end in ends.items()}
    past = await read(own, begins, ends)
    assert sorted((one.partition, one.offset) for one in past) == sorted(
        (partition, offset) for partition, offset, _ in lie if offset >= begins[partition]
    )
    assert await read(own, ends, ends) == []


def test_a_log_that_does_not_let_us_read_is_no_record() -> None:
    refused = Message(error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaException):
        module._record(refused)


async def test_a_broker_that_is_away_is_waited_for() -> None:
    with temporary_folder() as folder:
        server = OwnKafka(folder)
        await server.start()
        topic = Topic("konfigurasjon", "of one test", PARTITIONS)
        create(server.bootstrap, topic)
        log = Log(server.bootstrap)
        await log.start()
        own = Topical(server.bootstrap, log, topic)
        lie = await filled(own, 10)
        await log.stop()
        await server.kill()
        past, looks = [], 0
        async for records in history(own.bootstrap, topic.name, dict.fromkeys(range(PARTITIONS), 0), ends_of(lie)):
            past.extend(records)
            looks += 1
            if looks == 3:
                assert not past
                await server.start()
        assert len(past) == len(lie)
        await server.stop()
