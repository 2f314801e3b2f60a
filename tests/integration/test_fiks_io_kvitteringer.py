"""What follows from the end of a message that was sent twice, in whatever batches the role meets that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from projections.fiks_io_kvitteringer import Kvitteringer
from schemas.envelope import NOBODY, Recorded
from schemas.fiks_io import MeldingSendt
from streams import topics
from streams.dead_letters import DeadLetters, read_all
from streams.domain.fiks_io import key_id_of, stream_of
from tests.support.backbone import about
from tests.support.eventually import eventually_found
from tests.support.queues import Post, post
from tests.support.records import distinct
from tests.support.stack import own_database, temporary_folder


@pytest_asyncio.fixture(scope="module")
async def office(kafka: str, postgres: str) -> AsyncIterator[Post]:
    """In which nothing follows from an end by itself."""
    topics.apply(kafka, 1)
    with temporary_folder() as folder:
        async with (
            own_database(postgres) as database,
            post(kafka, database, folder, gateways=1, carries_out=False) as made,
        ):
            yield made


async def expired(office: Post, konto: UUID) -> MeldingSendt:
    """A message that was sent twice, and whose time has passed."""
    ttl = timedelta(seconds=1)
    sent = await office.stored(konto, b"en gang", ttl=ttl)
    again = await office.stored(konto, b"to ganger", melding_id=sent.melding_id, ttl=ttl)
    await office.system.log.append_all([(one, about(one)) for one in (sent, again)])  # before it can expire
    await eventually_found(lambda: _is(office, sent, "UTLOPT"))
    return sent


async def _is(office: Post, sent: MeldingSendt, status: str) -> bool:
    return await office.status(sent.melding_id) == status


async def wanted(office: Post, kvitteringer: Kvitteringer, sent: MeldingSendt) -> list[Recorded]:
    """What the role does something about: that it was sent, that again, and its end."""
    stream = stream_of(sent.mottaker_konto_id, sent.melding_id)
    of_it = [one for one in office.system.records("fiks.io") if dict(one.headers)["ce_subject"] == stream.encode()]
    found = [one for record in distinct(of_it) if (one := kvitteringer._wanted(record)) is not None]
    assert [one.at.type for one in found] == ["MeldingSendt", "MeldingSendt", "MeldingUtlopt"]
    return found


@pytest.mark.parametrize("sizes", [(3,), (1, 2), (2, 1), (1, 1, 1)])
async def test_its_sender_is_told_which_dialogue_it_was_of_and_its_keys_are_destroyed(
    office: Post, sizes: tuple[int, ...]
) -> None:
    kvitteringer = Kvitteringer(office.system.log, DeadLetters(office.system.log), office.blobs)
    sent = await expired(office, uuid4())
    events = await wanted(office, kvitteringer, sent)
    for size in sizes:
        batch, events = events[:size], events[size:]
        await kvitteringer.follow(office.system.connection, batch)
        await kvitteringer.follow(office.system.connection, batch)  # it may fall just before it moves on
    told = await office.gateways[0].get(sent.avsender_konto_id, NOBODY)
    assert told is not None
    assert told.lease.melding.headers["type"] == "no.ks.fiks.kvittering.tidsavbrudd"
    assert told.lease.melding.headers["egendefinert-header.klientKorrelasjonsId"] == "dialog 1"
    await eventually_found(lambda: _is_erased(office, key_id_of(stream_of(sent.mottaker_konto_id, sent.melding_id))))


async def test_what_the_projection_could_not_take_is_a_dead_letter_here_too_and_the_rest_goes_on(office: Post) -> None:
    konto = uuid4()
    refused = await office.send(konto, avsender_navn="Ingen tekst i PostgreSQL har en \0")
    sent = await expired(office, konto)
    async with office.system.worker([Kvitteringer(office.system.log, DeadLetters(office.system.log), office.blobs)]):
        await eventually_found(lambda: _is_erased(office, key_id_of(stream_of(konto, sent.melding_id))))
    letters = await asyncio.to_thread(read_all, office.system.settings.kafka, "fiks.io")
    [reasons] = [one.reasons for one in letters if str(refused.melding_id) in str(one.headers)]
    assert {"projections", "kvitteringer"} <= reasons.keys()


async def _is_erased(office: Post, key_id: str) -> bool:
    found = await office.system.connection.fetchval("select count(*) from nokkel where name like $1 || '%'", key_id)
    return bool(found == 0)
