"""What one gateway has answered counts at every other from then on, however late that reads of it.

All is real: two gateways, the decider, Kafka and sockets. The second gateway is made slow to read the configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pamqp import commands

from gateway.auth.follower import Record
from gateway.auth.memory import MEMORY
from gateway.seed import TESTVIK
from tests.contract.dokumentlager.test_amqp_revoked import serving
from tests.support.dokumentlager import Lager, form, said_of
from tests.support.fiks_io_konto import done, give
from tests.support.revoking import INTEGRASJONER, KONTO, QUEUE, RIGHT, integrasjon, logged_in

QUERY = "/autorisasjon-query/api/v1/autorisasjon"
NY_KONTO = {"navn": "Byggesak", "tags": []}
LATE = 0.1


@pytest.fixture
def late(lagre: tuple[Lager, Lager], monkeypatch: pytest.MonkeyPatch) -> Lager:
    """The caller of a gateway that takes up each record of the configuration a while after it has come, and waits for
    that however busy the machine.
    """
    monkeypatch.setattr("gateway.auth.memory.PATIENCE", 60.0)
    follower = lagre[1].app[MEMORY]._follower
    take = follower._take

    async def later(records: Sequence[Record]) -> None:
        await asyncio.sleep(LATE)
        await take(records)

    monkeypatch.setattr(follower, "_take", later)
    return lagre[1]


async def test_a_new_integration_is_known_and_its_right_holds(lager: Lager, late: Lager) -> None:
    machine = await integrasjon(await lager.as_administrator(), lager)
    asked = await replace(late, headers=machine.headers).ask("GET", f"{INTEGRASJONER}/autentisering")
    assert asked.status == 200

    await give(await lager.as_administrator(), machine, "DOKUMENTLAGER.LAST_OPP", str(lager.konto_id))
    uploaded = await replace(late, headers=machine.headers).upload(form(said_of(), b"innhold"))
    assert uploaded.status == 201, uploaded.body


async def test_its_administrator_finds_it_and_its_new_password_holds(lager: Lager, late: Lager) -> None:
    administrator = await lager.as_administrator()
    ny = {"fiksOrganisasjonUuid": str(lager.fiks_org_id), "navn": "Mottak", "autorisertOrgnr": TESTVIK.orgnr}
    id_ = (await done(administrator, "POST", INTEGRASJONER, ny))["uuid"]
    passord = (await done(await late.as_administrator(), "POST", f"{INTEGRASJONER}/{id_}/lagPassord"))["passord"]
    machine = {**lager.headers, "IntegrasjonId": id_, "IntegrasjonPassord": passord}
    assert (await replace(lager, headers=machine).ask("GET", f"{INTEGRASJONER}/autentisering")).status == 200

    passord = (await done(administrator, "POST", f"{INTEGRASJONER}/{id_}/lagPassord"))["passord"]
    machine = {**lager.headers, "IntegrasjonId": id_, "IntegrasjonPassord": passord}
    assert (await replace(late, headers=machine).ask("GET", f"{INTEGRASJONER}/autentisering")).status == 200


async def test_it_logs_in_over_amqp_and_reads_the_account(lager: Lager, late: Lager) -> None:
    administrator = await lager.as_administrator()
    async with serving(late) as port:
        machine = await integrasjon(administrator, lager)
        raw, answer = await logged_in(port, machine)
        assert isinstance(answer, commands.Connection.OpenOk)
        await raw.ask(commands.Channel.Open(), 1)
        await give(administrator, machine, RIGHT, str(KONTO))
        assert isinstance(await raw.ask(commands.Basic.Consume(queue=QUEUE), 1), commands.Basic.ConsumeOk)
        await raw.drop()


async def test_a_document_for_the_holders_of_a_privilege_is_for_who_was_just_given_it(
    lager: Lager, late: Lager
) -> None:
    administrator = await lager.as_administrator()
    machine = await integrasjon(administrator, lager)
    exposed = [{"type": "AUTORISASJON", "ressurs": str(lager.konto_id), "privilegium": "DOKUMENTLAGER.LAST_OPP"}]
    dokument_id = await lager.uploaded(eksponertFor=exposed)
    reader = replace(late, headers=machine.headers)
    assert (await reader.download(dokument_id)).status == 404

    await give(administrator, machine, "DOKUMENTLAGER.LAST_OPP", str(lager.konto_id))

    assert (await reader.download(dokument_id)).status == 200


async def test_what_a_manager_looks_up_and_changes_was_made_at_another_gateway(lager: Lager, late: Lager) -> None:
    administrator, elsewhere = await lager.as_administrator(), await late.as_administrator()
    ny = {"fiksOrganisasjonUuid": str(lager.fiks_org_id), "navn": "Mottak", "autorisertOrgnr": TESTVIK.orgnr}
    id_ = (await done(administrator, "POST", INTEGRASJONER, ny))["uuid"]
    machine = replace(elsewhere, headers={"IntegrasjonId": id_})

    await give(elsewhere, machine, RIGHT, str(KONTO))

    of = f"/autorisasjon-update/api/v1/fiksorgs/{lager.fiks_org_id}/aktorer"
    ny["navn"] = "Et annet"
    another = (await done(administrator, "POST", INTEGRASJONER, ny))["uuid"]
    await done(elsewhere, "PATCH", f"{of}/{another}", {"aktiv": False})
    konto = (await done(administrator, "POST", f"/dokumentlager/api/v1/{lager.fiks_org_id}/kontoer", NY_KONTO))["id"]
    assert (await elsewhere.ask("GET", f"{QUERY}/ressurser/{konto}")).status == 200


async def test_a_service_that_asks_what_somebody_may_is_told_what_was_just_given(lager: Lager, late: Lager) -> None:
    administrator = await lager.as_administrator()
    machine = await integrasjon(administrator, lager)
    asks = {"aktor": machine.headers["IntegrasjonId"], "privilegium": "SVARINN.KONFIGURERE", "ressurs": str(KONTO)}
    service = replace(late, headers=machine.headers)
    assert not await done(service, "GET", f"{QUERY}/isAutorisert", **asks)

    await give(administrator, machine, "SVARINN.KONFIGURERE", str(KONTO))

    assert await done(service, "GET", f"{QUERY}/isAutorisert", **asks)


async def test_who_asks_for_what_is_another_s_is_on_its_record(lager: Lager) -> None:
    stranger, begin = await lager.as_person("17708512036"), datetime.now(UTC)
    asked = (
        f"{QUERY}/ressurser/{KONTO}",
        f"{QUERY}/{KONTO}/barn",
        f"{QUERY}/{KONTO}/isLeaf",
        f"{QUERY}/isAutorisert?aktor=24929530019&privilegium=ADMIN&ressurs={KONTO}",
    )
    assert [(await stranger.ask("GET", path)).status for path in asked] == [404, 404, 404, 403]

    told = "select stream from read.audit where type = 'TilgangNektet' and time >= $1"
    while len(rows := await lager.rows(told, begin)) < len(asked):
        await asyncio.sleep(0.05)
    assert [row["stream"] for row in rows] == [str(lager.fiks_org_id)] * len(asked)
