"""What AMQP counts on in the queues of accounts: one suite for every implementation of the port.

An implementation is a fixture param that makes a ``Queues``: how to put messages, and as many doors to the same queues
as there are gateways.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.amqp.deliveries import Deliveries, Lease, Melding, Outcome, Receipt, Subscription
from schemas.envelope import By
from streams import topics
from tests.support.deliveries import MemoryDeliveries
from tests.support.eventually import eventually
from tests.support.queues import post
from tests.support.stack import own_database, temporary_folder

BY = By("integrasjon:00000000-0000-0000-0000-000000000009")
HOUR = timedelta(hours=1)
MANY, MUCH = 1000, 2**30


@dataclass
class Queues:
    """An implementation: ``gateways`` share the queues; ``put`` places bodies in the queue of an account.

    ``konto`` and ``other`` are accounts of the test's own.
    """

    gateways: Sequence[Deliveries]
    put: Callable[[UUID, Sequence[bytes]], Awaitable[None]]
    konto: UUID = field(default_factory=uuid4)
    other: UUID = field(default_factory=uuid4)


@asynccontextmanager
async def in_memory(_kafka: str, _database: str) -> AsyncIterator[Queues]:
    deliveries = MemoryDeliveries()

    async def put(konto_id: UUID, bodies: Sequence[bytes]) -> None:
        deliveries.put(konto_id, *(Melding({"type": "x"}, body, HOUR // timedelta(milliseconds=1)) for body in bodies))

    yield Queues([deliveries, deliveries], put)


@asynccontextmanager
async def on_the_log(kafka: str, database: str) -> AsyncIterator[Queues]:
    topics.apply(kafka, 1)
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.domain.fiks_io.PAUSES", (timedelta(0),))
        async with post(kafka, database, folder) as office:

            async def put(konto_id: UUID, bodies: Sequence[bytes]) -> None:
                for body in bodies:
                    await office.send(konto_id, body, melding_type="x", ttl=HOUR)
                await office.system.until_projected("fiks_io")

            yield Queues(office.gateways, put)


IMPLEMENTATIONS = [in_memory, on_the_log]


@pytest_asyncio.fixture(scope="module", params=IMPLEMENTATIONS)
async def implementation(request: pytest.FixtureRequest, kafka: str, postgres: str) -> AsyncIterator[Queues]:
    async with own_database(postgres) as database, request.param(kafka, database) as made:
        yield made


@pytest.fixture
def queues(implementation: Queues) -> Queues:
    return Queues(implementation.gateways, implementation.put)


@dataclass
class Consumer:
    """Takes what it is given."""

    deliveries: Deliveries
    konto_id: UUID
    taken: list[Lease] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.subscription: Subscription = self.deliveries.subscribe(self.konto_id, BY, self.taken.extend)

    def want(self, messages: int = MANY, octets: int = MUCH) -> None:
        self.subscription.want(messages, octets)

    async def take(self, number: int) -> list[bytes]:
        """The bodies of all that was taken, once there are so many."""
        await eventually(lambda: len(self.taken) >= number)
        return self.bodies

    def settle(self, outcome: Outcome, *numbers: int) -> None:
        self.deliveries.settle([self.taken[number].receipt for number in numbers], outcome)

    @property
    def bodies(self) -> list[bytes]:
        return [lease.melding.body for lease in self.taken]


async def rest(queues: Queues) -> list[tuple[bytes, bool]]:
    """What waits in the queue, in order, and whether it is redelivered; it is leased from now on."""
    found = []
    while (got := await queues.gateways[0].get(queues.konto, BY)) is not None:
        found.append((got.lease.melding.body, got.lease.redelivered))
    return found


async def test_messages_come_in_order_and_whole(queues: Queues) -> None:
    await queues.put(queues.konto, [b"a", b"b", b""])
    await queues.put(queues.other, [b"x"])
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want()
    assert await consumer.take(3) == [b"a", b"b", b""]
    melding = consumer.taken[0].melding
    assert (melding.headers["type"], melding.expiration) == ("x", HOUR // timedelta(milliseconds=1))
    await queues.put(queues.konto, [b"c"])
    assert await consumer.take(4) == [b"a", b"b", b"", b"c"]
    assert not any(lease.redelivered for lease in consumer.taken)


async def test_nothing_is_given_that_is_not_wanted(queues: Queues) -> None:
    idle, consumer = Consumer(queues.gateways[0], queues.konto), Consumer(queues.gateways[0], queues.konto)
    await queues.put(queues.konto, [b"a", b"b", b"c"])
    consumer.want(2)
    assert await consumer.take(2) == [b"a", b"b"]
    assert (await queues.gateways[0].count(queues.konto)) == (1, 2)
    assert idle.taken == []


async def test_what_is_wanted_takes_the_place_of_what_was(queues: Queues) -> None:
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want(5)
    consumer.want(0)
    await queues.put(queues.konto, [b"a", b"b"])
    consumer.want(1)
    assert await consumer.take(1) == [b"a"]
    assert (await queues.gateways[0].count(queues.konto)).meldinger == 1


async def test_no_more_octets_are_given_than_are_wanted_but_for_the_last_message(queues: Queues) -> None:
    await queues.put(queues.konto, [b"x" * 60, b"y" * 60, b"z"])
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want(octets=100)
    assert len(await consumer.take(2)) == 2
    assert (await queues.gateways[0].count(queues.konto)).meldinger == 1
    consumer.want(octets=1)
    await consumer.take(3)


async def test_a_closed_consumer_gets_nothing_and_keeps_its_leases(queues: Queues) -> None:
    await queues.put(queues.konto, [b"a"])
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want()
    await consumer.take(1)
    consumer.subscription.close()
    await queues.put(queues.konto, [b"b"])
    assert await rest(queues) == [(b"b", False)]
    assert len(consumer.taken) == 1
    consumer.settle(Outcome.RETURNED, 0)
    await queues.gateways[0].settled()
    assert await rest(queues) == [(b"a", True)]


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Outcome.ACKED, []),
        (Outcome.REJECTED, []),
        (Outcome.REQUEUED, [(b"a", True)]),
        (Outcome.LOST, [(b"a", True)]),
        (Outcome.RETURNED, [(b"a", True)]),
        (Outcome.UNSEEN, [(b"a", False)]),
    ],
)
async def test_how_a_lease_ends_says_whether_the_message_comes_again(
    queues: Queues, outcome: Outcome, left: list[tuple[bytes, bool]]
) -> None:
    await queues.put(queues.konto, [b"a"])
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want(1)
    await consumer.take(1)
    consumer.settle(outcome, 0)
    await queues.gateways[0].settled()
    assert await rest(queues) == left


async def test_redelivered_once_is_redelivered_for_ever(queues: Queues) -> None:
    await queues.put(queues.konto, [b"a"])
    for outcome in (Outcome.RETURNED, Outcome.UNSEEN):
        got = await queues.gateways[0].get(queues.konto, BY)
        assert got
        queues.gateways[0].settle([got.lease.receipt], outcome)
        await queues.gateways[0].settled()
    assert await rest(queues) == [(b"a", True)]


async def test_what_comes_back_has_its_old_place(queues: Queues) -> None:
    await queues.put(queues.konto, [b"a", b"b", b"c", b"d"])
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want(3)
    await consumer.take(3)
    consumer.settle(Outcome.RETURNED, 2)
    consumer.settle(Outcome.RETURNED, 0, 1)
    await queues.gateways[0].settled()
    assert await rest(queues) == [(b"a", True), (b"b", True), (b"c", True), (b"d", False)]


async def test_what_is_settled_is_settled(queues: Queues) -> None:
    await queues.put(queues.konto, [b"a"])
    consumer = Consumer(queues.gateways[0], queues.konto)
    consumer.want(1)
    await consumer.take(1)
    consumer.settle(Outcome.ACKED, 0)
    consumer.settle(Outcome.RETURNED, 0)
    await queues.gateways[0].settled()
    assert await rest(queues) == []


async def test_one_message_is_got_and_the_rest_is_counted(queues: Queues) -> None:
    assert await queues.gateways[0].get(queues.konto, BY) is None
    await queues.put(queues.konto, [b"a", b"b"])
    got = await queues.gateways[0].get(queues.konto, BY)
    assert got
    assert (got.lease.melding.body, got.left) == (b"a", 1)


async def test_consumers_that_want_take_turns(queues: Queues) -> None:
    consumers = [Consumer(gateway, queues.konto) for gateway in (*queues.gateways, queues.gateways[0])]
    for consumer in consumers:
        consumer.want(10)
    await queues.put(queues.konto, [bytes([number]) for number in range(30)])
    await eventually(lambda: sum(len(one.taken) for one in consumers) == 30)
    assert [len(one.taken) for one in consumers] == [10, 10, 10]


async def test_many_consumers_of_many_gateways_lose_nothing_and_share_nothing(queues: Queues) -> None:
    """Every message is leased to one at a time, and acknowledged once, though consumers come and go."""
    bodies = [number.to_bytes(2, "big") for number in range(500)]
    leased: dict[Receipt, bytes] = {}
    acked: list[bytes] = []

    async def consume(gateway: Deliveries, turn: int) -> None:
        consumer = Consumer(gateway, queues.konto)
        while len(acked) < len(bodies):
            consumer.want(7)
            await asyncio.sleep(0.001)
            taken, consumer.taken[:] = list(consumer.taken), []
            for number, lease in enumerate(taken):
                assert lease.melding.body not in leased.values()
                leased[lease.receipt] = lease.melding.body
                goes = (number + turn) % 5
                acked.extend([lease.melding.body] if goes else [])
                del leased[lease.receipt]
                gateway.settle([lease.receipt], Outcome.ACKED if goes else Outcome.RETURNED)
            if turn == 3:
                consumer.subscription.close()
                consumer = Consumer(gateway, queues.konto)
        consumer.want(0)

    await queues.put(queues.konto, bodies)
    await asyncio.gather(*(consume(gateway, turn) for turn in range(3, 6) for gateway in queues.gateways))
    assert sorted(acked) == bodies
