"""Accounts of Dokumentlager: made, named, tagged and closed; who uses them, and how much they hold."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from gateway.auth.persons import PERSONS
from gateway.issuer.people import PEOPLE
from gateway.seed import ADMINISTRATORS, OPERATOR, PROVDAL
from infra.crypto.segments import sealed_size
from streams.domain.personer import person_id
from tests.support.dokumentlager import Lager, form, said_of

KARE = PEOPLE[1].pid
"""The administrator of another organisation, whom the configuration knows."""
IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OPPSLAG = "select actor from read.audit where type = 'OppslagGjort' and time >= $1 order by time"


async def made(administrator: Lager, **said: Any) -> str:
    """A new account's id."""
    path = f"/dokumentlager/api/v1/{administrator.fiks_org_id}/kontoer"
    answer = await administrator.ask("POST", path, json={"navn": "Byggesaker"} | said)
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


async def listed(caller: Lager) -> dict[str, Any]:
    answer = await caller.ask("GET", f"/dokumentlager/api/v1/{caller.fiks_org_id}/kontoer")
    assert answer.status == 200
    return {one["id"]: one for one in answer.json["kontoer"]}


async def test_an_account_from_beginning_to_end(lager: Lager) -> None:
    administrator = await lager.as_administrator()
    konto_id = await made(administrator, tags=["bygg", "bygg", "sak"])
    address = lager.konto_of(konto_id)

    assert (await administrator.ask("PATCH", address, json={"navn": "Plan & bygg"})).status == 200
    assert (await administrator.ask("PUT", f"{address}/tags/{quote('år 2026/27', safe='')}")).status == 200
    assert (await administrator.ask("DELETE", f"{address}/tags/sak")).status == 200
    known = (await administrator.ask("GET", address)).json
    assert known.pop("hendelser") and known == {
        "id": konto_id,
        "navn": "Plan & bygg",
        "fiksOrganisasjonId": str(lager.fiks_org_id),
        "slettet": False,
        "tags": ["bygg", "år 2026/27"],
    }
    dokument_id = await administrator.uploaded(konto=address)

    assert (await administrator.ask("DELETE", address)).status == 200

    for call in (
        lager.download(dokument_id),
        lager.download(dokument_id, "/metadata"),
        administrator.ask("DELETE", address),
        administrator.ask("PATCH", address, json={"navn": "Annet"}),
        administrator.ask("PUT", f"{address}/tags/x"),
        administrator.upload(b"", address),
        administrator.ask("DELETE", f"{address}/korrelasjonsid/{uuid4()}"),
        administrator.ask("DELETE", f"{address}/dokumenter/{dokument_id}"),
    ):
        assert (await call).status == 410
    while not (kept := (await administrator.ask("GET", f"{address}/dokumenter/{dokument_id}")).json)["slettet"]:
        await asyncio.sleep(0.05)
    assert "sammen med kontoen" in str(kept["hendelser"])
    assert (await listed(administrator))[konto_id]["slettet"]
    history = (await administrator.ask("GET", address)).json["hendelser"]
    assert [one["melding"] for one in history] == [
        "Kontoen er opprettet med navnet Byggesaker",
        "Kontoen har fått navnet Plan & bygg",
        "Kontoen har fått taggen år 2026/27",
        "Taggen sak er fjernet fra kontoen",
        "Kontoen er slettet",
    ]
    assert {one["aktor"] for one in history} == {ADMINISTRATORS[lager.organisation].navn}


async def test_who_is_shown_in_a_history_is_told_to_be_looked_up(lager: Lager) -> None:
    administrator, operator = await lager.as_administrator(), await lager.as_operator()
    address = lager.konto_of(await made(administrator))
    dokument_id = await administrator.uploaded(konto=address)
    begin = datetime.now(UTC)

    for path in (address, f"{address}/dokumenter/{dokument_id}"):
        assert (await administrator.ask("GET", path)).status == 200  # of oneself nothing is told
        answer = await operator.ask("GET", path)
        assert [one["aktor"] for one in answer.json["hendelser"]] == [ADMINISTRATORS[lager.organisation].navn]

    while len(told := await lager.rows(OPPSLAG, begin)) < 2:
        await asyncio.sleep(0.05)
    asking = {lager.app[PERSONS].actor(OPERATOR.pid)}
    assert {row["actor"] for row in told} == asking


