"""Fiks Protokoll through HTTP: systems, accounts and accesses of two organisations, from beginning to end."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest

from gateway.amqp.deliveries import Count
from gateway.auth.grant import token_for
from gateway.context import DELIVERIES
from gateway.routes.docs import descriptions
from schemas.audit import TilgangNektet
from schemas.codec import decode
from schemas.envelope import By
from streams.domain.errors import Unavailable
from streams.domain.fiks_io import dokumentlager_konto_of
from tests.support.certificates import expired, pem
from tests.support.dokumentlager import Answer, Lager
from tests.support.fiks_io import AS_JAVA, java, specification
from tests.support.fiks_io_konto import KONTOER, Io, done, refused, taken_in
from tests.support.records import records_on

NAMES = ("konfigurasjon", "konfigurasjon-kun-person", "katalog")
DESCRIBED = [json.loads(descriptions()[f"fiks-protokoll-{name}-api-v1.json"]) for name in NAMES]
KATALOG = "/fiks-protokoll/katalog/api/v1/kontoer"
FIKS_IO = "/fiks-io/katalog/api/v1/kontoer"
LOOKUP, MATCHENDE = "/fiks-io/katalog/api/v1/lookup", "/fiks-io/katalog/api/v1/matchendeAdresser"
VALIDER = "/fiks-io/konto/api/v1/kontoer/{}/validerMelding"
ARKIV = "no.ks.fiks.arkiv"
OPPRETT = f"{ARKIV}.v1.arkivering.arkivmelding.opprett"
NOT_ALLOWED = 403


def org_path(who: Lager) -> str:
    return f"/fiks-protokoll/api/v1/konfigurasjon/{who.fiks_org_id}"


def described(method: str, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers that are described of a call, and the components that they refer to."""
    for document in DESCRIBED:
        for template, methods in document["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) and method.lower() in methods:
                return methods[method.lower()]["responses"], document["components"]
    raise AssertionError(f"{method} {path} is not described")


async def said(who: Lager, method: str, path: str, body: Any = None) -> Any:
    """The answer of what must succeed, which is exactly what is described: no more fields, and never null."""
    answer: Answer = await who.ask(method, path, json=body)
    answers, components = described(method, path)
    assert str(answer.status) in answers, (answer.status, answer.body)
    content = answers[str(answer.status)].get("content", {}).get("application/json")
    assert bool(content) is bool(answer.body)
    if content is None:
        return None
    jsonschema.validate(answer.json, content["schema"] | {"components": components})
    exactly(answer.json, content["schema"], components["schemas"])
    return answer.json


def exactly(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Nothing but the fields that are described, in any depth, and no null."""
    assert value is not None
    if "$ref" in schema:
        schema = schemas[schema["$ref"].split("/")[-1]]
    if isinstance(value, dict):
        assert value.keys() <= schema["properties"].keys()
        for name, one in value.items():
            exactly(one, schema["properties"][name], schemas)
    if isinstance(value, list):
        for one in value:
            exactly(one, schema["items"], schemas)


@dataclass(frozen=True)
class System:
    """A system, its administrator, its integration, and its address."""

    id: str
    owner: Lager
    machine: Lager
    path: str

    async def konto(self, part: str, **says: Any) -> str:
        """A new account of it, made by the integration."""
        ny = {"navn": f"Konto {part}", "beskrivelse": "En konto", "stottetProtokollNavn": ARKIV}
        parts = [{"partNavn": part, "stottetProtokollVersjon": "v1"}]
        made = await said(self.machine, "POST", f"{self.path}/kontoer", ny | {"parts": parts} | says)
        return str(made["id"])


def system_of(**says: Any) -> dict[str, Any]:
    return {
        "orgnummer": "310991007",
        "navn": "Arkivet",
        "beskrivelse": "Et arkiv",
        "eposter": ["arkiv@example.no"],
        "offentlig": False,
        "konfigureresAvIntegrasjon": True,
    } | says


async def new_system(owner: Lager, **says: Any) -> System:
    ny = system_of(**says)
    made = await said(owner, "POST", f"{org_path(owner)}/systemer", ny)
    headers = {
        "Authorization": f"Bearer {await token_for(owner.settings.issuer, ny['orgnummer'])}",
        "IntegrasjonId": made["system"]["integrasjonId"],
        "IntegrasjonPassord": made["integrasjonPassord"],
    }
    id_ = made["system"]["id"]
    return System(id_, owner, replace(owner, headers=headers), f"{org_path(owner)}/systemer/{id_}")


async def verdict(
    system: System, avsender: str, mottaker: str, melding_type: str = OPPRETT, payload: bool = True
) -> Any:
    """Why a message is refused, asked beforehand; None when it is not."""
    asked = {"avsenderKontoId": avsender, "meldingsType": melding_type, "harPayload": payload}
    answer = await system.machine.ask("POST", VALIDER.format(mottaker), json=asked)
    return [one["message"] for one in answer.json] if answer.status == 400 else answer.status


async def sent(system: System, avsender: str, mottaker: str, melding_type: str = f"{ARKIV}.v1.ping") -> int:
    """The status of a message without content that the system really sends."""
    accounts = {"avsenderKontoId": avsender, "mottakerKontoId": mottaker}
    body, kind = java(specification(**accounts, meldingType=melding_type)), {"Content-Type": AS_JAVA}
    return (await system.machine.ask("POST", "/fiks-io/api/v1/send", data=body, headers=kind)).status


async def test_the_whole_life_of_a_dialogue_between_two_organisations(io: Io) -> None:
    arkiv = await new_system(io.a, offentlig=True)
    fag = await new_system(io.b, orgnummer="310992003", navn="Fagsystemet", offentlig=False)
    mottaker = await arkiv.konto("arkiv.full", offentligNokkel=pem())
    avsender = await fag.konto("klient.arkivering", offentligNokkel=pem())
    no_access = ["Systemet som eier avsenderkontoen, har ikke tilgang til mottakerkontoen"]
    assert await verdict(fag, avsender, mottaker) == no_access

    found = (await said(fag.machine, "POST", f"{fag.path}/konto-sok", {"term": "arkiv.full"}))["kontoer"]
    assert mottaker in {one["id"] for one in found}
    await said(fag.machine, "POST", f"{fag.path}/forespurteTilganger/{mottaker}")
    own = f"{arkiv.path}/kontoer/{mottaker}"
    [asking] = await said(arkiv.machine, "GET", f"{own}/forespurteTilganger")
    assert asking == {
        "id": fag.id,
        "navn": "Fagsystemet",
        "beskrivelse": "Et arkiv",
        "fiksOrgNavn": io.b.organisation.navn,
    }
    assert [one["id"] for one in (await said(fag.machine, "GET", fag.path))["forespurteTilgangerTilKontoer"]] == [
        mottaker
    ]
    assert await verdict(fag, avsender, mottaker) == no_access

    await said(arkiv.machine, "POST", f"{own}/tilganger/{fag.id}")
    assert await verdict(fag, avsender, mottaker) == 204
    assert await sent(fag, avsender, mottaker) == 202
    assert await said(arkiv.machine, "GET", f"{own}/forespurteTilganger") == []
    assert [one["id"] for one in await said(arkiv.machine, "GET", f"{own}/tilganger")] == [fag.id]
    shown = await said(fag.machine, "GET", fag.path)
    assert ([one["id"] for one in shown["tilgangTilKontoer"]], shown["forespurteTilgangerTilKontoer"]) == (
        [mottaker],
        [],
    )

    assert await verdict(arkiv, mottaker, avsender, f"{OPPRETT}.mottatt", payload=False) == 204
    assert await verdict(arkiv, mottaker, avsender, f"{ARKIV}.v1.ping") == no_access
    assert await verdict(fag, avsender, mottaker, f"{OPPRETT}.mottatt", payload=False) == [
        "Meldingstypen kan ikke sendes mellom partene som kontoene har i protokollen"
    ]
    assert await verdict(fag, avsender, mottaker, payload=False) == ["Meldingstypen må ha innhold"]
    assert await verdict(fag, avsender, io.a_konto) == [
        "En protokollkonto og en vanlig konto kan ikke utveksle meldinger"
    ]

    info = {"navn": "Bare mottak", "beskrivelse": "b", "sendMeldingerDeaktivert": True}
    await said(fag.machine, "PUT", f"{fag.path}/kontoer/{avsender}/info", info)
    assert await verdict(fag, avsender, mottaker) == ["Avsenderkontoen kan bare motta meldinger"]
    await said(fag.machine, "PUT", f"{fag.path}/kontoer/{avsender}/info", info | {"sendMeldingerDeaktivert": False})

    await said(arkiv.machine, "DELETE", f"{own}/tilganger/{fag.id}")
    assert await verdict(fag, avsender, mottaker) == no_access
    assert await sent(fag, avsender, mottaker) == 403
    await refused(arkiv.machine, 404, "DELETE", f"{own}/tilganger/{fag.id}")
    await refused(arkiv.machine, 404, "POST", f"{own}/tilganger/{fag.id}")  # not to be seen unless it asks

    await said(fag.machine, "POST", f"{fag.path}/forespurteTilganger/{mottaker}")
    await said(arkiv.machine, "POST", f"{own}/tilganger/{fag.id}")
    await said(fag.machine, "DELETE", f"{fag.path}/tilganger/{mottaker}")
    assert await verdict(fag, avsender, mottaker) == no_access
    await refused(fag.machine, 404, "DELETE", f"{fag.path}/tilganger/{mottaker}")


async def test_requests_are_withdrawn_declined_and_granted_at_once(io: Io) -> None:
    arkiv, fag = await new_system(io.a, offentlig=True), await new_system(io.b, orgnummer="310992003")
    mottaker, avsender = await arkiv.konto("arkiv.arkivering", offentligNokkel=pem()), await fag.konto("klient.full")
    ask, asked = f"{fag.path}/forespurteTilganger/{mottaker}", f"{arkiv.path}/kontoer/{mottaker}/forespurteTilganger"
    await said(fag.machine, "POST", ask)
    await said(fag.machine, "DELETE", ask)
    assert await said(arkiv.machine, "GET", asked) == []
    await said(fag.machine, "POST", ask)
    await said(arkiv.owner, "DELETE", f"{asked}/{fag.id}")
    for who, path in ((fag.machine, ask), (arkiv.machine, f"{asked}/{fag.id}")):
        await refused(who, 404, "DELETE", path)

    info = {name: system_of()[name] for name in ("navn", "beskrivelse", "eposter")} | {"offentlig": True}
    await said(arkiv.machine, "PUT", f"{arkiv.path}/info", info | {"automatiskGodkjenning": True})
    await said(fag.machine, "POST", ask)
    assert await verdict(fag, avsender, mottaker) == 204
    assert await said(arkiv.machine, "GET", asked) == []


async def test_a_system_shows_its_password_once_and_how_its_queues_are(io: Io, monkeypatch: pytest.MonkeyPatch) -> None:
    system = await new_system(io.a)
    shown = await said(io.a, "GET", system.path)
    assert (shown["orgnummer"], shown["konfigureresAvIntegrasjon"], shown["kontoer"]) == ("310991007", True, [])
    assert shown["fiksOrg"] == {"id": str(io.a.fiks_org_id), "navn": io.a.organisation.navn}
    passord = system.machine.headers["IntegrasjonPassord"]
    everything = [one.value for one in records_on(io.a.settings.kafka, "fiks.konfigurasjon")]
    assert not [one for one in everything if passord.encode() in one]
    assert passord not in json.dumps(shown)

    konto_id = await system.konto("arkiv.full")
    for _ in range(2):
        assert await sent(system, await system.konto("klient.full"), konto_id) == 202
    subscription = io.a.app[DELIVERIES].subscribe(UUID(konto_id), By("test"), lambda _: None)
    konto = next(one for one in (await said(system.machine, "GET", system.path))["kontoer"] if one["id"] == konto_id)
    assert konto["metrikk"] == {"meldingerPaKo": 2, "antallKonsumenter": 1}
    assert konto["parter"] == [{"navn": "arkiv.full", "protokollnavn": ARKIV, "protokollversjon": "v1"}]
    subscription.close()
    monkeypatch.setattr(io.a.app[DELIVERIES], "count", away)
    assert "metrikk" not in str(await said(system.machine, "GET", system.path))


async def away(_: UUID) -> Count:
    raise Unavailable("The queue does not answer")


async def test_an_account_from_beginning_to_end(io: Io) -> None:
    system = await new_system(io.a)
    konto_id = await system.konto("arkiv.full")
    path = f"{system.path}/kontoer/{konto_id}"
    made = await said(system.machine, "GET", path)
    assert made["opprettet"] == made["sistEndret"]
    assert [one["stottedeParter"] for one in made["parts"]] == [
        ["fagsystem.arkivering", "klient.arkivering", "klient.full", "klient.innsyn"]
    ]
    of_fiks_io = await done(io.a, "GET", f"/fiks-io/konto/api/v1/kontoer/{konto_id}")
    assert (of_fiks_io["aktiv"], of_fiks_io["kontoNavn"]) == (True, "Konto arkiv.full")
    assert of_fiks_io["dokumentlagerKontoId"] == str(dokumentlager_konto_of(UUID(konto_id)))
    nowhere = await said(system.machine, "GET", f"{KATALOG}/{konto_id}/status")
    assert (nowhere["gyldigMottaker"], nowhere["melding"]) == (False, "Kontoen har ingen offentlig nøkkel")

    nokkel = await said(system.machine, "PUT", f"{path}/pem", {"offentligNokkel": pem()})
    assert nokkel["valid"] and pem().startswith(nokkel["nokkel"])
    told = await done(io.nobody, "GET", f"/fiks-io/katalog/api/v1/kontoer/{konto_id}/offentligNokkel")
    assert told == nokkel == (await said(system.machine, "GET", path))["offentligNokkel"]
    upload = {"pem": pem()}  # by the API of Fiks IO, as the Java client does at its start
    assert (
        await system.machine.ask("PUT", f"/fiks-io/konto/api/v1/kontoer/{konto_id}/offentligNokkel", json=upload)
    ).status == 201

    await said(system.machine, "PUT", f"{path}/info", {"navn": "Nytt navn", "beskrivelse": "Ny"})
    parts = {"parts": [{"partNavn": "arkiv.innsyn", "stottetProtokollVersjon": "v1"}] * 2}
    assert [one["navn"] for one in (await said(system.machine, "POST", f"{path}/parter", parts))["parter"]] == [
        "arkiv.innsyn"
    ]
    changed = await said(system.machine, "GET", path)
    assert (changed["navn"], changed["beskrivelse"], changed["sendMeldingerDeaktivert"]) == ("Nytt navn", "Ny", False)
    assert changed["sistEndret"] > changed["opprettet"]
    assert (await said(system.machine, "GET", f"{KATALOG}/{konto_id}"))["kontoBeskrivelse"] == "Ny"

    await refused(io.a, 400, "DELETE", f"/fiks-io/konto/api/v1/kontoer/{konto_id}")
    await refused(io.a, 400, "DELETE", system.path)
    await said(system.machine, "DELETE", path)
    for method in ("GET", "DELETE"):
        await refused(io.a, 404, method, path)
    await refused(io.a, 404, "GET", f"/fiks-io/konto/api/v1/kontoer/{konto_id}")
    await refused(io.a, 404, "GET", f"{KATALOG}/{konto_id}")

    integrasjon = system.machine.headers["IntegrasjonId"]
    await refused(io.a, 400, "DELETE", f"/konfigurasjon/api/v1/integrasjoner/{integrasjon}")
    await said(io.a, "DELETE", system.path)
    await refused(io.a, 404, "GET", system.path)
    await refused(system.machine, 401, "GET", system.path)


async def test_what_waits_for_an_account_that_is_deleted_fails(io: Io) -> None:
    system = await new_system(io.a)
    konto = await system.konto("arkiv.full")
    waiting = await taken_in(io, io.b_konto, konto, datetime.now(UTC))
    await said(system.machine, "DELETE", f"{system.path}/kontoer/{konto}")
    path = f"/fiks-io/sporing/api/v1/kontoer/{io.b_konto}/meldinger/{waiting}"
    while (await done(io.b_machine, "GET", path))["status"] != "FEILET":
        await asyncio.sleep(0.05)


async def test_what_the_integration_may_is_for_persons_to_say(io: Io) -> None:
    system = await new_system(io.a, konfigureresAvIntegrasjon=False)
    konto = {"navn": "Konto", "beskrivelse": "b", "stottetProtokollNavn": ARKIV} | {
        "parts": [{"partNavn": "arkiv.full", "stottetProtokollVersjon": "v1"}]
    }
    await refused(system.machine, 403, "GET", system.path)
    await refused(system.machine, 403, "POST", f"{system.path}/kontoer", konto)
    konto_id = (await said(io.a, "POST", f"{system.path}/kontoer", konto))["id"]
    await refused(
        system.machine, 403, "PUT", f"/fiks-io/konto/api/v1/kontoer/{konto_id}/offentligNokkel", {"pem": pem()}
    )

    switch = f"{system.path}/integrasjon-privilegium"
    assert (await said(io.a, "PUT", switch, {"konfigureresAvIntegrasjon": True}))["konfigureresAvIntegrasjon"]
    await said(system.machine, "PUT", f"{system.path}/kontoer/{konto_id}/pem", {"offentligNokkel": pem()})
    for method, path, body in (
        ("PUT", switch, {"konfigureresAvIntegrasjon": True}),
        ("PUT", f"{system.path}/orgnummer", {"orgnummer": "310992003"}),
        ("DELETE", system.path, None),
        ("POST", f"{org_path(io.a)}/systemer", system_of()),
    ):
        await refused(system.machine, 401, method, path, body)
    assert not (await said(io.a, "PUT", switch, {"konfigureresAvIntegrasjon": False}))["konfigureresAvIntegrasjon"]
    await refused(system.machine, 403, "GET", system.path)

    assert (await said(io.a, "PUT", f"{system.path}/orgnummer", {"orgnummer": "310992003"}))["orgnummer"] == "310992003"
    await refused(system.machine, 401, "GET", system.path)


def owners_told_of(io: Io, *ids: str) -> list[UUID]:
    """To whom it was told that somebody was refused one of these."""
    events = (decode(one.value) for one in records_on(io.a.settings.kafka, "fiks.audit"))
    refusals = (one for one in events if isinstance(one, TilgangNektet))
    return [one.fiks_org_id for one in refusals if str(one.ressurs_id) in ids]


async def test_nothing_of_what_an_organisation_keeps_to_itself_is_told_to_another(io: Io) -> None:
    hidden, fag = await new_system(io.a), await new_system(io.b, orgnummer="310992003")
    mottaker, avsender = await hidden.konto("arkiv.full"), await fag.konto("klient.full")
    nothing = str(uuid4())

    async def same(method: str, path: str, body: Any = None) -> None:
        """Refused as if it did not exist, in the same words."""
        real = await fag.machine.ask(method, path.format(system=hidden.id, konto=mottaker), json=body)
        made_up = await fag.machine.ask(method, path.format(system=nothing, konto=nothing), json=body)
        assert real.status == made_up.status and real.status in (403, 404)
        said_of = [
            re.sub(f"{hidden.id}|{mottaker}|{nothing}", "…", answer.json["message"]) for answer in (real, made_up)
        ]
        assert said_of[0] == said_of[1]

    await same("POST", f"{fag.path}/forespurteTilganger/{{konto}}")
    await same("DELETE", f"{fag.path}/forespurteTilganger/{{konto}}")
    await same("DELETE", f"{fag.path}/tilganger/{{konto}}")
    await same("POST", f"{fag.path}/kontoer/{avsender}/tilganger/{{system}}")
    await same("DELETE", f"{fag.path}/kontoer/{avsender}/tilganger/{{system}}")
    await same("GET", f"{KATALOG}/{{konto}}")
    await same("GET", f"{KATALOG}/{{konto}}/status")
    await same("GET", f"{org_path(io.a)}/systemer/{{system}}")
    await same("GET", f"{org_path(io.a)}/systemer/{{system}}/kontoer/{{konto}}")
    await same("GET", f"{fag.path}/kontoer/{{konto}}")
    while len(owners := owners_told_of(io, hidden.id, mottaker)) < 7:  # behind the answer, where it is hidden
        await asyncio.sleep(0.1)
    assert set(owners) == {io.a.fiks_org_id}
    assert mottaker not in str(await said(fag.machine, "POST", f"{fag.path}/konto-sok", {}))
    assert hidden.id not in str(await said(fag.machine, "POST", f"{fag.path}/kontoer/{avsender}/system-sok", {}))
    for method, path in (("GET", ""), ("PUT", "/info"), ("POST", "/kontoer"), ("POST", "/konto-sok")):
        await refused(io.b, NOT_ALLOWED, method, f"{hidden.path}{path}", {})
    wrong_place = f"{org_path(io.b)}/systemer/{hidden.id}"
    await refused(io.a, 404, "GET", wrong_place)

    info = {name: system_of()[name] for name in ("navn", "beskrivelse", "eposter")} | {"offentlig": True}
    await said(hidden.machine, "PUT", f"{hidden.path}/info", info)
    assert mottaker in str(await said(fag.machine, "POST", f"{fag.path}/konto-sok", {}))
    assert (await said(fag.machine, "GET", f"{KATALOG}/{mottaker}"))["kontoId"] == mottaker
    assert str(io.a.fiks_org_id) in str(await said(fag.machine, "GET", f"{fag.path}/organisasjoner"))


async def test_fiks_io_tells_no_more_of_what_an_organisation_keeps_to_itself(io: Io) -> None:
    closed, fag = await new_system(io.a), await new_system(io.b, orgnummer="310992003")
    mottaker, avsender = await closed.konto("arkiv.full", offentligNokkel=pem()), await fag.konto("klient.full")
    identifikator = {"identifikatorType": "ORG_NO", "identifikator": "310991007"}
    await addressed(io.a, mottaker, identifikator)

    async def heard(who: Lager, method: str, path: str, konto: str, body: Any = None) -> tuple[int, list[str]]:
        """How it was answered, ids left out."""
        answer = await who.ask(
            method, path.format(konto=konto), json=json.loads(json.dumps(body).replace("KONTO", konto))
        )
        faults = answer.json if isinstance(answer.json, list) else [answer.json]
        return answer.status, [one["message"].replace(konto, "…") for one in faults]

    valider, plain = VALIDER.format("{konto}"), {"meldingsType": OPPRETT, "harPayload": True}
    asked = [
        (fag.machine, "GET", f"{FIKS_IO}/{{konto}}", None),
        (fag.machine, "GET", f"{FIKS_IO}/{{konto}}/status", None),
        (io.b_machine, "GET", f"{FIKS_IO}/{{konto}}", None),
        (fag.machine, "POST", valider, plain | {"avsenderKontoId": avsender}),
        (io.b_machine, "POST", valider, plain | {"avsenderKontoId": io.b_konto}),
        (io.b, "POST", f"{KONTOER}/{io.b_konto}/aksepterteAvsendere", {"kontoId": "KONTO"}),
    ]
    for who, method, path, body in asked:
        real, made_up = [await heard(who, method, path, one, body) for one in (mottaker, str(uuid4()))]
        assert real == made_up and real[0] in (400, 404), path
    assert await sent(fag, avsender, mottaker) == await sent(fag, avsender, str(uuid4())) == 400
    lookup = f"{LOOKUP}?identifikator=ORG_NO.310991007&meldingProtokoll={ARKIV}&sikkerhetsniva=3"
    sok = {"identifikator": [identifikator], "meldingType": [ARKIV], "sikkerhetsnivaer": [3]}
    await refused(fag.machine, 404, "GET", lookup)
    assert await done(io.b, "POST", MATCHENDE, sok) == []
    while len(owners := owners_told_of(io, mottaker)) < len(asked) + 2:  # behind the answers
        await asyncio.sleep(0.1)
    assert set(owners) == {io.a.fiks_org_id}

    assert (await done(closed.machine, "GET", f"{FIKS_IO}/{mottaker}"))["kontoId"] == mottaker
    assert [one["kontoId"] for one in await done(io.a, "POST", MATCHENDE, sok)] == [mottaker]
    info = {name: system_of()[name] for name in ("navn", "beskrivelse", "eposter")} | {"offentlig": True}
    await said(closed.machine, "PUT", f"{closed.path}/info", info)
    assert (await done(fag.machine, "GET", lookup))["kontoId"] == mottaker
    assert await sent(fag, avsender, mottaker) == NOT_ALLOWED


async def addressed(owner: Lager, konto: str, identifikator: dict[str, str]) -> None:
    """Give the account an address that is found."""
    adresser = f"{KONTOER}/{konto}/adresser"
    one = f"{adresser}/{(await done(owner, 'POST', adresser, {'beskrivelse': 'arkiv'}))['adresseId']}"
    await done(owner, "POST", f"{one}/identifikatorer", [identifikator])
    await done(owner, "POST", f"{one}/meldingsprotokoller", [{"meldingsprotokoll": ARKIV}])
    await done(owner, "POST", f"{one}/sikkerhetsnivaer", [{"sikkerhetsniva": 3}])
    await done(owner, "PUT", f"{one}/aktiver")


async def test_searches_find_what_is_asked_for(io: Io) -> None:
    arkiv, fag = await new_system(io.a, offentlig=True), await new_system(io.b, navn="Søkende", orgnummer="310992003")
    mottaker, avsender = await arkiv.konto("arkiv.innsyn", navn="Kontoen søkes"), await fag.konto("klient.innsyn")
    kontoer, systemer = f"{fag.path}/konto-sok", f"{arkiv.path}/kontoer/{mottaker}/system-sok"
    filters = [{"protokollNavn": ARKIV, "protokollVersjon": "v1"}]
    for found, sok in (
        (True, {"term": "SØKES"}),
        (False, {"term": "annet"}),
        (True, {"filter": {"fiksOrgIder": [str(io.a.fiks_org_id)]}}),
        (False, {"filter": {"fiksOrgIder": [str(io.b.fiks_org_id)]}}),
        (True, {"filter": {"protokollFilter": filters}}),
        (True, {"filter": {"protokollFilter": [filters[0] | {"parter": ["arkiv.innsyn"]}]}}),
        (False, {"filter": {"protokollFilter": [filters[0] | {"parter": ["arkiv.full"]}]}}),
        (False, {"filter": {"protokollFilter": [filters[0] | {"protokollVersjon": "v2"}]}}),
    ):
        assert (mottaker in str(await said(fag.machine, "POST", kontoer, sok))) is found, sok
    assert avsender not in str(await said(fag.machine, "POST", kontoer, {}))
    assert fag.id not in str(await said(arkiv.machine, "POST", systemer, {}))
    other = await new_system(io.b, navn="Synlig", orgnummer="310992003", offentlig=True)
    assert other.id in str(await said(arkiv.machine, "POST", systemer, {"term": "synlig"}))
    assert other.id not in str(await said(arkiv.machine, "POST", systemer, {"filter": {"stotterKonto": True}}))
    await other.konto("klient.full")
    assert other.id in str(await said(arkiv.machine, "POST", systemer, {"filter": {"stotterKonto": True}}))


async def test_the_protocols_are_told_to_all_who_call(io: Io) -> None:
    protokoller = f"{org_path(io.a)}/protokoller"
    listed = await said(io.b_machine, "GET", protokoller)
    assert {one["navn"] for one in listed} >= {ARKIV, "no.ks.fiks.plan", "no.ks.fiks.matrikkelfoering"}
    parter = (await said(io.b, "GET", f"{protokoller}/{ARKIV}"))["parter"]
    assert "klient.arkivering" in {one["navn"] for one in parter}
    whole = await said(io.b_machine, "GET", f"{protokoller}/{ARKIV}/v1")
    kinds = {one["meldingstypeNavn"]: one for one in whole["meldingstyper"]}
    assert kinds[OPPRETT] == {"meldingstypeNavn": OPPRETT, "payloadKriterie": "REQUIRED", "erFeilmelding": False}
    for path in (f"{protokoller}/no.ks.annet", f"{protokoller}/{ARKIV}/v9"):
        await refused(io.a, 404, "GET", path)
    await refused(io.nobody, 401, "GET", protokoller)


ARKIV_FULL = [{"partNavn": "arkiv.full", "stottetProtokollVersjon": "v1"}]


@pytest.mark.parametrize(
    "says",
    [
        {"navn": " Konto"},
        {"navn": "x" * 201},
        {"beskrivelse": ""},
        {"beskrivelse": "x" * 501},
        {"parts": []},
        {"parts": [{"partNavn": "arkiv.ukjent", "stottetProtokollVersjon": "v1"}]},
        {"parts": [{"partNavn": "arkiv.full", "stottetProtokollVersjon": "v9"}]},
        {"stottetProtokollNavn": "no.ks.annet"},
        {
            "stottetProtokollNavn": "no.ks.fiks.politisk.behandling",
            "parts": [ARKIV_FULL[0] | {"partNavn": "klient.full"}],
        },
        {"offentligNokkel": pem(expired())},
        {"offentligNokkel": "ingen"},
    ],
    ids=" ".join,
)
async def test_accounts_that_there_are_none_of(io: Io, says: dict[str, Any]) -> None:
    system = await new_system(io.a)
    ny = {"navn": "Konto", "beskrivelse": "b", "stottetProtokollNavn": ARKIV, "parts": ARKIV_FULL}
    fault = await refused(system.machine, 400, "POST", f"{system.path}/kontoer", ny | says)
    assert None not in fault.values()
    assert (await said(system.machine, "GET", system.path))["kontoer"] == []


@pytest.mark.parametrize(
    "says",
    [
        *({"eposter": one} for one in ([], ["ikke epost"])),
        {"orgnummer": "123456789"},
        {"navn": None},
        {"offentlig": "ja"},
    ],
    ids=["no e-mail", "no such e-mail", "no such number", "no name", "no boolean"],
)
async def test_systems_that_there_are_none_of(io: Io, says: dict[str, Any]) -> None:
    await refused(io.a, 400, "POST", f"{org_path(io.a)}/systemer", system_of(**says))


async def test_only_who_administrates_an_organisation_makes_systems_in_it(io: Io) -> None:
    await refused(io.b, NOT_ALLOWED, "POST", f"{org_path(io.a)}/systemer", system_of())
    await refused(io.a_machine, 401, "POST", f"{org_path(io.a)}/systemer", system_of())
    operator = replace(io.operator, organisation=io.a.organisation)
    assert (await new_system(operator)).id


async def test_a_system_does_not_ask_itself(io: Io) -> None:
    system = await new_system(io.a)
    konto_id = await system.konto("arkiv.full")
    await refused(system.machine, 400, "POST", f"{system.path}/forespurteTilganger/{konto_id}")
    await refused(system.machine, 400, "POST", f"{system.path}/kontoer/{konto_id}/tilganger/{system.id}")
    sender = await system.konto("klient.full")
    assert await verdict(system, sender, konto_id) == [
        "Mottakerkontoen " + konto_id + " har ingen offentlig nøkkel som kan brukes"
    ]
