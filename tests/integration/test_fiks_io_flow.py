"""A message from sent to its end, on a real log and database: expiry, failure, what the sender hears, what is left."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.amqp.deliveries import Got, Lease, Outcome
from gateway.queues import Queues
from gateway.settlement import Delivery
from infra.blobs import Blobs
from projections.compare import check
from projections.fiks_io import fiks_io as table
from schemas.envelope import By, Position, read_envelope
from schemas.fiks_io import Header
from streams import topics
from streams.domain.fiks_io import key_id_of, stream_of
from streams.records import recorded
from tests.support.eventually import eventually, eventually_found
from tests.support.queues import Post, gateway, post
from tests.support.records import Record, distinct, records_on
from tests.support.stack import own_database, temporary_folder

DISCONNECT = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""
BY = By("integrasjon:00000000-0000-0000-0000-000000000009", supplier="310993999")


@pytest_asyncio.fixture(scope="module")
async def office(kafka: str, postgres: str) -> AsyncIterator[Post]:
    topics.apply(kafka, 1)
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.domain.fiks_io.PAUSES", (timedelta(0),))
        async with own_database(postgres) as database, post(kafka, database, folder, gateways=1) as made:
            yield made


class Slow(Blobs):
    """The blobs of the office, from a store that answers when it is told to."""

    def __init__(self, office: Post) -> None:
        super().__init__((office.system.settings.state / "blobs").as_uri())
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def begin(self, name: str, length: int) -> tuple[bytes, int]:
        self.asked.set()
        await self.answers.wait()
        return await super().begin(name, length)


def id_of(lease: Lease) -> UUID:
    assert isinstance(lease.receipt, Delivery)
    return lease.receipt.held.melding_id


async def got(queues: Queues, konto_id: UUID) -> Got:
    """The next message of the account, once there is one."""
    while (found := await queues.get(konto_id, BY)) is None:
        await asyncio.sleep(0.05)
    return found


async def until(office: Post, melding_id: UUID, *types: str) -> None:
    """Wait until those things, in this order, are all that happened to the message."""
    await eventually_found(lambda: _is(office, melding_id, types))


async def _is(office: Post, melding_id: UUID, types: tuple[str, ...]) -> bool:
    return await office.steps(melding_id) == list(types)


async def test_what_is_acknowledged_is_destroyed_and_nobody_hears(office: Post) -> None:
    konto = uuid4()
    sent = await office.send(konto, b"innhold")
    [queues] = office.gateways
    one = await got(queues, konto)
    assert (one.lease.melding.body, one.lease.redelivered, one.left) == (b"innhold", False, 0)
    queues.settle([one.lease.receipt], Outcome.ACKED)
    queues.settle([one.lease.receipt], Outcome.RETURNED)  # it is settled already
    await queues.settled()
    await until(office, sent.melding_id, "MeldingSendt", "MeldingLevert", "MeldingKvittert", "MeldingDestruert")
    assert await office.status(sent.melding_id) == "KVITTERT"
    by = (BY.actor, BY.supplier)
    assert who_of(office, stream_of(konto, sent.melding_id)) == {"MeldingLevert": by, "MeldingKvittert": by}
    assert not (office.system.settings.state / "blobs" / str(sent.blob)).exists()
    key_id = key_id_of(stream_of(konto, sent.melding_id))
    await eventually_found(lambda: _is_erased(office, key_id))
    assert await queues.get(sent.avsender_konto_id, BY) is None


def who_of(office: Post, stream: str) -> dict[str, tuple[str | None, str | None]]:
    """Who did what in the stream, and for whom they called, where somebody did."""
    events = [read_envelope(one.headers, Position(*one[:3])) for one in log_of(office)]
    return {one.type: (one.actor, one.supplier) for one in events if one.stream == stream and one.supplier}


async def _is_erased(office: Post, key_id: str) -> bool:
    found = await office.system.connection.fetchval("select count(*) from nokkel where name like $1 || '%'", key_id)
    return bool(found == 0)


async def test_what_expires_is_told_to_its_sender_on_time_though_it_waits_behind_another(office: Post) -> None:
    konto, [queues] = uuid4(), office.gateways
    await office.send(konto)
    headere = (Header(navn="klientKorrelasjonId", verdi="dialog 7"), Header(navn="annet", verdi="hemmelig"))
    sent = await office.send(konto, b"x", ttl=timedelta(seconds=1), headere=headere)
    told = (await got(queues, sent.avsender_konto_id)).lease.melding
    assert told.body == b""
    assert {name: value for name, value in told.headers.items() if name != "melding-id"} == {
        "type": "no.ks.fiks.kvittering.tidsavbrudd",
        "avsender-id": str(konto),
        "avsender-navn": "Fiks IO",
        "svar-til": str(sent.melding_id),
        "svar-til-type": sent.melding_type,
        "egendefinert-header.klientKorrelasjonId": "dialog 7",
        "egendefinert-header.klientKorrelasjonsId": "dialog 7",
    }
    await until(office, sent.melding_id, "MeldingSendt", "MeldingsfristPassert", "MeldingUtlopt", "MeldingDestruert")
    assert (await queues.count(konto)).meldinger == 1
    dialogue = types_by_correlation(office)[await correlation_of(office, sent.melding_id)]
    both = {"MeldingSendt": 2, "MeldingsfristPassert": 1, "MeldingUtlopt": 1, "MeldingDestruert": 1}
    assert both.items() <= dialogue.items(), "the notice is of it too"


async def correlation_of(office: Post, melding_id: UUID) -> str:
    statement = "select korrelasjon from read.fiks_io_melding where melding_id = $1"
    return str(await office.system.connection.fetchval(statement, melding_id))


def log_of(office: Post) -> list[Record]:
    """Each event once."""
    return distinct(records_on(office.system.settings.kafka, "fiks.io"))


def types_by_correlation(office: Post) -> dict[str, Counter[str]]:
    """How many events of each type the log has of each correlation."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for record in log_of(office):
        headers = dict(record.headers)
        found[headers["ce_correlationid"].decode()][headers["ce_type"].decode()] += 1
    return found


