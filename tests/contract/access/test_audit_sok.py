"""The administrators of an organisation read its record: who did what there, in all that the log has when they ask."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from gateway.routes.docs import descriptions
from gateway.seed import PROVDAL
from schemas.konfigurasjon import ROOT
from tests.support.dokumentlager import Lager
from tests.support.fiks_io_konto import done, refused
from tests.support.revoking import RIGHT, integrasjon

SOK = "/audit-sok/api/v1/sok"
DESCRIBED = json.loads(descriptions()["audit-sok-api-v1.json"])
LAW = "Kommuneloven § 24-1"
GIVEN = ["GrantPrivilegium", "PrivilegieTildelt"]


async def searched(who: Lager, **query: Any) -> Any:
    said = await done(who, "GET", SOK, **({"fiksOrganisasjon": str(who.fiks_org_id)} | query))
    jsonschema.validate(said, {"$ref": "#/components/schemas/Sokeresultat", "components": DESCRIBED["components"]})
    return said


def events(found: Any) -> list[Any]:
    """One line of each event. What the log does not acknowledge in time is appended again, so it may have two."""
    return list({json.loads(one["payload"])["hendelseId"]: one for one in found["treff"]}.values())


async def given(administrator: Lager, like: Lager) -> str:
    """The call by which an integration got a right."""
    machine, call = await integrasjon(administrator, like), uuid4().hex
    right = {"aktor": machine.headers["IntegrasjonId"], "privilegium": RIGHT}
    path = f"/autorisasjon-update/api/v1/ressurs/{administrator.fiks_org_id}/tilganger"
    headers = {"X-Request-Id": call, "Lovhjemmel": LAW}
    assert (await administrator.ask("POST", path, json=right, headers=headers)).status == 200
    return call


async def test_what_was_done_and_by_whom_is_found_by_the_call(lagre: tuple[Lager, Lager]) -> None:
    administrator = await lagre[0].as_administrator()
    call = await given(administrator, lagre[0])
    found = await searched(administrator, requestIder=call, sortering="DATO_ASC")
    assert [one["handling"] for one in events(found)] == GIVEN
    lines = found["antallTreff"]
    assert lines == len(found["treff"])
    asked, decided = events(found)
    assert (asked["orgNo"], asked["fiksOrg"]) == (administrator.organisation.orgnr, str(administrator.fiks_org_id))
    assert decided["principal"] == "Fiks"
    assert asked["principal"] not in ("Fiks", "")
    assert {one["requestId"] for one in found["treff"]} == {call}
    proof = json.loads(asked["payload"])
    assert (proof["lovhjemmel"], proof["topic"]) == (LAW, "fiks.konfigurasjon")
    assert (proof["niva"], proof["leverandor"], proof["integrasjon"]) == (4, None, None)
    [of] = found["aggregeringer"]["tjeneste"]
    assert (of["visningsnavn"], of["antall"]) == ("konfigurasjon", lines)
    by_service = await searched(administrator, requestIder=call, tjenester=of["id"])
    assert by_service["antallTreff"] == lines
    assert (await searched(administrator, requestIder=call, tjenester="audit"))["treff"] == []


async def test_a_revocation_a_password_and_the_end_of_an_integration_are_on_the_record_with_who_did_it(
    lagre: tuple[Lager, Lager],
) -> None:
    administrator = await lagre[0].as_administrator()
    machine = await integrasjon(administrator, lagre[0])
    aktor = machine.headers["IntegrasjonId"]
    right = {"aktor": aktor, "privilegium": RIGHT}
    rights = f"/autorisasjon-update/api/v1/ressurs/{administrator.fiks_org_id}/tilganger"
    await done(administrator, "POST", rights, right)
    integrasjoner = f"/konfigurasjon/api/v1/integrasjoner/{aktor}"
    for method, path, query, told in (
        ("DELETE", rights, right, ["RevokePrivilegium", "PrivilegieTrukketTilbake"]),
        ("POST", f"{integrasjoner}/lagPassord", {}, ["MakePassord", "PassordLaget"]),
        ("DELETE", integrasjoner, {}, ["DeleteIntegrasjon", "IntegrasjonSlettet"]),
    ):
        call = uuid4().hex
        assert (await administrator.ask(method, path, params=query, headers={"X-Request-Id": call})).status < 300
        found = events(await searched(administrator, requestIder=call, sortering="DATO_ASC"))
        assert [one["handling"] for one in found] == told
        asked, decided = found
        assert (asked["principal"] != "Fiks", decided["principal"]) == (True, "Fiks")
        assert json.loads(asked["payload"])["niva"] == 4


async def test_a_page_a_word_and_a_time(lagre: tuple[Lager, Lager]) -> None:
    administrator = await lagre[0].as_administrator()
    call = await given(administrator, lagre[0])
    last = (await searched(administrator, requestIder=call))["antallTreff"] - 1
    newest, oldest = [(await searched(administrator, requestIder=call, **{"fra": n, "antall": 1})) for n in (0, last)]
    assert [one["treff"][0]["handling"] for one in (newest, oldest)] == GIVEN[::-1]
    assert (oldest["antallTreff"], oldest["forespurtFra"], oldest["forespurtAntall"]) == (last + 1, last, 1)
    for term, count in (("privilegietildelt", 1), ("24-1", 2), ("%", 0)):
        assert len(events(await searched(administrator, requestIder=call, term=term))) == count
    at = newest["treff"][0]["tidspunkt"]
    for when, count in (
        ({"fraDato": at - 1, "tilDato": at + 1}, 2),
        ({"fraDato": at + 60_000}, 0),
        ({"tilDato": 0}, 0),
    ):
        assert len(events(await searched(administrator, requestIder=call, **when))) == count
    assert (await searched(administrator, organisasjonsNummer=PROVDAL.orgnr))["antallTreff"] == 0


async def test_who_searched_and_was_refused_is_on_the_record_too(lagre: tuple[Lager, Lager]) -> None:
    one, _ = lagre
    administrator, stranger = (
        await one.as_administrator(),
        await (await one.as_organisation(PROVDAL)).as_administrator(),
    )
    ours = {"fiksOrganisasjon": str(one.fiks_org_id)}
    before = (await searched(administrator, term="TilgangNektet"))["antallTreff"]
    said = await refused(stranger, 403, "GET", SOK, **ours)
    assert str(one.fiks_org_id) not in said["message"]
    found = await searched(administrator, term="TilgangNektet")
    assert found["antallTreff"] == before + 1
    assert found["treff"][0]["principal"] == "Innlogget person"  # of a stranger nothing is told
    operator = await one.as_operator()
    assert (await searched(operator, **ours))["antallTreff"] > 0
    assert (await searched(operator, fiksOrganisasjon=str(ROOT)))["aggregeringer"]["fiksOrg"][0][
        "visningsnavn"
    ] == "ROOT"
    await refused(administrator, 403, "GET", SOK, fiksOrganisasjon=str(ROOT))


async def test_of_another_organisations_integration_that_was_refused_nothing_is_told_but_for_whom_it_called(
    lagre: tuple[Lager, Lager],
) -> None:
    one, call = lagre[0], uuid4().hex
    administrator, stranger = await one.as_administrator(), await one.as_organisation(PROVDAL)
    assert (await stranger.ask("GET", f"{one.konto}/statistikk", headers={"X-Request-Id": call})).status == 403
    [found] = (await searched(administrator, requestIder=call))["treff"]
    assert (found["handling"], found["principal"], found["onBehalfOf"]) == (
        *("TilgangNektet", "Integrasjon", PROVDAL.orgnr),
    )


@pytest.mark.parametrize(
    "query",
    [
        {"fiksOrganisasjon": ""},
        {"fiksOrganisasjon": "x"},
        {"sortering": "NYEST"},
        {"fraDato": "i går"},
        {"tilDato": "9" * 16},
        {"antall": "0"},
        {"term": "\0"},
        {"requestIder": "\0"},
        {"underRessurser": str(ROOT)},
    ],
)
async def test_what_cannot_be_asked_is_refused(lagre: tuple[Lager, Lager], query: dict[str, str]) -> None:
    administrator = await lagre[0].as_administrator()
    await refused(administrator, 400, "GET", SOK, **({"fiksOrganisasjon": str(administrator.fiks_org_id)} | query))
