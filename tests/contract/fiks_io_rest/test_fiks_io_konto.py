"""Accounts of Fiks IO by the konto service: every operation, by whom it may be done, and nothing of others' told."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest
from cryptography.x509 import load_pem_x509_certificate

from gateway.issuer.people import PEOPLE
from gateway.routes.docs import descriptions
from streams.domain.fiks_io import dokumentlager_konto_of
from tests.support.certificates import certificate, elliptic, expired, key, pem, used_for
from tests.support.fiks_io_konto import KATALOG, KONTOER, Io, done, give, refused, take

DESCRIBED = json.loads(descriptions()["fiks-io-konto-api-v1.json"])["components"]
FNR = re.compile(r"(?<![0-9a-f-])[0-9]{11}(?![0-9a-f-])")


def is_a(name: str, said: Any) -> bool:
    """Whether it is what is described, of nothing but the fields that are, and without null."""
    schema = DESCRIBED["schemas"][name]
    jsonschema.validate(said, schema | {"components": DESCRIBED})
    about_persons = {name: value for name, value in said.items() if name != "offentligNokkel"}  # digits by chance
    assert not FNR.search(json.dumps(about_persons)) and None not in said.values()
    return said.keys() <= schema["properties"].keys()


async def test_an_account_from_beginning_to_end(io: Io) -> None:
    ny = {"konto": {"fiksOrgId": str(io.a.fiks_org_id), "navn": "Arkiv & sak"}}
    answer = await io.a.ask("POST", KONTOER, json=ny)
    konto_id = answer.headers["kontoId"]
    made, path = answer.json, f"{KONTOER}/{konto_id}"
    assert (answer.status, made["kontoId"], made["aktiv"]) == (201, konto_id, False)
    assert is_a("Konto", made)
    assert (made["fiksOrgNavn"], made["kontoNavn"]) == (io.a.organisation.navn, "Arkiv & sak")
    assert made["status"] == {"gyldigAvsender": False, "gyldigMottaker": False, "melding": "Kontoen er deaktivert"}
    assert made["opprettet"].endswith("Z")

    assert (await io.a.ask("PUT", f"{path}/kontoNavn", json={"kontoNavn": "Nytt navn"})).status == 204
    assert (await done(io.a, "GET", path))["kontoNavn"] == "Nytt navn"
    assert (await io.a.ask("PUT", path, json={"kontoNavn": "Eldre form"})).status == 204
    active = await done(io.a, "PUT", f"{path}/aktiver")
    assert (active["aktiv"], active["kontoNavn"]) == (True, "Eldre form")
    assert active["status"]["melding"] == "Kontoen har ingen offentlig nøkkel"
    assert active["sistEndret"] > made["sistEndret"]
    assert (await done(io.a, "PUT", f"{path}/offentligNokkel", {"pem": pem()}))["valid"] is True
    assert (await done(io.a, "GET", path))["status"] == {"gyldigAvsender": True, "gyldigMottaker": True}
    assert (await done(io.a, "PUT", f"{path}/deaktiver"))["aktiv"] is False

    await done(io.a, "DELETE", path)
    for call in (("GET", path), ("PUT", f"{path}/aktiver"), ("DELETE", path)):
        await refused(io.a, 404, *call)
    assert konto_id not in {one["kontoId"] for one in await done(io.a, "GET", "/fiks-io/konto/api/v1/kontosok")}


async def test_an_account_is_made_whole_in_one_call_with_its_account_in_dokumentlager(io: Io) -> None:
    konto = await done(io.a, "GET", f"{KONTOER}/{io.a_konto}")
    assert is_a("Konto", konto)
    dokumenter = str(dokumentlager_konto_of(UUID(io.a_konto)))
    assert (konto["aktiv"], konto["status"]["gyldigMottaker"]) == (True, True)
    assert konto["dokumentlagerKontoId"] == dokumenter
    known = await done(io.a, "GET", f"/dokumentlager/api/v1/{io.a.fiks_org_id}/kontoer/{dokumenter}")
    assert (known["navn"], known["slettet"]) == ("Fagsystem", False)


async def test_an_account_is_refused_whole(io: Io) -> None:
    konto = {"fiksOrgId": str(io.a.fiks_org_id), "navn": "Avvist"}
    for more in (
        {"offentligNokkel": pem(expired())},
        {"forelderresurs": str(uuid4())},
        {"konto": konto | {"navn": " x"}},
    ):
        await refused(io.a, 400, "POST", KONTOER, {"konto": konto} | more)
    await refused(io.a, 403, "POST", KONTOER, {"konto": konto | {"fiksOrgId": str(io.b.fiks_org_id)}})
    assert "Avvist" not in str(await done(io.a, "GET", "/fiks-io/konto/api/v1/kontosok"))


@pytest.mark.parametrize(("service", "field"), [("konto", "pem"), ("katalog", "nokkel")])
async def test_a_key_is_uploaded_in_both_spellings_and_comes_back_unchanged(io: Io, service: str, field: str) -> None:
    path = f"/fiks-io/{service}/api/v1/kontoer/{io.a_konto}/offentligNokkel"
    made = certificate(key(number=1))
    upload = f"Bag Attributes\r\n    friendlyName: x\r\n{pem(made)}{pem(certificate(key(number=2)))}"
    answer = await io.a.ask("PUT", path, json={field: upload})
    assert (answer.status, answer.json["valid"]) == (201, True)
    told = (await io.nobody.ask("GET", f"{KATALOG}/kontoer/{io.a_konto}/offentligNokkel")).json
    assert told == answer.json
    assert load_pem_x509_certificate(told["nokkel"].encode()) == made
    assert pem(made).startswith(told["nokkel"])
    assert told == {
        "nokkel": told["nokkel"],
        "validFrom": "2024-01-01T00:00:00Z",
        "validTo": "2090-01-01T00:00:00Z",
        "serial": "0x523DC4FE",
        "subjectDN": "CN=Fagsystem,OU=Arkiv,O=Testvik kommune,L=Testvik,C=NO",
        "issuerDN": "CN=Fagsystem,OU=Arkiv,O=Testvik kommune,L=Testvik,C=NO",
        "valid": True,
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (pem(expired()), "utløp"),
        (pem(certificate(key(1024))), "1024 bit"),
        (pem(certificate(elliptic())), "RSA"),
        (pem(certificate(usage=used_for("digital_signature"))), "keyUsage"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "kan ikke leses"),
        ("ingen nøkkel", "PEM"),
    ],
    ids=["expired", "short", "elliptic", "usage", "broken", "none"],
)
async def test_a_key_that_must_not_be_used_is_refused_with_the_reason(io: Io, text: str, why: str) -> None:
    before = await done(io.a, "GET", f"{KONTOER}/{io.a_konto}/offentligNokkel")
    fault = await refused(io.a, 400, "PUT", f"{KONTOER}/{io.a_konto}/offentligNokkel", {"pem": text})
    assert why in fault["message"]
    assert await done(io.a, "GET", f"{KONTOER}/{io.a_konto}/offentligNokkel") == before


async def test_without_a_key_there_is_none_to_be_had(io: Io) -> None:
    path = f"{KONTOER}/{await io.konto(io.a, offentligNokkel=pem())}/offentligNokkel"
    assert (await io.a.ask("DELETE", path)).status == 204
    await refused(io.a, 404, "GET", path)


async def test_an_integration_configures_only_what_it_was_given(io: Io) -> None:
    konto_id = await io.konto(io.a)
    path, body = f"{KONTOER}/{konto_id}/offentligNokkel", {"pem": pem()}
    await give(io.a, io.a_machine, "SVARINN.SENDE_MOTTA", konto_id)
    await refused(io.a_machine, 403, "PUT", path, body)  # configuration by API is not switched on
    await give(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)
    assert (await io.a_machine.ask("PUT", path, json=body)).status == 201
    konto = await done(io.a_machine, "PUT", f"{KONTOER}/{konto_id}/aktiver")
    assert konto["sistEndretAv"] == io.a_machine.headers["IntegrasjonId"]
    await refused(io.a_machine, 401, "PUT", f"{KONTOER}/{konto_id}/kontoNavn", {"kontoNavn": "Nytt navn"})
    await refused(io.a_machine, 401, "DELETE", f"{KONTOER}/{konto_id}")  # for somebody who has logged in
    own = await done(io.a_machine, "GET", "/fiks-io/konto/api/v1/kontosok", aktiv="true")
    assert [one["kontoId"] for one in own] == [konto_id]
    await take(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)
    await refused(io.a_machine, 403, "PUT", path, body)


async def test_who_administrates_an_account_alone_configures_that_and_no_other(io: Io) -> None:
    konto_id, other = await io.konto(io.a), await io.konto(io.a)
    clerk = await io.nobody.as_person(PEOPLE[-1].pid)
    right = {"aktor": PEOPLE[-1].pid, "privilegium": "ADMIN"}
    await done(io.a, "POST", f"/autorisasjon-update/api/v1/ressurs/{konto_id}/tilganger", right)
    assert (await done(clerk, "PUT", f"{KONTOER}/{konto_id}/aktiver"))["aktiv"]
    await refused(clerk, 403, "PUT", f"{KONTOER}/{other}/aktiver")
    await refused(clerk, 403, "POST", KONTOER, {"konto": {"fiksOrgId": str(io.a.fiks_org_id), "navn": "Ny"}})


async def test_an_organisation_neither_sees_nor_touches_the_accounts_of_another(io: Io) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "/aktiver", None),
        ("PUT", "/deaktiver", None),
        ("GET", "/offentligNokkel", None),
        ("PUT", "/offentligNokkel", {"pem": pem()}),
        ("DELETE", "/offentligNokkel", None),
        ("GET", "/aksepterteAvsendere", None),
        ("POST", "/aksepterteAvsendere", {"kontoId": io.b_konto}),
        ("PUT", "/aksepterteAvsendere/aktiver", None),
        ("GET", "/adresser", None),
        ("POST", "/adresser", {"beskrivelse": "Kapret"}),
        ("PUT", "/unikKlientMeldingId/aktiver", None),
    ):
        for stranger in (io.b, io.b_machine):
            fault = await refused(stranger, 403, method, f"{KONTOER}/{io.a_konto}{path}", body)
            assert io.a.organisation.navn not in str(fault) and str(io.a.fiks_org_id) not in str(fault)
    for method, path, body in (("DELETE", "", None), ("PUT", "/kontoNavn", {"kontoNavn": "Kapret"})):
        await refused(io.b, 403, method, f"{KONTOER}/{io.a_konto}{path}", body)
    seen = await done(io.b, "GET", "/fiks-io/konto/api/v1/kontosok")
    assert {one["fiksOrgId"] for one in seen} == {str(io.b.fiks_org_id)}
    assert await done(io.b, "GET", "/fiks-io/konto/api/v1/kontosok", fiksOrgId=str(io.a.fiks_org_id)) == []


async def test_the_search_is_narrowed(io: Io) -> None:
    inactive = await io.konto(io.b)
    path = "/fiks-io/konto/api/v1/kontosok"
    own = {one["kontoId"]: one for one in await done(io.b, "GET", path)}
    assert all(is_a("Konto", one) for one in own.values()) and own[io.b_konto]["aktiv"]
    off = await done(io.b, "GET", path, aktiv="false", fiksOrgId=str(io.b.fiks_org_id))
    assert inactive in {one["kontoId"] for one in off} and io.b_konto not in {one["kontoId"] for one in off}
    assert {one["fiksOrgId"] for one in await done(io.operator, "GET", path)} > {str(io.a.fiks_org_id)}
    for query in ({"aktiv": "kanskje"}, {"fiksOrgId": "x"}):
        await refused(io.b, 400, "GET", path, **query)


async def test_accepted_senders_and_what_they_change(io: Io) -> None:
    mottaker = await io.konto(io.b, offentligNokkel=pem(), skalAktiveres=True)
    path, ask = f"{KONTOER}/{mottaker}/aksepterteAvsendere", f"{KONTOER}/{mottaker}/validerMelding"
    tenkt = {"avsenderKontoId": io.a_konto, "meldingsType": "no.ks.test.v1", "harPayload": True}
    assert await done(io.b, "GET", path) == {"avsendere": [], "aktivert": False}
    assert (await io.a_machine.ask("POST", ask, json=tenkt)).status == 204

    assert (await io.b.ask("PUT", f"{path}/aktiver")).status == 204
    [fault] = await refused(io.a_machine, 400, "POST", ask, tenkt)
    assert (fault["status"], fault["path"]) == (403, ask)
    assert (await io.b.ask("POST", path, json={"kontoId": io.a_konto})).status == 204
    known = {"kontoId": io.a_konto, "kontoNavn": "Fagsystem", "fiksOrgNavn": io.a.organisation.navn}
    assert await done(io.b, "GET", path) == {"avsendere": [known], "aktivert": True}
    assert (await io.a_machine.ask("POST", ask, json=tenkt)).status == 204

    await done(io.b, "DELETE", f"{path}/{io.a_konto}")
    await refused(io.a_machine, 400, "POST", ask, tenkt)
    assert (await io.b.ask("PUT", f"{path}/deaktiver")).status == 204
    assert (await io.a_machine.ask("POST", ask, json=tenkt)).status == 204
    await refused(io.b, 400, "POST", path, {"kontoId": str(uuid4())})


async def test_a_message_is_judged_beforehand_for_who_may_send_it(io: Io) -> None:
    mottaker = await io.konto(io.b)
    ask = f"{KONTOER}/{mottaker}/validerMelding"
    tenkt = {"avsenderKontoId": io.a_konto, "meldingsType": "ikke gyldig", "harPayload": True}
    faults = await refused(io.a_machine, 400, "POST", ask, tenkt)
    assert [one["message"].split()[0] for one in faults] == ["Meldingstypen", "Mottakerkontoen", "Mottakerkontoen"]
    assert {"timestamp", "status", "error", "errorId", "path", "originalPath", "message"} == faults[0].keys()
    unknown = await refused(io.a_machine, 400, "POST", f"{KONTOER}/{uuid4()}/validerMelding", tenkt)
    assert "finnes ikke" in unknown[-1]["message"]
    await refused(io.a_machine, 403, "POST", ask, tenkt | {"avsenderKontoId": io.b_konto})
    for malformed in ({}, [], tenkt | {"harPayload": "ja"}, tenkt | {"avsenderKontoId": "x"}):
        [fault] = await refused(io.a_machine, 400, "POST", ask, malformed)
        assert faults[0].keys() == fault.keys()


async def test_the_choice_of_one_message_for_each_klient_melding_id(io: Io) -> None:
    path = f"{KONTOER}/{io.a_konto}"
    assert (await done(io.a, "GET", path))["unikKlientMeldingId"] is False
    assert (await done(io.a, "PUT", f"{path}/unikKlientMeldingId/aktiver"))["unikKlientMeldingId"] is True
    assert (await done(io.a, "PUT", f"{path}/unikKlientMeldingId/deaktiver"))["unikKlientMeldingId"] is False


async def test_what_is_said_wrongly_changes_nothing(io: Io) -> None:
    path = f"{KONTOER}/{io.a_konto}"
    for method, address, body in (
        ("POST", KONTOER, {}),
        ("PUT", f"{path}/kontoNavn", {}),
        ("PUT", f"{path}/offentligNokkel", {"nokkel": pem()}),
        ("POST", f"{path}/aksepterteAvsendere", {"kontoId": "x"}),
        ("POST", f"{path}/adresser", {"beskrivelse": "<script>"}),
    ):
        fault = await refused(io.a, 400, method, address, body)
        assert fault["status"] == 400 and "script" not in fault["message"]
    await refused(io.a, 404, "GET", f"{KONTOER}/ikke-en-uuid")
