"""A small batch is projected in few round trips, and as every other where its checkpoints are not where they were."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from aiokafka import TopicPartition

from projections import versions
from projections.projecting import Projecting
from projections.projection import projections
from streams.agents import Lot
from streams.dead_letters import DeadLetters
from streams.reader import Claim
from tests.support.backbone import TOPIC, Backbone
from tests.support.records import Record

NAMES = ("svarut_status", "audit")


def projecting(system: Backbone) -> Projecting:
    """As a worker that has just started."""
    chosen = [projections()[name] for name in NAMES]
    return Projecting(chosen, DeadLetters(system.log), system.log.keys)


async def new_lots(system: Backbone) -> list[Lot]:
    """What is not projected yet, as a worker holds it that has carried all before."""
    at = await versions.checkpoints(system.connection, "svarut_status", 1)
    of: dict[int, list[Record]] = {}
    for record in system.records():
        if record.offset >= at[TOPIC, record.partition]:
            of.setdefault(record.partition, []).append(record)
    claims = {number: Claim(TopicPartition(TOPIC, number), carried=records[0].offset) for number, records in of.items()}
    return [Lot(claims[number], records, ()) for number, records in sorted(of.items())]  # type: ignore[arg-type]


async def carry(system: Backbone, work: Projecting, lots: Sequence[Lot]) -> list[str]:
    """The statements that it took."""
    said: list[str] = []
    with system.connection.query_logger(lambda query: said.append(query.query)):
        await work.carry(system.connection, await work.prepare(lots))
        await asyncio.sleep(0)  # it is told of a statement a moment later
    return said


async def projected(system: Backbone, ids: Sequence[UUID]) -> tuple[int, int]:
    """How many rows there are of these, and lines in the audit trail."""
    streams = [str(one) for one in ids]
    return (
        await system.connection.fetchval(
            "select count(*) from read.svarut_hendelse where forsendelse_id = any($1)", ids
        ),
        await system.connection.fetchval("select count(*) from read.audit where stream = any($1)", streams),
    )


async def test_one_that_follows_another_takes_no_transaction(system: Backbone) -> None:
    work = projecting(system)
    first = await system.send(20)
    assert len(await carry(system, work, await new_lots(system))) > 3
    second = await system.send(20)
    assert len(await carry(system, work, await new_lots(system))) == 1
    assert await projected(system, first + second) == (40, 40)


async def test_one_that_another_worker_has_carried_is_passed_over(system: Backbone) -> None:
    slow, quick = projecting(system), projecting(system)
    ids = await system.send(20)
    lots = await new_lots(system)
    for work in (slow, quick):
        await carry(system, work, lots)
    more = await system.send(20)
    lots = await new_lots(system)
    await carry(system, quick, lots)
    await carry(system, slow, lots)
    assert await projected(system, ids + more) == (40, 40)


async def test_one_of_which_another_worker_has_carried_a_part_is_carried_from_there(system: Backbone) -> None:
    slow, quick = projecting(system), projecting(system)
    ids = await system.send(20)
    await carry(system, slow, await new_lots(system))
    more = await system.send(40)
    lots = await new_lots(system)
    await carry(system, quick, [lot.halves()[0] for lot in lots if len(lot.records) > 1])
    await carry(system, slow, lots)
    assert await projected(system, ids + more) == (60, 60)
