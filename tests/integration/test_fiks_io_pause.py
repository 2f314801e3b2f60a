"""A message that rests before it is tried again is handed out when it has rested, whoever consumes by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.amqp.deliveries import Lease, Outcome, Subscription
from schemas.envelope import By
from streams import topics
from tests.support.eventually import eventually, eventually_found
from tests.support.queues import Post, post
from tests.support.stack import own_database, temporary_folder

BY = By("integrasjon:00000000-0000-0000-0000-000000000001")
PAUSE = timedelta(seconds=3)
"""Long enough for a consumer to come while a message rests."""


@pytest_asyncio.fixture(scope="module")
async def office(kafka: str, postgres: str) -> AsyncIterator[Post]:
    topics.apply(kafka, 1)
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.domain.fiks_io.PAUSES", (PAUSE,))
        patch.setattr("gateway.queues.LOOK", 3600.0)  # nobody finds it by chance
        async with own_database(postgres) as database, post(kafka, database, folder) as made:
            yield made


def consume(office: Post, konto: UUID, gateway: int = 0) -> tuple[Subscription, list[Lease]]:
    taken: list[Lease] = []
    subscription = office.gateways[gateway].subscribe(konto, BY, taken.extend)
    subscription.want(10, 2**30)
    return subscription, taken


async def refuse(office: Post, konto: UUID, number: int = 1) -> None:
    """A consumer takes the messages, puts them back, and goes."""
    subscription, taken = consume(office, konto)
    await eventually(lambda: len(taken) >= number)
    subscription.close()
    office.gateways[0].settle([one.receipt for one in taken], Outcome.REQUEUED)


async def rests(office: Post, melding_id: UUID) -> bool:
    """Whether it was put back: it rests, or has rested, where this machine is slow."""
    statement = "select klar_fra is not null from read.fiks_io_tilstand where melding_id = $1 and status = 'VENTER'"
    return bool(await office.system.connection.fetchval(statement, melding_id))


@pytest.mark.parametrize("gateway", [0, 1])
async def test_who_comes_while_a_message_rests_gets_it_then(office: Post, gateway: int) -> None:
    konto = uuid4()
    sent = await office.send(konto, b"a")
    await refuse(office, konto)
    await eventually_found(lambda: rests(office, sent.melding_id))
    _, taken = consume(office, konto, gateway)
    await eventually(lambda: taken)
    assert taken[0].redelivered


async def test_who_stays_gets_it_then(office: Post) -> None:
    konto = uuid4()
    await office.send(konto, b"a")
    _, taken = consume(office, konto)
    await eventually(lambda: len(taken) == 1)
    office.gateways[0].settle([taken[0].receipt], Outcome.REQUEUED)
    await eventually(lambda: len(taken) == 2)
    assert taken[1].redelivered


async def test_each_of_several_that_rest_comes_when_it_has_rested(office: Post) -> None:
    konto = uuid4()
    sent = [await office.send(konto, body) for body in (b"a", b"b")]
    await refuse(office, konto, number=2)
    for one in sent:
        await eventually_found(partial(rests, office, one.melding_id))
    _, taken = consume(office, konto)
    await eventually(lambda: len(taken) == 2)
    assert [one.melding.body for one in taken] == [b"a", b"b"]


async def test_what_has_rested_by_the_time_that_it_is_asked_for_comes_all_the_same(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.queues.PAUSE", 2 * PAUSE.total_seconds())
    other, konto = uuid4(), uuid4()
    consume(office, other)
    await eventually_found(lambda: _is_consumed(office, other))  # from now on nobody asks for a while
    sent = await office.send(konto, b"a")
    await refuse(office, konto)
    await eventually_found(lambda: rests(office, sent.melding_id))
    _, taken = consume(office, konto)
    await eventually(lambda: taken)


async def test_what_rests_is_told_of_though_others_are_ready(office: Post) -> None:
    """Or a consumer would hear of it when somebody looks by chance."""
    konto, told = uuid4(), list[str]()
    sent = [await office.send(konto) for _ in range(3)]
    await office.system.until_projected("fiks_io")
    listening = await asyncpg.connect(office.system.settings.postgres)
    await listening.add_listener("fiks_io", lambda *said: told.append(said[-1]))
    await office.system.connection.execute(
        """
        update read.fiks_io_tilstand t set klar_fra = now() + make_interval(hours => hours)
        from unnest($1::uuid[], $2::int[]) as rest (melding_id, hours) where t.melding_id = rest.melding_id
        """,
        *([one.melding_id for one in sent], [0, 1, 2]),
    )
    await eventually(lambda: len(told) == 2)
    assert sorted(float(one.removeprefix(f"{konto} ")) for one in told) == [0, 3600]
    await listening.close()


async def _is_consumed(office: Post, konto: UUID) -> bool:
    return (await office.gateways[1].count(konto)).konsumenter == 1
