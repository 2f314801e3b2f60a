"""From a lease to a consumer's hands: content that comes late or never holds up its own account alone, and what another
gateway may have taken over meanwhile is not given.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.amqp.deliveries import Lease, Outcome
from gateway.queues import Queues
from gateway.settlement import Settlement
from infra.blobs import Blobs
from infra.database import SESSION, Connection
from infra.kms import keks
from projections.fiks_io import fiks_io as table
from schemas.envelope import By
from schemas.fiks_io import MeldingSendt
from streams import topics
from streams.domain.errors import Unavailable
from streams.log import Log
from tests.support.eventually import eventually, eventually_found
from tests.support.queues import Post, gateway, post
from tests.support.slow_store import SlowStore, slow_store
from tests.support.stack import own_database, temporary_folder

BY = By("integrasjon:00000000-0000-0000-0000-000000000009")


@pytest_asyncio.fixture(scope="module")
async def office(kafka: str, postgres: str) -> AsyncIterator[Post]:
    topics.apply(kafka, 1)
    with temporary_folder() as folder:
        async with own_database(postgres) as database, post(kafka, database, folder, gateways=0) as made:
            async with gateway(made.system, made.blobs) as first:  # there is one before anything is sent
                await first.count(uuid4())
            yield made


@pytest_asyncio.fixture
async def store(office: Post) -> AsyncIterator[SlowStore]:
    async with slow_store(office.system.settings.state / "blobs") as made:
        yield made


def consume(queues: Queues, konto_id: UUID) -> list[Lease]:
    """What a consumer that wants all is given, as it comes."""
    taken: list[Lease] = []
    queues.subscribe(konto_id, BY, taken.extend).want(100, 2**30)
    return taken


def bodies(taken: list[Lease]) -> list[bytes]:
    return [lease.melding.body for lease in taken]


async def late(office: Post, store: SlowStore, konto_id: UUID, body: bytes) -> tuple[MeldingSendt, asyncio.Event]:
    """A message whose content is there once that is set."""
    sent = await office.send(konto_id, body)
    store.late[str(sent.blob)] = asyncio.Event()
    return sent, store.late[str(sent.blob)]


async def awaited(office: Post) -> UUID:
    """An account that a message waits for, whose content is ``a``."""
    konto = uuid4()
    await office.send(konto, b"a")
    await office.system.until_projected(table.name)
    return konto


async def test_who_waits_for_content_keeps_its_order_and_nobody_else_waits(office: Post, store: SlowStore) -> None:
    konto, other = uuid4(), uuid4()
    sent, comes = await late(office, store, konto, b"a")
    await office.send(konto, b"b")
    await office.system.until_projected(table.name)
    async with gateway(office.system, store.blobs) as queues:
        waits, goes_on = consume(queues, konto), consume(queues, other)
        await eventually(lambda: store.asked[str(sent.blob)] > 0)
        for number in range(3):
            await office.send(other, b"%d" % number)
            await eventually(lambda number=number: len(goes_on) > number)  # type: ignore[misc]
        await office.send(konto, b"c")
        await office.system.until_projected(table.name)
        assert bodies(goes_on) == [b"0", b"1", b"2"]
        assert not waits
        comes.set()
        await eventually(lambda: len(waits) == 3)
        assert bodies(waits) == [b"a", b"b", b"c"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come is put off soon, and tried again soon."""
    monkeypatch.setattr("gateway.queues.OPENING", 0.5)
    for name in ("LATER", "STALE", "TEND"):
        monkeypatch.setattr(f"gateway.queues.{name}", 0.2)


