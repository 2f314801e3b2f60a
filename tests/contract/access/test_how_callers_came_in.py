"""What succeeds says on the log who did it and how they came in: supplier, level of login, integration (auth.md 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from gateway.auth.grant import token_for
from gateway.auth.persons import PERSONS
from gateway.issuer.people import PEOPLE
from gateway.seed import TESTVIK
from schemas.envelope import By
from tests.support.dokumentlager import Lager
from tests.support.eventually import eventually_found
from tests.support.everything import with_token
from tests.support.fiks_io_konto import KONTOER, done, give
from tests.support.revoking import integrasjon

TOLD = """
    select distinct on (id) type, actor, on_behalf_of, supplier, level, integration from read.audit
    where correlation_id = $1
"""
"""What the log does not acknowledge in time is appended again, so one event may have two lines."""
SUPPLIER = "310993999"
KONFIGURERE = "SVARINN.KONFIGURERE"


async def trail(lager: Lager, call: str, events: int) -> dict[str, By]:
    """Who did what by the call, by type of event, once the trail has so many events of it."""
    rows: list[Any] = []

    async def are_there() -> bool:
        rows[:] = await lager.rows(TOLD, call)
        return len(rows) == events

    await eventually_found(are_there)
    return {row["type"]: By(*list(row)[1:]) for row in rows}


async def test_who_called_for_another_organisation_is_on_the_record_with_what_they_did(
    lagre: tuple[Lager, Lager],
) -> None:
    lager, call = lagre[0], uuid4().hex
    dokument = await lager.uploaded()
    delegated = with_token(lager, await token_for(lager.settings.issuer, SUPPLIER, consumer_org=TESTVIK.orgnr))
    assert (await delegated.download(dokument, **{"X-Request-Id": call})).status == 200
    told = await trail(lager, call, 1)
    assert told == {
        "DokumentLastetNed": By(f"integrasjon:{lager.headers['IntegrasjonId']}", TESTVIK.orgnr, supplier=SUPPLIER)
    }


async def test_a_person_through_an_integration_is_on_the_record_with_it_and_the_decision_is_its_decider_s(
    lagre: tuple[Lager, Lager],
) -> None:
    lager, call, pid = lagre[0], uuid4().hex, PEOPLE[5].pid
    administrator = await lager.as_administrator()
    machine = await integrasjon(administrator, lager)
    konto = {"konto": {"fiksOrgId": str(administrator.fiks_org_id), "navn": "Fagsystem"}}
    konto_id = (await done(administrator, "POST", KONTOER, konto))["kontoId"]
    await give(administrator, machine, KONFIGURERE, konto_id)
    right = {"aktor": pid, "privilegium": KONFIGURERE}
    await done(administrator, "POST", f"/autorisasjon-update/api/v1/ressurs/{konto_id}/tilganger", right)
    person = await lager.as_person(pid)
    through = replace(machine, headers={**machine.headers, "Authorization": person.headers["Authorization"]})
    path = f"{KONTOER}/{konto_id}/unikKlientMeldingId/aktiver"
    assert (await through.ask("PUT", path, headers={"X-Request-Id": call})).status == 200
    told = await trail(lager, call, 2)
    who = By(lager.app[PERSONS].actor(pid), level=4, integration=f"integrasjon:{machine.headers['IntegrasjonId']}")
    assert told == {
        "ChangeUnikKlientMeldingId": who,
        "UnikKlientMeldingIdEndret": By("urn:fiks:beslutning:konfigurasjon"),
    }
