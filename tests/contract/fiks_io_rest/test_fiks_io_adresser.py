"""Addresses of accounts of Fiks IO: found when they are active, and no two that are active mean the same."""

from __future__ import annotations

import asyncio
import json
import re
from itertools import count
from typing import Any
from uuid import uuid4

import jsonschema

from gateway.routes.docs import descriptions
from tests.support.dokumentlager import Lager
from tests.support.fiks_io_konto import KATALOG, KONTOER, Io, done, give, refused, take

DESCRIBED = json.loads(descriptions()["fiks-io-konto-api-v1.json"])["components"]
PROTOKOLL = "no.ks.fiks.arkiv.v1"
_numbers = count(900_000_000)


def adresser_of(konto_id: str) -> str:
    return f"{KONTOER}/{konto_id}/adresser"


def an_orgnr() -> str:
    """A number that no other address has."""
    return str(next(_numbers))


async def complete(who: Lager, konto_id: str, orgnr: str, *nivaer: int) -> str:
    """The address (of HTTP) of a new address that could be activated."""
    made = await done(who, "POST", adresser_of(konto_id), {"beskrivelse": "Postmottak"})
    path = f"{adresser_of(konto_id)}/{made['adresseId']}"
    await done(who, "POST", f"{path}/identifikatorer", [{"identifikatorType": "ORG_NO", "identifikator": orgnr}])
    await done(who, "POST", f"{path}/meldingsprotokoller", [{"meldingsprotokoll": PROTOKOLL}])
    said = await done(who, "POST", f"{path}/sikkerhetsnivaer", [{"sikkerhetsniva": one} for one in nivaer or (3, 4)])
    assert said["gyldig"] and not said["aktiv"]
    return path


async def looked_up(who: Lager, orgnr: str, niva: int = 3) -> Any:
    query = {"identifikator": f"ORG_NO.{orgnr}", "meldingProtokoll": PROTOKOLL, "sikkerhetsniva": niva}
    answer = await who.ask("GET", f"{KATALOG}/lookup", params=query)
    return answer.json if answer.status == 200 else answer.status


async def test_an_address_from_beginning_to_end(io: Io) -> None:
    orgnr = an_orgnr()
    answer = await io.a.ask("POST", adresser_of(io.a_konto), json={"beskrivelse": "Postmottak"})
    made = answer.json
    assert answer.status == 201
    jsonschema.validate(made, DESCRIBED["schemas"]["Adresse"] | {"components": DESCRIBED})
    assert made.keys() <= DESCRIBED["schemas"]["Adresse"]["properties"].keys()
    assert (made["aktiv"], made["gyldig"], made["identifikatorer"]) == (False, False, [])
    path = f"{adresser_of(io.a_konto)}/{made['adresseId']}"
    assert "minst én" in (await refused(io.a, 400, "PUT", f"{path}/aktiver"))["message"]

    said = await done(io.a, "POST", f"{path}/identifikatorer", [{"identifikator": orgnr}, {"identifikator": orgnr}])
    assert said["identifikatorer"] == [f"ORG_NO.{orgnr}"]
    await done(io.a, "POST", f"{path}/meldingsprotokoller", [{"meldingsprotokoll": PROTOKOLL}])
    await done(io.a, "POST", f"{path}/sikkerhetsnivaer", [{"sikkerhetsniva": 3}, {"sikkerhetsniva": 4}])
    assert await looked_up(io.b_machine, orgnr) == 404
    assert (await done(io.a, "PUT", f"{path}/aktiver"))["aktiv"]
    assert (await looked_up(io.b_machine, orgnr))["kontoId"] == io.a_konto

    described = await done(io.a, "PUT", f"{path}/beskrivelse", {"beskrivelse": "Byggesak"})
    assert (described["beskrivelse"], described["aktiv"]) == ("Byggesak", True)
    less = await done(io.a, "POST", f"{path}/sikkerhetsnivaer/fjern", [{"sikkerhetsniva": 4}])
    assert less["sikkerhetsnivaer"] == [3]
    assert (await looked_up(io.b_machine, orgnr, 4), (await looked_up(io.b_machine, orgnr))["kontoId"]) == (
        404,
        io.a_konto,
    )
    for last, what in (
        ("identifikatorer", {"identifikator": orgnr}),
        ("meldingsprotokoller", {"meldingsprotokoll": PROTOKOLL}),
        ("sikkerhetsnivaer", {"sikkerhetsniva": 3}),
    ):
        await refused(io.a, 400, "POST", f"{path}/{last}/fjern", [what])
    assert not (await done(io.a, "PUT", f"{path}/deaktiver"))["aktiv"]
    assert await looked_up(io.b_machine, orgnr) == 404
    for kind, what in (
        ("identifikatorer", {"identifikator": orgnr}),
        ("meldingsprotokoller", {"meldingsprotokoll": PROTOKOLL}),
    ):
        assert (await done(io.a, "POST", f"{path}/{kind}/fjern", [what]))[kind] == []
    assert made["adresseId"] in {one["adresseId"] for one in await done(io.a, "GET", adresser_of(io.a_konto))}
    await done(io.a, "DELETE", path)
    await refused(io.a, 404, "PUT", f"{path}/aktiver")
    assert made["adresseId"] not in {one["adresseId"] for one in await done(io.a, "GET", adresser_of(io.a_konto))}


