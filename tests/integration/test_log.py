"""Appending: what is acknowledged is there, what is refused is not, whatever happens to the broker."""

from __future__ import annotations

import asyncio

import pytest

from infra.partitions import partition_of
from schemas.catalogue import event_type
from schemas.topics import TOPICS
from streams.domain.errors import Unavailable
from tests.support.backbone import Backbone, about, mottatt
from tests.support.stack import OwnKafka


def ids_on(system: Backbone) -> list[str]:
    return [one.key.decode() for one in system.records()]


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


async def test_nothing_that_was_refused_is_appended_later(system: Backbone, own_kafka: OwnKafka) -> None:
    before = await system.send(20)
    await own_kafka.kill()
    refused = [mottatt() for _ in range(50)]
    outcomes = await asyncio.gather(*(system.log.append(one, about(one)) for one in refused), return_exceptions=True)
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


async def test_a_caller_that_goes_away_does_not_stop_the_append(system: Backbone) -> None:
    event = mottatt()
    call = asyncio.ensure_future(system.log.append(event, about(event)))
    await asyncio.sleep(0)
    call.cancel()
    await system.log.append(event, about(event))
    assert ids_on(system).count(str(event.forsendelse_id)) == 2
