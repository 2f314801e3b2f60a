"""Who polls is shown one message, by whichever gateway, until it is settled or its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.amqp.deliveries import Outcome
from gateway.fiks_io_manuell import Caller, Polling, Shown
from infra.blobs import Blobs
from schemas.envelope import By
from streams import topics
from streams.domain.errors import NotFound, Unavailable
from tests.support.eventually import eventually_found
from tests.support.queues import Post, gateway, post
from tests.support.stack import own_database, temporary_folder

ME, OTHER = (By(f"integrasjon:00000000-0000-0000-0000-00000000000{number}") for number in (1, 2))


@pytest_asyncio.fixture(scope="module")
async def office(kafka: str, postgres: str) -> AsyncIterator[Post]:
    topics.apply(kafka, 1)
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.domain.fiks_io.PAUSES", (timedelta(0),))
        patch.setattr("gateway.queues.TEND", 0.1)
        patch.setattr("gateway.queues.DEAD_FOR", 0.2)
        async with own_database(postgres) as database, post(kafka, database, folder) as made:
            yield made


@pytest.fixture
def one(office: Post) -> Polling:
    return office.gateways[0].polling


@pytest.fixture
def other(office: Post) -> Polling:
    return office.gateways[1].polling


@pytest.fixture
def konto() -> UUID:
    return uuid4()


async def first(polling: Polling, caller: Caller) -> Shown:
    """What the caller is shown, once there is something."""
    while (found := await polling.first(caller)) is None:
        await asyncio.sleep(0.05)
    return found


async def until(office: Post, melding_id: UUID, *types: str) -> None:
    """Wait until those things, in this order, are all that happened to the message."""

    async def is_so() -> bool:
        return await office.steps(melding_id) == list(types)

    await eventually_found(is_so)


async def test_what_one_gateway_showed_another_shows_and_settles(
    office: Post, one: Polling, other: Polling, konto: UUID
) -> None:
    me = Caller(konto, ME)
    sent, later = await office.send(konto, b"innhold"), await office.send(konto)
    shown = await first(one, me)
    again = await first(other, me)
    assert shown.row["melding_id"] == sent.melding_id
    assert (again.row, again.tag) == (shown.row, shown.tag)
    await other.settle(await other.claim(me), Outcome.ACKED)
    await until(office, sent.melding_id, "MeldingSendt", "MeldingLevert", "MeldingKvittert", "MeldingDestruert")
    for polling in (one, other):
        with pytest.raises(NotFound):
            await polling.claim(me)
    following = await first(one, me)
    assert following.row["melding_id"] == later.melding_id
    assert following.tag != shown.tag


async def test_of_several_who_settle_at_once_one_does(office: Post, one: Polling, other: Polling, konto: UUID) -> None:
    me = Caller(konto, ME)
    await office.send(konto)
    await first(one, me)
    claimed = await asyncio.gather(*(polling.claim(me) for polling in (one, other) * 3), return_exceptions=True)
    assert sorted(type(found).__name__ for found in claimed) == ["NotFound"] * 5 + ["Shown"]


async def test_who_asks_several_gateways_at_once_is_shown_one(
    office: Post, one: Polling, other: Polling, konto: UUID
) -> None:
    me = Caller(konto, ME)
    for _ in range(3):
        await office.send(konto)
    await office.system.until_projected("fiks_io")
    shown = await asyncio.gather(*(first(polling, me) for polling in (one, other) * 2))
    assert len({found.tag for found in shown}) == 1

    async def rest_wait() -> bool:
        return (await office.gateways[0].count(konto)).meldinger == 2

    await eventually_found(rest_wait)


async def test_each_caller_is_shown_another_and_settles_its_own(
    office: Post, one: Polling, other: Polling, konto: UUID
) -> None:
    me, somebody = Caller(konto, ME), Caller(konto, OTHER)
    await office.send(konto)
    await office.send(konto)
    mine = await first(one, me)
    with pytest.raises(NotFound):
        await other.claim(somebody)
    theirs = await first(other, somebody)
    assert mine.row["melding_id"] != theirs.row["melding_id"]
    assert (await one.claim(somebody)).delivery.held == theirs.delivery.held


async def test_when_its_time_is_over_it_goes_back_and_that_is_no_attempt(
    office: Post, one: Polling, konto: UUID
) -> None:
    me = Caller(konto, ME)
    sent = await office.send(konto)
    await office.system.until_projected("fiks_io")
    assert await one.first(me, held=0.2) is not None

    async def is_back() -> bool:
        return (await office.steps(sent.melding_id))[-1] == "MeldingLagtTilbake"

    await eventually_found(is_back)
    with pytest.raises(NotFound):
        await one.claim(me)
    attempts = "select forsok, sett from read.fiks_io_tilstand where melding_id = $1"
    assert tuple(await office.system.connection.fetchrow(attempts, sent.melding_id) or ()) == (0, True)
    assert (await first(one, me)).row["melding_id"] == sent.melding_id


async def test_what_could_not_be_settled_is_shown_again(
    office: Post, one: Polling, other: Polling, konto: UUID
) -> None:
    me = Caller(konto, ME)
    await office.send(konto)
    shown = await first(one, me)
    await one.show_again(me, await one.claim(me))
    assert (await first(other, me)).tag == shown.tag
    claimed = await other.claim(me)
    await office.system.connection.execute("delete from lease where levering = $1", shown.delivery.held.levering)
    await other.show_again(me, claimed)  # PostgreSQL forgot it: it goes back, as one that was seen
    assert (await first(one, me)).tag != shown.tag
    again = ("MeldingTilbakelevert", "MeldingLagtTilbake", "MeldingLevert")
    await until(office, shown.row["melding_id"], "MeldingSendt", "MeldingLevert", *again)


async def test_the_end_of_a_gateway_changes_nothing(office: Post, other: Polling, konto: UUID) -> None:
    me = Caller(konto, ME)
    sent = await office.send(konto)
    async with gateway(office.system, Blobs((office.system.settings.state / "blobs").as_uri())) as dying:
        shown = await first(dying.polling, me)
    assert (await first(other, me)).tag == shown.tag
    await other.settle(await other.claim(me), Outcome.REJECTED)
    await until(office, sent.melding_id, "MeldingSendt", "MeldingLevert", "MeldingAvvist", "MeldingDestruert")


async def test_while_the_log_is_away_nobody_is_told_that_it_is_settled(
    office: Post, one: Polling, konto: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = Caller(konto, ME)
    sent = await office.send(konto)
    await first(one, me)
    monkeypatch.setattr("gateway.fiks_io_manuell.PATIENCE", 0.01)
    monkeypatch.setattr("gateway.settlement.Settlement.settled", lambda _self: asyncio.Event().wait())
    with pytest.raises(Unavailable):
        await one.settle(await one.claim(me), Outcome.ACKED)
    await until(office, sent.melding_id, "MeldingSendt", "MeldingLevert", "MeldingKvittert", "MeldingDestruert")