async def test_the_third_failure_ends_it_and_is_told_to_its_sender(office: Post) -> None:
    konto, [queues] = uuid4(), office.gateways
    sent = await office.send(konto)
    for outcome in (Outcome.REQUEUED, Outcome.RETURNED, Outcome.LOST, Outcome.REQUEUED):
        queues.settle([(await got(queues, konto)).lease.receipt], outcome)
    told = (await got(queues, sent.avsender_konto_id)).lease.melding.headers
    assert (told["type"], told["svar-til"]) == ("no.ks.fiks.kvittering.serverfeil.v1", str(sent.melding_id))
    assert await office.status(sent.melding_id) == "FEILET"
    assert await queues.get(konto, BY) is None


async def test_an_answer_says_of_what_type_its_question_was_to_who_asked(office: Post) -> None:
    asking, asked, [queues] = uuid4(), uuid4(), office.gateways
    question = await office.send(asked, avsender_konto_id=asking, melding_type="no.ks.fiks.spm.v1")
    queues.settle([(await got(queues, asked)).lease.receipt], Outcome.ACKED)
    for answering, to, known in (
        (asked, asking, "no.ks.fiks.spm.v1"),
        (uuid4(), asking, None),
        (asked, uuid4(), None),
    ):
        await office.send(to, avsender_konto_id=answering, svar_pa_melding=question.melding_id)
        headers = (await got(queues, to)).lease.melding.headers
        assert (headers["svar-til"], headers.get("svar-til-type")) == (str(question.melding_id), known)


async def test_what_is_rejected_is_told_to_nobody(office: Post) -> None:
    konto, [queues] = uuid4(), office.gateways
    sent = await office.send(konto)
    queues.settle([(await got(queues, konto)).lease.receipt], Outcome.REJECTED)
    await until(office, sent.melding_id, "MeldingSendt", "MeldingLevert", "MeldingAvvist", "MeldingDestruert")
    assert await queues.get(sent.avsender_konto_id, BY) is None