async def test_two_organisations_do_not_mean_the_same(io: Io) -> None:
    orgnr = an_orgnr()
    first, second = await complete(io.a, io.a_konto, orgnr, 3), await complete(io.b, io.b_konto, orgnr, 3)
    await done(io.a, "PUT", f"{first}/aktiver")
    assert "En annen aktiv adresse" in (await refused(io.b, 400, "PUT", f"{second}/aktiver"))["message"]
    await done(io.a, "PUT", f"{first}/deaktiver")
    await done(io.b, "PUT", f"{second}/aktiver")
    assert (await looked_up(io.a_machine, orgnr))["kontoId"] == io.b_konto


async def test_of_many_who_ask_at_once_for_the_same_exactly_one_gets_it(io: Io) -> None:
    orgnr = an_orgnr()
    owners = [(io.a, io.a_konto), (io.b, io.b_konto)] * 3
    paths = [(who, await complete(who, konto_id, orgnr)) for who, konto_id in owners]
    answers = await asyncio.gather(*(who.ask("PUT", f"{path}/aktiver") for who, path in paths))
    assert sorted(one.status for one in answers) == [200] + [400] * 5
    [active] = [one.json for one in answers if one.status == 200]
    assert (await looked_up(io.a_machine, orgnr))["kontoId"] == active["kontoId"]


async def test_what_would_clash_is_told_as_far_as_the_catalogue_tells_it(io: Io) -> None:
    taken, other = an_orgnr(), an_orgnr()
    theirs, ours = await complete(io.a, io.a_konto, taken, 3), await complete(io.b, io.b_konto, other, 4)
    await done(io.a, "PUT", f"{theirs}/beskrivelse", {"beskrivelse": "Hemmelig"})
    for who, path in ((io.a, theirs), (io.b, ours)):
        await done(who, "PUT", f"{path}/aktiver")
    identifikator = {"identifikator": taken}
    await done(io.b, "POST", f"{ours}/identifikatorer", [identifikator])  # at another level

    konflikt = {
        "fiksOrgId": str(io.a.fiks_org_id),
        "fiksOrgVisningsnavn": io.a.organisation.navn,
        "kontoId": io.a_konto,
        "kontoNavn": "Fagsystem",
        "adresseId": theirs.rpartition("/")[2],
        "identifikatorer": [f"ORG_NO.{taken}"],
        "meldingsprotokoller": [PROTOKOLL],
        "sikkerhetsnivaer": [3],
    }
    assert await refused(io.b, 400, "POST", f"{ours}/sikkerhetsnivaer", [{"sikkerhetsniva": 3}]) == [konflikt]
    await done(io.b, "POST", f"{ours}/identifikatorer/fjern", [identifikator])
    await done(io.b, "POST", f"{ours}/sikkerhetsnivaer", [{"sikkerhetsniva": 3}])
    assert await refused(io.b, 400, "POST", f"{ours}/identifikatorer", [identifikator]) == konflikt
    await done(io.b, "POST", f"{ours}/meldingsprotokoller", [{"meldingsprotokoll": "en.annen"}])
    await done(io.b, "POST", f"{ours}/meldingsprotokoller/fjern", [{"meldingsprotokoll": PROTOKOLL}])
    await done(io.b, "POST", f"{ours}/identifikatorer", [identifikator])
    again = [{"meldingsprotokoll": PROTOKOLL}]
    assert (
        await refused(io.b, 400, "POST", f"{ours}/meldingsprotokoller", [*again, {"meldingsprotokoll": "fri"}]) == again
    )

    sok = {
        "identifikator": [identifikator, {"identifikator": other}],
        "meldingType": [PROTOKOLL],
        "sikkerhetsnivaer": [1, 3],
    }
    match = {name: konflikt[name] for name in ("fiksOrgId", "kontoId", "adresseId")} | {
        "identifikatorMatch": [f"ORG_NO.{taken}"],
        "meldingTypeMatch": [PROTOKOLL],
        "nivaMatch": [3],
    }
    assert await done(io.b_machine, "POST", f"{KATALOG}/matchendeAdresser", sok) == [match]
    own = sok | {"adresseId": match["adresseId"]}
    assert await done(io.b_machine, "POST", f"{KATALOG}/matchendeAdresser", own) == []


