"""A projection that must be rebuilt keeps no other from going on, on topics that it does not read."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from infra.database import BY_KEY, Connection, pool_of
from projections.dokumentlager import dokumentlager
from projections.projecting import Projecting
from projections.svarut_status import svarut_status
from schemas.catalogue import event_type, key_of
from schemas.codec import encode
from streams.agents import Blocked, Carrier
from streams.reader import Claim
from tests.integration.test_large_batches import document
from tests.support.backbone import about, mottatt


def claim_of(event: Any) -> Claim:
    at, topic = about(event), event_type(event).topic
    claim = Claim(TopicPartition(topic, 0))
    key = key_of(at.stream).encode()
    where = {"topic": topic, "partition": 0, "offset": 0, "timestamp": 0}
    claim.waiting.append(SimpleNamespace(**where, key=key, value=encode(event), headers=at.headers()))  # type: ignore[arg-type]
    return claim


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "taken together"])
async def test_letters_while_documents_wait_for_a_rebuild(tables: Connection, database: str, *, together: bool) -> None:
    await tables.execute("update projection set logic = logic - 1 where name = 'dokumentlager'")
    claims = [claim_of(document()), claim_of(mottatt())]
    async with pool_of(database, 2, session=BY_KEY) as pool:
        carrier = Carrier(Projecting([svarut_status, dokumentlager], None, None), pool, 100)  # type: ignore[arg-type]
        for some in [claims] if together else [[one] for one in claims]:
            with suppress(Blocked):
                await carrier.carry(some)
    assert await tables.fetchval("select count(*) from read.svarut_status") == 1