async def test_what_does_not_fit_its_consumer_rests_and_the_others_go_first(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.queues.LATER", 2.0)
    konto = uuid4()
    for body in (b"a", b"b"):
        await office.send(konto, body)
    await office.system.until_projected(table.name)
    async with gateway(office.system, office.blobs) as queues:
        taken: list[Lease] = []
        consumer = queues.subscribe(konto, BY, taken.extend)
        for number, outcome in enumerate((Outcome.UNFIT, Outcome.ACKED, Outcome.ACKED), 1):
            consumer.want(1, 2**30)
            await eventually(lambda number=number: len(taken) == number)  # type: ignore[misc]
            queues.settle([taken[-1].receipt], outcome)
        assert [(one.melding.body, one.redelivered) for one in taken] == [(b"a", False), (b"b", False), (b"a", False)]


async def test_what_is_handed_out_counts_among_what_is_to_be_said(office: Post) -> None:
    """While the log is away nobody acknowledges anything, perhaps, and yet more and more is to be said."""
    konto = await awaited(office)
    async with gateway(office.system, office.blobs) as queues:
        said = asyncio.Event()
        append = office.system.log.append

        async def held_up(*args: Any) -> Any:
            await said.wait()
            return await append(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(office.system.log, "append", held_up)
            taken = consume(queues, konto)
            await eventually(lambda: taken)
            assert queues._settlement.unsaid == 1
            said.set()
            await queues.settled()
            assert queues._settlement.unsaid == 0


@pytest.mark.usefixtures("impatient")
async def test_a_message_whose_content_does_not_come_is_tried_again_later_and_the_others_go_first(
    office: Post, store: SlowStore
) -> None:
    konto = uuid4()
    _, comes = await late(office, store, konto, b"a")
    await goes_behind(office, store.blobs, konto, comes.set)


@pytest.mark.usefixtures("impatient")
async def test_so_is_one_whose_file_hangs(office: Post) -> None:
    """As all do whose disk or server does not answer; here a pipe, which nobody writes to."""
    konto = uuid4()
    file = office.system.settings.state / "blobs" / str((await office.send(konto, b"a")).blob)
    aside = file.rename(file.with_suffix(".aside"))
    os.mkfifo(file)

    def comes() -> None:
        let_go = os.open(file, os.O_RDWR)
        aside.rename(file)
        os.close(let_go)

    await goes_behind(office, office.blobs, konto, comes)


async def goes_behind(office: Post, blobs: Blobs, konto_id: UUID, comes: Callable[[], None]) -> None:
    """The message that waits for the account is given after a later one, once its content comes."""
    await office.send(konto_id, b"b")
    await office.system.until_projected(table.name)
    async with gateway(office.system, blobs) as queues:
        taken = consume(queues, konto_id)
        await eventually(lambda: bodies(taken) == [b"b"])
        comes()
        await eventually(lambda: bodies(taken) == [b"b", b"a"])
        assert not any(one.redelivered for one in taken)


async def test_a_key_that_does_not_come_holds_up_its_own_account_alone(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.database.ANSWER", 1000.0)
    monkeypatch.setitem(SESSION, "lock_timeout", "1000s")
    settings, konto, other = office.system.settings, uuid4(), uuid4()
    await office.send(konto, b"a")
    await office.system.until_projected(table.name)
    log, database = Log(settings.kafka, keks(settings)), await asyncpg.connect(settings.postgres)
    await log.start()  # one that remembers no keys
    locked = database.transaction()
    await locked.start()
    await database.execute("lock table nokkel in access exclusive mode")
    async with gateway(replace(office.system, log=log), office.blobs) as queues:
        waits, goes_on = consume(queues, konto), consume(queues, other)
        await eventually_found(lambda: _is_awaited(database))
        for number in range(3):
            await office.send(other, headere=())
            await eventually(lambda number=number: len(goes_on) > number)  # type: ignore[misc]
        assert not waits
        await locked.rollback()
        await eventually(lambda: bodies(waits) == [b"a"])
    await database.close()
    await log.stop()


async def _is_awaited(database: Connection) -> bool:
    asked = "select exists (select from pg_locks where not granted and relation = 'nokkel'::regclass)"
    return bool(await database.fetchval(asked))


async def test_no_more_is_opened_at_once_than_there_is_room_for(
    office: Post, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.queues.MUCH", 10)
    konto, crowded, small = uuid4(), uuid4(), uuid4()
    first, comes = await late(office, store, konto, b"a" * 8)
    await office.system.until_projected(table.name)
    async with gateway(office.system, store.blobs) as queues:
        waits = consume(queues, konto)
        await eventually(lambda: store.asked[str(first.blob)] > 0)
        waits_for_room, fits = consume(queues, crowded), consume(queues, small)
        large = await office.send(crowded, b"b" * 8)
        await office.send(small, b"c")
        await eventually(lambda: bodies(fits) == [b"c"])
        await office.send(small)
        await eventually(lambda: bodies(fits) == [b"c", b""])
        assert store.asked[str(large.blob)] == 0
        comes.set()
        await eventually(lambda: len(waits) == len(waits_for_room) == 1)
        assert store.asked[str(large.blob)] > 0


async def test_nothing_is_handed_out_that_another_may_have_taken_over(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    konto = await awaited(office)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.leases.DEAD_FOR", 0.0)
        async with gateway(office.system, office.blobs) as frozen:
            with pytest.raises(Unavailable):
                await frozen.get(konto, BY)
            taken = consume(frozen, konto)
            await frozen.count(konto)
            assert not taken
    async with gateway(office.system, office.blobs) as queues:
        taken = consume(queues, konto)
        await eventually(lambda: bodies(taken) == [b"a"])
        assert not taken[0].redelivered


async def test_what_one_who_is_gone_may_have_handed_out_is_called_so_though_its_leases_are_forgotten(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went before it had said so on the log, and PostgreSQL crashed: unlogged tables are empty then."""
    konto = await awaited(office)
    with monkeypatch.context() as patch:
        patch.setattr(Settlement, "hand_out", lambda *_: None)
        async with gateway(office.system, office.blobs) as gone:
            seen = consume(gone, konto)
            await eventually(lambda: bodies(seen) == [b"a"])
            assert not seen[0].redelivered
    await office.system.connection.execute("truncate lease, doubt")
    async with gateway(office.system, office.blobs) as queues:
        taken = consume(queues, konto)
        await eventually(lambda: bodies(taken) == [b"a"])
        assert taken[0].redelivered
        await office.send(konto, b"b")
        await eventually(lambda: bodies(taken) == [b"a", b"b"])
        assert not taken[1].redelivered


async def test_another_gateway_that_comes_while_others_are_asked_for_is_not_overlooked(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told then whose senders are answered, and need not wait for a while with each message."""
    monkeypatch.setattr("gateway.queues.TEND", 0.05)
    async with gateway(office.system, office.blobs) as queues:
        looked = asyncio.Event()

        async def others() -> set[UUID]:
            if looked.is_set():
                await asyncio.Event().wait()
            looked.set()
            queues._heard_answered(None, 0, "", str(uuid4()))  # after the question was answered with nobody
            return set()

        monkeypatch.setattr(queues._leases, "others", others)
        await looked.wait()
        await asyncio.sleep(0)
        assert not queues._is_alone