async def test_an_account_that_is_deleted_leaves_its_addresses_to_others(io: Io) -> None:
    konto_id, orgnr = await io.konto(io.a, skalAktiveres=True), an_orgnr()
    gone, heir = await complete(io.a, konto_id, orgnr), await complete(io.b, io.b_konto, orgnr)
    await done(io.a, "PUT", f"{gone}/aktiver")
    await refused(io.b, 400, "PUT", f"{heir}/aktiver")
    await done(io.a, "DELETE", f"{KONTOER}/{konto_id}")
    assert await looked_up(io.b_machine, orgnr) == 404
    await done(io.b, "PUT", f"{heir}/aktiver")


async def test_addresses_are_changed_by_who_may_configure_that_very_account(io: Io) -> None:
    konto_id = await io.konto(io.a)
    path = await complete(io.a, konto_id, an_orgnr())
    elsewhere = path.replace(konto_id, io.b_konto)
    for method, what, body in (
        ("DELETE", "", None),
        ("PUT", "/aktiver", None),
        ("PUT", "/beskrivelse", {"beskrivelse": "Kapret"}),
        ("POST", "/identifikatorer", [{"identifikator": "1"}]),
        ("POST", "/identifikatorer/fjern", [{"identifikator": "1"}]),
    ):
        await refused(io.b, 403, method, f"{path}{what}", body)
        await refused(io.b, 404, method, f"{elsewhere}{what}", body)  # an account of theirs has no such address
    await give(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)
    assert (await done(io.a_machine, "PUT", f"{path}/aktiver"))["aktiv"]
    await take(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)


async def test_what_is_said_wrongly_of_an_address_changes_nothing(io: Io) -> None:
    path = await complete(io.a, io.a_konto, an_orgnr())
    before = await done(io.a, "GET", adresser_of(io.a_konto))
    for what, body in (
        ("identifikatorer", []),
        ("identifikatorer", [{"identifikator": "12a"}]),
        ("identifikatorer", [{"identifikator": "1", "identifikatorType": "FNR"}]),
        ("identifikatorer", {"identifikator": "1"}),
        ("identifikatorer", [{"identifikator": str(one)} for one in range(101)]),
        ("meldingsprotokoller", [{"meldingsprotokoll": "a b"}]),
        ("sikkerhetsnivaer", [{"sikkerhetsniva": 5}]),
        ("sikkerhetsnivaer", [{"sikkerhetsniva": "3"}]),
    ):
        await refused(io.a, 400, "POST", f"{path}/{what}", body)
    await refused(io.a, 404, "PUT", f"{adresser_of(io.a_konto)}/{uuid4()}/aktiver")
    assert await done(io.a, "GET", adresser_of(io.a_konto)) == before


async def test_no_answer_about_addresses_has_the_number_of_a_person(io: Io) -> None:
    await complete(io.a, io.a_konto, an_orgnr())
    told = json.dumps(await done(io.a, "GET", adresser_of(io.a_konto)))
    assert "Fnr" not in told and "person:" not in told and not re.search(r'"[0-9]{11}"', told)