async def test_a_message_of_the_platforms_never_leads_to_another(office: Post) -> None:
    konto, [queues] = uuid4(), office.gateways
    sent = await office.send(konto, ttl=timedelta(seconds=1), plattform=True)
    await until(office, sent.melding_id, "MeldingSendt", "MeldingsfristPassert", "MeldingUtlopt", "MeldingDestruert")
    assert await queues.get(sent.avsender_konto_id, BY) is None


async def test_what_is_in_hand_does_not_expire_there_but_does_when_it_comes_back(office: Post) -> None:
    [queues] = office.gateways
    kept, back = await two_in_hand(office)
    for one in (kept, back):
        await until(office, id_of(one), "MeldingSendt", "MeldingLevert", "MeldingsfristPassert")
    queues.settle([kept.receipt], Outcome.ACKED)
    queues.settle([back.receipt], Outcome.REQUEUED)
    await eventually_found(lambda: _has(office, id_of(kept), "KVITTERT"))
    await eventually_found(lambda: _has(office, id_of(back), "UTLOPT"))


async def two_in_hand(office: Post) -> list[Lease]:
    """Two messages whose time passes soon, but did not on the way to whoever has them, however long that took."""
    [queues], ttl = office.gateways, timedelta(seconds=2)
    while True:
        konto, leases = uuid4(), list[Lease]()
        sent = [(await office.send(konto, ttl=ttl)).melding_id for _ in range(2)]
        while "UTLOPT" not in (status := [await office.status(one) for one in sent]):
            if status == ["LEVERT", "LEVERT"]:
                return leases
            if found := await queues.get(konto, BY):
                leases.append(found.lease)
            await asyncio.sleep(0.02)
        ttl *= 2


async def _has(office: Post, melding_id: UUID, status: str) -> bool:
    return await office.status(melding_id) == status


async def test_an_answer_is_noted_on_what_it_answers(office: Post) -> None:
    konto, [queues] = uuid4(), office.gateways
    asked = await office.send(konto)
    await got(queues, konto)
    answer = await office.send(asked.avsender_konto_id, avsender_konto_id=konto, svar_pa_melding=asked.melding_id)
    await until(office, asked.melding_id, "MeldingSendt", "MeldingLevert", "MeldingBesvart")
    detail = "select detalj from read.fiks_io_steg where melding_id = $1 and type = 'MeldingBesvart'"
    assert await office.system.connection.fetchval(detail, asked.melding_id) == str(answer.melding_id)


async def test_only_an_answer_that_counts_is_noted(office: Post) -> None:
    """Who sends an answer again, or under the id of one that it has sent another, has answered once."""
    konto, [queues] = uuid4(), office.gateways
    asked, other = await office.send(konto), await office.send(konto)
    for _ in range(2):
        await got(queues, konto)
    back = {"avsender_konto_id": konto, "melding_id": uuid4()}
    for question in (asked, asked, other):
        await office.send(asked.avsender_konto_id, svar_pa_melding=question.melding_id, **back)
    later = await office.send(asked.avsender_konto_id, avsender_konto_id=konto, svar_pa_melding=other.melding_id)
    await until(office, other.melding_id, "MeldingSendt", "MeldingLevert", "MeldingBesvart")
    detail = "select detalj from read.fiks_io_steg where melding_id = $1 and type = 'MeldingBesvart'"
    assert await office.system.connection.fetchval(detail, other.melding_id) == str(later.melding_id)
    await until(office, asked.melding_id, "MeldingSendt", "MeldingLevert", "MeldingBesvart")