async def test_who_may_all_of_the_organisation_is_told_which_accounts_it_does_not_have(lager: Lager) -> None:
    """Contract 4.3: 404. That of another organisation is none, too, and nobody else is told anything."""
    administrator, kare = await lager.as_administrator(), await lager.as_person(KARE)
    theirs, nobodys = str(PROVDAL.id("dokumenter")), str(uuid4())
    said = {}
    for konto_id in (theirs, nobodys):
        konto, body = lager.konto_of(konto_id), form(said_of(), b"x")
        assert (await administrator.upload(body, konto)).status == 404
        answer = await administrator.ask("GET", f"{konto}/dokumenter")
        assert answer.status == 404
        said[konto_id] = answer.json["message"].replace(konto_id, "")
        assert (await lager.upload(body, konto)).status == 403
    assert said[theirs] == said[nobodys]
    for konto_id in (nobodys, str(lager.konto_id)):
        assert (await kare.ask("GET", f"{lager.konto_of(konto_id)}/dokumenter")).status == 403


async def test_who_sees_which_accounts(lager: Lager) -> None:
    administrator = await lager.as_administrator()
    konto_id = await made(administrator)

    assert {konto_id, str(lager.konto_id)} <= (await listed(administrator)).keys()
    assert (await listed(lager)).keys() == {str(lager.konto_id)}
    stranger = await lager.as_organisation(PROVDAL)
    elsewhere = f"/dokumentlager/api/v1/{lager.fiks_org_id}/kontoer"
    assert (await stranger.ask("GET", elsewhere)).json == {"kontoer": []}
    assert (await stranger.ask("POST", elsewhere, json={"navn": "Ny"})).status == 401
    kare = await lager.as_person(KARE)
    assert (await kare.ask("POST", elsewhere, json={"navn": "Ny"})).status == 403
    assert (await kare.ask("DELETE", lager.konto)).status == 403
    assert (await kare.ask("GET", f"{lager.konto}/dokumenter")).status == 403


@pytest.mark.parametrize(
    "said",
    [
        *({"navn": navn} for navn in (None, "x", " ab", "ab ", "a<b", "x" * 201)),
        *({"tags": tags} for tags in (["<"], [""], [str(number) for number in range(11)])),
    ],
)
async def test_names_and_tags_that_there_are_none_of(lager: Lager, said: dict[str, Any]) -> None:
    administrator = await lager.as_administrator()
    path = f"/dokumentlager/api/v1/{lager.fiks_org_id}/kontoer"

    assert (await administrator.ask("POST", path, json={"navn": "Byggesaker"} | said)).status == 400


async def test_a_stranger_is_told_no_id_that_it_did_not_name(lager: Lager) -> None:
    stranger = await lager.as_person(KARE)
    for of in (str(lager.fiks_org_id), str(uuid4())):
        answer = await stranger.ask("POST", f"/dokumentlager/api/v1/{of}/kontoer", json={"navn": "Abc"})
        assert answer.status == 403
        assert not set(IDS.findall(answer.json["message"])) - {of}


