"""What a record of a newer release does to a worker that cannot read it. It stays on this log, in everybody's way."""

from __future__ import annotations

from collections import Counter

import pytest
from aiokafka import TopicPartition

from infra.partitions import partition_of
from schemas.topics import TOPICS
from streams.reader import Reader
from tests.support.backbone import TOPIC, Backbone, about, mottatt
from tests.support.eventually import eventually, eventually_found

PARTITIONS = TOPICS[TOPIC].partitions


async def is_audited(system: Backbone, id_: str) -> bool:
    """Whether the audit trail has both records with this id: the one that cannot be read yet, and that behind it."""
    return await system.connection.fetchval("select count(*) = 2 from read.audit where id = $1", id_) or False


async def test_what_only_a_newer_release_can_read_stops_its_own_partition_alone(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.reader.ASIDE", 0.1)
    monkeypatch.setattr("streams.reader.AGAIN", 1000.0)
    left: Counter[str] = Counter()
    wait_aside = Reader._wait_aside

    async def counted(reader: Reader) -> None:
        await wait_aside(reader)
        left[reader.group] += 1

    monkeypatch.setattr(Reader, "_wait_aside", counted)
    event = mottatt()
    at = about(event)
    blocked = await system.log.send(TOPIC, at.stream, b"\x00\x7f\x7f\x7f\x7fnewer", at.headers())
    async with system.worker() as worker:
        await eventually(lambda: len(left) == 3)
        made = [mottatt() for _ in range(40)]
        others = [one for one in made if partition_of(str(one.forsendelse_id), PARTITIONS) != blocked.partition]
        for one in others:
            await system.log.append(one, about(one))
        await system.until_status([one.forsendelse_id for one in others], "SENDT_ALTINN")
        await system.log.append(event, at)
        await eventually_found(lambda: is_audited(system, at.id))  # the audit trail decodes nothing
        at_it = TopicPartition(TOPIC, blocked.partition)
        stopped = [reader for reader in worker.readers if reader.group in left]
        await eventually(lambda: all(reader.behind().get(at_it) for reader in stopped))  # that can be seen
        assert left == {"fiks.decider:svarut": 1, "fiks.projections": 1, "fiks.projections:gathered": 1}, (
            "leaving costs the others a pause"
        )