async def test_a_dialogue_can_be_followed_by_the_ids_in_its_events(office: Post) -> None:
    """From a question to its answers and to what the platform says of them, whoever's call each was."""
    konto, [queues] = uuid4(), office.gateways
    dialog = {"klient_korrelasjons_id": (korrelasjon := uuid4())}
    asked = await office.send(konto, **dialog)
    queues.settle([(await got(queues, konto)).lease.receipt], Outcome.ACKED)
    back = {"avsender_konto_id": konto, "svar_pa_melding": asked.melding_id, "ttl": timedelta(seconds=1)}
    answer = await office.send(asked.avsender_konto_id, **back, **dialog)
    told = (await got(queues, konto)).lease.melding.headers
    assert (told["type"], told["svar-til"]) == ("no.ks.fiks.kvittering.tidsavbrudd", str(answer.melding_id))
    await until(office, answer.melding_id, "MeldingSendt", "MeldingsfristPassert", "MeldingUtlopt", "MeldingDestruert")
    met = [recorded(one) for one in log_of(office)]

    async def said(kind: str, melding_id: UUID) -> Any:
        """The one event of the type that the correlation of the message leads to."""
        of_it = await correlation_of(office, melding_id)
        [found] = [one.event for one in met if (one.at.type, one.at.correlation_id) == (kind, of_it)]
        return found

    question, besvart = await said("MeldingSendt", asked.melding_id), await said("MeldingBesvart", answer.melding_id)
    assert (besvart.melding_id, besvart.svar_melding_id) == (question.melding_id, answer.melding_id)
    for kind in ("MeldingsfristPassert", "MeldingUtlopt", "MeldingDestruert"):
        assert (await said(kind, answer.melding_id)).melding_id == answer.melding_id
    of_dialogue = [one.event for one in met if getattr(one.event, "klient_korrelasjons_id", None) == korrelasjon]
    answers = {one.melding_id: one.svar_pa_melding for one in of_dialogue}
    assert answers == {
        asked.melding_id: None,
        answer.melding_id: asked.melding_id,
        UUID(told["melding-id"]): answer.melding_id,
    }


async def test_a_message_that_is_sent_again_counts_once_and_leaves_nothing(office: Post) -> None:
    konto, [queues] = uuid4(), office.gateways
    first = await office.send(konto, b"en gang")
    again = await office.send(konto, b"to ganger", melding_id=first.melding_id)
    one = await got(queues, konto)
    assert (one.lease.melding.body, one.left) == (b"en gang", 0)
    await eventually(lambda: not (office.system.settings.state / "blobs" / str(again.blob)).exists())
    assert (office.system.settings.state / "blobs" / str(first.blob)).exists()