async def test_users_and_administrators(lager: Lager) -> None:
    administrator = await lager.as_administrator()
    konto_id = await made(administrator)
    base = f"/dokumentlager/api/v1/organisasjoner/{lager.fiks_org_id}/kontoer/{konto_id}"
    kare, kare_id = await lager.as_person(KARE), str(person_id(lager.fiks_org_id, lager.app[PERSONS].actor(KARE)))
    may = {"tilganger": {"kanLasteOpp": True}}
    ny = {"fnr": KARE, "navn": PEOPLE[1].navn}

    assert (await administrator.ask("POST", f"{base}/brukere/{kare_id}", json=may)).status == 404
    assert (await administrator.ask("POST", "/konfigurasjon/api/v1/personer", json=ny)).status == 200
    assert (await administrator.ask("GET", f"{base}/brukere")).json == {"brukere": []}
    assert (await administrator.ask("POST", f"{base}/brukere/{kare_id}", json=may)).status == 200
    assert (await administrator.ask("GET", f"{base}/brukere")).json == {
        "brukere": [{"personId": kare_id, "navn": PEOPLE[1].navn, **may}]
    }
    assert (await kare.upload(b"", lager.konto_of(konto_id))).status == 400
    assert (await kare.ask("GET", f"{base}/brukere")).status == 403

    assert (await administrator.ask("POST", f"{base}/administratorer/{kare_id}")).status == 200
    assert (await kare.ask("GET", f"{base}/administratorer")).json == {
        "administratorer": [{"navn": PEOPLE[1].navn, "personId": kare_id}]
    }
    assert (await administrator.ask("DELETE", f"{base}/administratorer/{kare_id}")).status == 200
    assert (await kare.ask("GET", f"{base}/administratorer")).status == 403

    may_not = {"tilganger": {"kanLasteOpp": False}}
    assert (await administrator.ask("POST", f"{base}/brukere/{kare_id}", json=may_not)).status == 200
    assert (await kare.upload(b"", lager.konto_of(konto_id))).status == 403
    assert (await administrator.ask("DELETE", f"{base}/brukere/{kare_id}")).status == 200
    assert (await administrator.ask("POST", f"{base}/brukere/{uuid4()}", json=may)).status == 404
    assert (await administrator.ask("POST", f"{base}/brukere/{kare_id}", json={})).status == 400


async def test_statistics_of_an_account_an_organisation_and_all(lager: Lager) -> None:
    administrator = await lager.as_administrator()
    konto_id = await made(administrator)
    address = lager.konto_of(konto_id)
    empty = {"kontoId": konto_id, "antallMetadata": 0, "antallDokumenter": 0, "antallSlettet": 0}
    assert (await administrator.ask("GET", f"{address}/statistikk")).json == empty | {
        "totalStorrelse": 0,
        "ukryptertStorrelse": 0,
    }
    await administrator.uploaded(b"123", address)
    gone = await administrator.uploaded(b"12345", address)
    await administrator.ask("DELETE", f"{address}/dokumenter/{gone}")
    await administrator.ask("GET", f"{address}/dokumenter/{gone}")

    known = {"antallMetadata": 2, "antallDokumenter": 1, "antallSlettet": 1}
    stored = {"totalStorrelse": sealed_size(3), "ukryptertStorrelse": 3}
    assert (await administrator.ask("GET", f"{address}/statistikk")).json == empty | known | stored
    assert (await listed(administrator))[konto_id]["statistikk"] == empty | known | stored

    of_konto = {
        "kontoId": konto_id,
        "fiksOrganisasjonId": str(lager.fiks_org_id),
        "totalStorrelse": stored["totalStorrelse"],
    }
    stats = "/dokumentlager-stats/api/v1"
    assert (await administrator.ask("GET", f"{stats}/kontoer/{konto_id}/stats")).json == of_konto
    of_all = (await administrator.ask("GET", f"{stats}/organisasjoner/{lager.fiks_org_id}/stats")).json["stats"]
    assert of_konto in of_all
    assert (await administrator.ask("GET", f"{stats}/stats")).status == 403
    everything = (await (await lager.as_person(OPERATOR.pid)).ask("GET", f"{stats}/stats")).json["stats"]
    assert of_konto in everything and {one["fiksOrganisasjonId"] for one in everything} >= {
        str(lager.fiks_org_id),
        str(PROVDAL.id("organisasjon")),
    }


async def test_what_comes_to_an_account_as_it_is_closed_is_deleted(lager: Lager) -> None:
    administrator = await lager.as_administrator()
    address = lager.konto_of(await made(administrator))
    body = form(said_of(), b"x")

    uploads = [asyncio.create_task(administrator.upload(body, address)) for _ in range(20)]
    await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
    assert (await administrator.ask("DELETE", address)).status == 200

    answers = await asyncio.gather(*uploads)
    assert {answer.status for answer in answers} <= {201, 410}
    for answer in answers:
        while answer.status == 201 and (await lager.download(answer.json["id"])).status == 200:
            await asyncio.sleep(0.05)
