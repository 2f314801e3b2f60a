"""You read what you wrote: sends, statuses and events through two gateways, a worker, real Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.app import make_app
from gateway.auth.grant import token_for
from gateway.auth.memory import MEMORY
from gateway.context import LOG, READS
from gateway.reads import TOPIC
from gateway.seed import MOTTAR_SELV, credentials
from infra.ends import Ends
from infra.partitions import partition_of
from projections.freshness import position
from schemas.svarut import PrintKvittert, Slettetype, SlettingBegjart
from streams.domain.errors import Unavailable
from streams.domain.svarut_status import Status
from tests.support import workers
from tests.support.backbone import about
from tests.support.eventually import eventually
from tests.support.gateway import Caller, form, metadata, pdf, running_gateway, served
from tests.support.ports import free_port
from tests.support.records import records_on
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder

PDF = pdf()


@dataclass(frozen=True)
class System:
    """``one`` and ``other`` are clients of two gateways on one log."""

    one: Caller
    other: Caller
    postgres: OwnPostgres


@pytest_asyncio.fixture(scope="module")
async def system() -> AsyncIterator[System]:
    with temporary_folder() as folder:
        kafka, postgres = OwnKafka(folder), OwnPostgres(folder)
        await asyncio.gather(kafka.start(), postgres.start())
        await workers.prepare(postgres.dsn)
        async with running_gateway(kafka.bootstrap, folder / "state", postgres.dsn) as one:
            settings = one.settings.model_copy(update={"gateway_port": free_port()})
            app = make_app(settings)
            async with served(app, settings.gateway_port):
                await eventually(lambda: app[MEMORY].ready)
                yield System(one, replace(one, settings=settings, app=app), postgres)
        await postgres.stop()
        await kafka.stop()


@pytest_asyncio.fixture(scope="module")
async def working(system: System) -> AsyncIterator[System]:
    async with workers.working(system.one.settings):
        yield system


async def send(caller: Caller, **changes: Any) -> UUID:
    status, answer = await caller.send(form(metadata("a.pdf", **changes), [('filename="a.pdf"', PDF)]))
    assert status == 200, answer
    return UUID(answer["id"])


async def statuser(caller: Caller, *ids: UUID) -> dict[UUID, str]:
    url = f"{caller.url}/api/v2/kontoer/{caller.konto_id}/forsendelser/status-sok"
    sok = {"forsendelseIds": [str(one) for one in ids]}
    async with caller.session.post(url, json=sok, headers=caller.headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Fiks-Fresh-As-Of"]
        found = (await answer.json())["statuser"]
    assert all(datetime.fromisoformat(one["sisteStatusEndring"]).tzinfo for one in found)
    return {UUID(one["id"]): one["status"] for one in found}


async def get(caller: Caller, path: str) -> tuple[int, Any, Any]:
    async with caller.session.get(caller.url + path, headers=caller.headers) as answer:
        return answer.status, await answer.json(), answer.headers


async def history(caller: Caller, forsendelse_id: UUID) -> list[str]:
    status, said, _ = await get(caller, f"/api/v2/forsendelser/{forsendelse_id}/hendelser")
    assert status == 200, said
    return [one["hendelse"] for one in said["hendelser"]]


async def lest(caller: Caller, forsendelse_id: UUID, **changes: Any) -> int:
    by = {"fnr": "01010700066", "tidspunkt": "2026-11-25T12:00:00.123456789+01:00", "eksterntSystemnavn": None}
    url = f"{caller.url}/api/v2/forsendelser/{forsendelse_id}/lest"
    async with caller.session.post(url, json=by | changes, headers=caller.headers) as answer:
        return answer.status


async def other_organisation(caller: Caller) -> Caller:
    known = next(one for one in credentials(caller.settings.state) if one["orgnr"] == MOTTAR_SELV.orgnr)
    headers = {
        "Authorization": f"Bearer {await token_for(caller.settings.issuer, known['orgnr'])}",
        "IntegrasjonId": known["integrasjonId"],
        "IntegrasjonPassord": known["integrasjonPassord"],
    }
    return replace(caller, headers=headers, konto_id=UUID(known["kontoId"]))


async def test_while_no_worker_has_read_it_nothing_is_said_to_be_missing(system: System) -> None:
    forsendelse_id = await send(system.one)
    system.other.app[READS]._patience = system.one.app[READS]._patience = 0.3

    answers = [
        await get(caller, f"/api/v2/forsendelser/{forsendelse_id}/hendelser") for caller in (system.one, system.other)
    ]

    system.other.app[READS]._patience = system.one.app[READS]._patience = 60.0
    assert [status for status, _, _ in answers] == [503, 503]
    assert all(headers["Retry-After"] for _, _, headers in answers)


async def test_what_was_accepted_is_shown_as_only_received_while_nobody_decides_and_no_longer(system: System) -> None:
    reads, settings = system.other.app[READS], system.one.settings
    async with workers.working(settings, "[one for one in ROLES if one != 'decider:svarut']"):
        forsendelse_id = await send(system.one)
        reads._patience = 60.0
        assert await reads.konto_of(forsendelse_id)
        reads._patience = 0.3
        assert await statuser(system.other, forsendelse_id) == {forsendelse_id: "MOTTATT"}
        assert await history(system.other, forsendelse_id) == ["Forsendelsen er mottatt"]
        reads._patience = 60.0
        reads._undecided_until.clear()
        asked = asyncio.gather(statuser(system.other, forsendelse_id), history(system.other, forsendelse_id))
        async with workers.working(settings):
            status, told = await asked
    assert status == {forsendelse_id: "VARSLET"}
    assert told[:2] == ["Forsendelsen er mottatt", "Forsendelsen er akseptert"]


class Silent:
    """A log that does not tell where it ends, for some questions."""

    def __init__(self, ends: Ends, questions: int) -> None:
        self.topic, self._ends, self.questions = ends.topic, ends, questions

    async def now(self) -> dict[int, int]:
        if self.questions > 0:
            self.questions -= 1
            raise Unavailable("Loggen svarer ikke akkurat nå. Prøv igjen")
        return await self._ends.now()


async def test_what_was_accepted_is_waited_for_though_the_log_is_silent_for_a_moment(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, settings = system.other.app[READS], system.one.settings
    silent = Silent(reads._ends, 0)
    monkeypatch.setattr(reads, "_ends", silent)
    reads._undecided_until.clear()
    async with workers.working(settings, "[one for one in ROLES if one != 'decider:svarut']"):
        forsendelse_id = await send(system.one)
        assert await reads.konto_of(forsendelse_id)
        silent.questions = 6
        asked = asyncio.gather(statuser(system.other, forsendelse_id), history(system.other, forsendelse_id))
        await eventually(lambda: silent.questions == 0 or asked.done())
        async with workers.working(settings):
            status, told = await asked
    assert status == {forsendelse_id: "VARSLET"}
    assert told[:2] == ["Forsendelsen er mottatt", "Forsendelsen er akseptert"]
    reads._patience, silent.questions = 0.3, 10**6
    assert not await reads.follows([forsendelse_id])
    reads._patience = 60.0
    assert not await reads.follows([forsendelse_id]), "nobody waits in vain once more"


async def test_a_partition_where_nobody_decides_keeps_no_other_from_being_waited_for(system: System) -> None:
    reads, settings = system.other.app[READS], system.one.settings
    reads._undecided_until.clear()
    async with workers.working(settings, "[one for one in ROLES if one != 'decider:svarut']"):
        blocked, decided = [await send(system.one)], [await send(system.one)]
        while (partition := partition_of(str(decided[0]), 12)) == partition_of(str(blocked[0]), 12):
            decided = [await send(system.one)]
        reads._patience = 60.0
        assert await reads.konto_of(blocked[0])
        assert await reads.konto_of(decided[0])
        connection = await asyncpg.connect(settings.postgres)
        end = (await reads._ends.now())[partition]
        told = """
            insert into checkpoint values ('decider:svarut', 1, $1, $2, $3)
            on conflict (name, version, topic, partition) do update set next_offset = $3
        """
        was = await position(connection, "decider:svarut", TOPIC, partition)  # type: ignore[arg-type]
        await connection.execute(told, TOPIC, partition, end)
        reads._patience = 0.3
        assert not await reads.follows(blocked)
        assert await reads.follows(decided)
        assert await reads.follows([*blocked, *decided]), "what can be known is waited for"
        reads._patience = 60.0
        assert not await reads.follows(blocked), "nobody waits in vain once more"
        await connection.execute(told, TOPIC, partition, was)
        await connection.close()
        reads._undecided_until.clear()


async def test_what_was_sent_is_found_at_once_through_another_gateway(working: System) -> None:
    async def once() -> None:
        forsendelse_id = await send(working.one)
        assert await statuser(working.other, forsendelse_id) != {forsendelse_id: "MOTTATT"}
        assert (await history(working.other, forsendelse_id))[:2] == [
            "Forsendelsen er mottatt",
            "Forsendelsen er akseptert",
        ]

    await asyncio.gather(*(once() for _ in range(40)))


async def test_what_was_said_to_be_read_is_read_at_once(working: System) -> None:
    async def once() -> None:
        forsendelse_id = await send(working.one)
        assert await lest(working.one, forsendelse_id) == 204
        assert await lest(working.other, forsendelse_id) == 204  # said again, it is so already
        for gateway in (working.other, working.one):
            assert await statuser(gateway, forsendelse_id) == {forsendelse_id: "LEST"}

    await asyncio.gather(*(once() for _ in range(20)))


async def test_what_was_read_before_it_was_deleted_was_read_and_what_was_not_was_not(working: System) -> None:
    mottaker = {"navn": "Kari Nordmann", "poststed": "Oslo", "postnummer": "0192"}
    read, printed = await send(working.one), await send(working.one, mottaker=mottaker)
    assert await lest(working.one, read) == 204
    reads, log = working.one.app[READS], working.one.app[LOG]
    for fact in (
        PrintKvittert(forsendelse_id=printed),
        SlettingBegjart(forsendelse_id=printed, slettetype=Slettetype.ALLE),
        SlettingBegjart(forsendelse_id=read, slettetype=Slettetype.ALLE),
    ):
        await reads.settled(fact.forsendelse_id, await log.append(fact, about(fact)))
    assert [await reads.status(one) for one in (read, printed)] == [Status.SLETTET] * 2
    assert [await lest(working.other, one) for one in (read, printed)] == [204, 409]


async def test_what_is_said_more_than_once_happened_once(working: System) -> None:
    """As when a worker decides again what it had decided before PostgreSQL forgot that, or a fact is sent again."""
    forsendelse_id = await send(working.one)
    assert await working.one.app[READS].follows([forsendelse_id])
    once = await history(working.other, forsendelse_id)
    key = str(forsendelse_id).encode()
    for one in [one for one in records_on(working.one.settings.kafka, TOPIC) if one.key == key]:
        position = await working.one.app[LOG].send(TOPIC, key, one.value, one.headers)
    await working.one.app[READS].settled(forsendelse_id, position)
    assert await history(working.other, forsendelse_id) == once
    assert len(once) == len(set(once)) == 3


async def test_what_is_at_the_printers_cannot_be_said_to_be_read(working: System) -> None:
    mottaker = {"navn": "Kari Nordmann", "poststed": "Oslo", "postnummer": "0192"}
    forsendelse_id = await send(working.one, mottaker=mottaker)

    answers = [await lest(gateway, forsendelse_id) for gateway in (working.one, working.other)]

    assert answers == [409, 409]
    assert await statuser(working.other, forsendelse_id) == {forsendelse_id: "SENDT_PRINT"}


async def test_a_refused_forsendelse_is_avvist_and_its_history_says_why(working: System) -> None:
    reference = uuid4().hex
    status, _ = await working.one.send(form(metadata("a.pdf", eksternReferanse=reference), [('filename="a.pdf"', b"")]))
    path = f"/api/v2/kontoer/{working.one.konto_id}/forsendelser?eksternRef={reference}"
    _, found, _ = await get(working.other, path)
    [forsendelse_id] = map(UUID, found["forsendelseIds"])

    assert (status, await statuser(working.other, forsendelse_id)) == (400, {forsendelse_id: "AVVIST"})
    told = await history(working.other, forsendelse_id)
    assert told[-1] == "Forsendelsen er avvist. Kan ikke lagre tomt dokument"
    assert await lest(working.other, forsendelse_id) == 409


async def test_references_are_found_oldest_first_and_none_is_an_empty_list(working: System) -> None:
    reference = "ref æ/1 " + uuid4().hex
    sent = [await send(working.one, eksternReferanse=reference) for _ in range(2)]
    while len(await statuser(working.other, *sent)) < 2:
        await asyncio.sleep(0.05)
    path = f"/api/v2/kontoer/{working.one.konto_id}/forsendelser?eksternRef="

    _, found, _ = await get(working.other, path + reference.replace(" ", "+"))
    status, nothing, _ = await get(working.other, path + "finnes-ikke")

    assert found == {"forsendelseIds": [str(one) for one in sent]}
    assert (status, nothing) == (200, {"forsendelseIds": []})


async def test_unknown_ids_are_left_out_and_senseless_searches_refused(working: System) -> None:
    known = await send(working.one)
    url = f"{working.one.url}/api/v2/kontoer/{working.one.konto_id}/forsendelser/status-sok"
    refused = []
    for sok in (
        {},
        {"forsendelseIds": None},
        {"forsendelseIds": []},
        {"forsendelseIds": ["x"]},
        [],
        {"forsendelseIds": [str(known)] * 1001},
    ):
        async with working.one.session.post(url, json=sok, headers=working.one.headers) as answer:
            refused.append(answer.status)

    assert list(await statuser(working.other, known, uuid4(), known)) == [known]
    assert set(refused) == {400}
    assert await lest(working.one, known, fnr="123") == 400
    assert await lest(working.one, known, tidspunkt="2026-11-25T12:00:00") == 400


async def test_what_others_sent_is_as_if_it_were_not_there(working: System) -> None:
    stranger = await other_organisation(working.one)
    theirs, nobodys = await send(working.one), uuid4()

    answers = []
    for one in (theirs, nobodys):
        status, body, _ = await get(stranger, f"/api/v2/forsendelser/{one}/hendelser")
        answers.append((status, body["message"].replace(str(one), "ID"), await lest(stranger, one)))

    assert answers[0] == answers[1] == (404, "Forsendelsen ID finnes ikke", 404)
    assert await statuser(stranger, theirs, nobodys) == {}
    status, _, _ = await get(stranger, f"/api/v2/kontoer/{working.one.konto_id}/forsendelser?eksternRef=x")
    assert status == 403


async def test_answers_say_how_fresh_they_are(working: System) -> None:
    before = datetime.now(UTC)
    forsendelse_id = await send(working.one)
    await statuser(working.other, forsendelse_id)

    _, _, headers = await get(working.other, f"/api/v2/kontoer/{working.one.konto_id}/forsendelser?eksternRef=ingen")

    assert before < datetime.fromisoformat(headers["Fiks-Fresh-As-Of"]) <= datetime.now(UTC)


async def test_receiving_does_not_need_postgresql_and_asking_says_so(working: System) -> None:
    known = await send(working.one)
    await statuser(working.one, known)
    await working.postgres.kill()

    sent = await send(working.one)
    status, body, headers = await get(working.one, f"/api/v2/forsendelser/{known}/hendelser")
    assert (status, body["status"], bool(headers["Retry-After"])) == (503, 503, True)

    await working.postgres.start()
    assert list(await statuser(working.one, sent)) == [sent]