async def test_what_a_dead_gateway_had_is_taken_over_and_is_no_attempt(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.queues.TEND", 0.1)
    monkeypatch.setattr("gateway.queues.DEAD_FOR", 0.2)
    konto = uuid4()
    sent = await office.send(konto)
    async with gateway(office.system, office.blobs) as dying:
        subscription = dying.subscribe(konto, BY, lambda leases: None)
        subscription.want(5, 5)
        await eventually_found(lambda: _has(office, sent.melding_id, "LEVERT"))
    async with gateway(office.system, office.blobs) as heir:
        one = await got(heir, konto)
        assert one.lease.redelivered
        of_it = types_by_correlation(office)[await correlation_of(office, sent.melding_id)]
        assert (of_it["MeldingTilbakelevert"], of_it["MeldingLagtTilbake"]) == (1, 1)
        statement = "select forsok from read.fiks_io_tilstand where melding_id = $1"
        assert await office.system.connection.fetchval(statement, sent.melding_id) == 0
        assert (await heir.count(konto)).konsumenter == 0


async def test_what_a_dead_gateway_had_is_redelivered_though_it_never_said_that_it_handed_it_out(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.queues.TEND", 0.1)
    monkeypatch.setattr("gateway.queues.DEAD_FOR", 0.2)
    konto = uuid4()
    sent = await office.send(konto)
    await office.system.until_projected(table.name)
    take = "insert into lease (mottaker_konto_id, melding_id, holder) values ($1, $2, $3)"
    await office.system.connection.execute(take, konto, sent.melding_id, uuid4())
    async with gateway(office.system, office.blobs) as heir:
        assert (await got(heir, konto)).lease.redelivered


async def test_what_a_dead_gateway_had_comes_back_in_its_old_order(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order its leases lie in their table: the first to come back can be handed out first."""
    monkeypatch.setattr("gateway.queues.TEND", 0.1)
    monkeypatch.setattr("gateway.queues.DEAD_FOR", 0.2)
    konto, dead = uuid4(), uuid4()
    sent = [(await office.send(konto)).melding_id for _ in range(6)]
    await office.system.until_projected(table.name)
    take = "insert into lease (mottaker_konto_id, melding_id, holder) values ($1, $2, $3)"
    await office.system.connection.executemany(take, [(konto, one, dead) for one in reversed(sent)])
    given: list[Lease] = []
    async with gateway(office.system, office.blobs) as heir:
        heir.subscribe(konto, BY, given.extend).want(10, 2**20)
        await eventually(lambda: len(given) == len(sent))
    assert [id_of(one) for one in given] == sent
    came_back = """
        select melding_id from read.fiks_io_steg
        where mottaker_konto_id = $1 and type = 'MeldingTilbakelevert' order by plass limit 6
    """
    assert [row["melding_id"] for row in await office.system.connection.fetch(came_back, konto)] == sent


async def test_leases_that_postgresql_forgot_cost_a_redelivery_and_no_message(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.queues.TEND", 0.1)
    monkeypatch.setattr("gateway.queues.STALE", 0.2)
    konto = uuid4()
    sent = await office.send(konto)
    async with gateway(office.system, office.blobs) as queues:
        first = await got(queues, konto)
        await eventually_found(lambda: _has(office, sent.melding_id, "LEVERT"))
        await office.system.connection.execute("truncate lease")
        assert (await got(queues, konto)).lease.redelivered
        queues.settle([first.lease.receipt], Outcome.ACKED)  # it had it in hand all the time
        await eventually_found(lambda: _has(office, sent.melding_id, "KVITTERT"))


async def test_what_is_being_opened_while_postgresql_forgets_its_lease_is_not_handed_out(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another gateway may have handed it out meanwhile."""
    konto, slow = uuid4(), Slow(office)
    await office.send(konto, b"stort innhold")
    given: list[UUID] = []
    async with gateway(office.system, slow) as one:
        subscription = one.subscribe(konto, BY, lambda leases: given.extend(map(id_of, leases)))
        subscription.want(9, 999)
        await slow.asked.wait()
        life = one._life
        await office.system.connection.execute("truncate lease")
        await office.system.connection.execute(DISCONNECT)
        await eventually(lambda: one._life not in (life, None))  # until then it might not know that it was cut off
        async with gateway(office.system, office.blobs) as other:
            assert not (await got(other, konto)).lease.redelivered
            slow.answers.set()
            later = await office.send(konto)
            await eventually(lambda: later.melding_id in given)
    assert given == [later.melding_id]


async def test_what_waits_is_counted_as_far_as_anybody_needs_to_know(
    office: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.leases.MOST_COUNTED", 2)
    konto, [queues] = uuid4(), office.gateways
    for waiting in (1, 2, 2):
        await office.send(konto)
        assert (await queues.count(konto)).meldinger == waiting


async def test_the_table_rebuilt_is_the_table(office: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the other tests left behind."""
    for name in ("kafka", "postgres", "state"):
        monkeypatch.setenv(f"FIKS_{name.upper()}", str(getattr(office.system.settings, name)))
    await office.system.until_projected(table.name)
    snapshot = await asyncpg.connect(office.system.settings.postgres)
    connection, kafka = office.system.connection, office.system.settings.kafka
    found = await check(connection, snapshot, kafka, table, 1, lambda _done, _total: None)
    await snapshot.close()
    assert found.rows > 0
    assert found.differences == []
