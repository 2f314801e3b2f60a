"""Who is refused something of an organisation's is told to that organisation, whatever the reason (auth.md 8)."""

from __future__ import annotations

from gateway.auth.login import person_token
from gateway.issuer.people import PEOPLE
from gateway.seed import TESTVIK
from schemas.audit import TilgangNektet
from tests.support.fiks_io_konto import Io
from tests.support.gateway import ends_of, events_after


async def test_a_login_that_is_too_low_for_an_account_is_told_to_the_owner_of_the_account(io: Io) -> None:
    settings = io.a.settings
    token = await person_token(settings.idporten_issuer, next(iter(PEOPLE)).pid, 3, TESTVIK.orgnr)
    marks = await ends_of(settings.kafka, "fiks.audit")
    url = f"http://127.0.0.1:{settings.gateway_port}/fiks-io/konto/api/v1/kontoer/{io.a_konto}"
    async with io.a.session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 403, await answer.text()
    told = [one.event for one in await events_after(settings.kafka, marks, "fiks.audit")]
    assert [(type(one), one.fiks_org_id) for one in told] == [(TilgangNektet, TESTVIK.id("organisasjon"))]
