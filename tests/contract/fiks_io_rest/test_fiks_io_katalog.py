"""The catalogue of Fiks IO as the clients read it, its operators, and the register of protocols."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest
from aiohttp import FormData
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from gateway.context import DELIVERIES
from gateway.issuer.people import PEOPLE
from gateway.routes.docs import descriptions
from schemas.envelope import By
from schemas.fiks_io_konto import OffentligNokkelSatt
from streams.domain.errors import Unavailable
from tests.support.certificates import BEGIN, END, certificate, expired, key, pem
from tests.support.dokumentlager import Answer
from tests.support.fiks_io import AS_JAVA, configured, java, specification
from tests.support.fiks_io_konto import KATALOG, KONTOER, ROOT, Io, done, refused

DESCRIBED = json.loads(descriptions()["fiks-io-katalog-api-v1.json"])["components"]
PROTOKOLLER = "/fiks-io/meldingsprotokollkatalog/api/v1/meldingsprotokoller/"


def must_be(name: str, said: Any) -> None:
    """What is described, of nothing but the fields that are, and without null."""
    schema = DESCRIBED["schemas"][name]
    jsonschema.validate(said, schema | {"components": DESCRIBED})
    assert said.keys() <= schema["properties"].keys() and None not in said.values()


async def away(_: UUID) -> Any:
    """Queues that do not answer."""
    raise Unavailable("Køene svarer ikke")


async def test_every_participant_reads_the_accounts_of_all(io: Io) -> None:
    konto_id = await io.konto(io.a, offentligNokkel=pem(), skalAktiveres=True)
    for who in (io.a, io.b, io.a_machine, io.b_machine, io.operator):
        konto = await done(who, "GET", f"{KATALOG}/kontoer/{konto_id}")
        must_be("KatalogKonto", konto)
        assert konto == {
            "kontoId": konto_id,
            "kontoNavn": "Fagsystem",
            "fiksOrgId": str(io.a.fiks_org_id),
            "fiksOrgNavn": io.a.organisation.navn,
            "organisasjonsnummer": io.a.organisation.orgnr,
            "status": {
                "gyldigAvsender": True,
                "gyldigMottaker": True,
                "antallKonsumenter": 0,
                "antallUavhentedeMeldinger": 0,
            },
        }
        assert await done(who, "GET", f"{KATALOG}/kontoer/{konto_id}/status") == konto["status"]
        await refused(who, 404, "GET", f"{KATALOG}/kontoer/{uuid4()}")


async def test_who_has_nothing_to_do_with_fiks_io_reads_only_keys(io: Io) -> None:
    stranger = await io.nobody.as_person(PEOPLE[2].pid)
    for method, path, body in (
        ("GET", f"kontoer/{io.a_konto}", None),
        ("GET", f"kontoer/{io.a_konto}/status", None),
        ("GET", "lookup?identifikator=ORG_NO.1&meldingProtokoll=a&sikkerhetsniva=3", None),
        ("POST", "matchendeAdresser", {"identifikator": [], "meldingType": [], "sikkerhetsnivaer": []}),
        ("POST", "offentligNokkel/verifiser", {"pem": pem()}),
        ("POST", "sertifikat/verifiser", None),
    ):
        fault = await refused(stranger, 403, method, f"{KATALOG}/{path}", body)
        assert io.a.organisation.navn not in str(fault)
        await refused(io.nobody, 401, method, f"{KATALOG}/{path}", body)
    assert (await done(io.nobody, "GET", f"{KATALOG}/kontoer/{io.a_konto}/offentligNokkel"))["valid"]


async def test_the_status_counts_what_waits_and_who_listens(io: Io) -> None:
    konto_id = await io.konto(io.a, skalAktiveres=True)
    body = java(specification(avsenderKontoId=io.b_konto, mottakerKontoId=konto_id))
    for _ in range(2):
        kind = {"Content-Type": AS_JAVA}
        assert (await io.b_machine.ask("POST", "/fiks-io/api/v1/send", data=body, headers=kind)).status == 202
    subscription = io.a.app[DELIVERIES].subscribe(UUID(konto_id), By("test"), lambda _: None)
    status = await done(io.b_machine, "GET", f"{KATALOG}/kontoer/{konto_id}/status")
    must_be("KontoStatusApiModel", status)
    assert (status["antallKonsumenter"], status["antallUavhentedeMeldinger"]) == (1, 2)
    assert (status["gyldigAvsender"], status["gyldigMottaker"]) == (True, False)
    assert status["melding"] == "Kontoen har ingen offentlig nøkkel"
    told = await done(io.operator, "GET", f"{ROOT}/{konto_id}/queue")
    assert told == {
        "queueExists": True,
        "queueName": f"fiksio.konto.{konto_id}",
        "ventendeMeldinger": 2,
        "antallKonsumenter": 1,
    }
    subscription.close()


async def test_a_count_that_is_not_known_is_no_answer_and_never_null(io: Io, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io.a.app[DELIVERIES], "count", away)
    for path in (f"{KATALOG}/kontoer/{io.a_konto}", f"{KATALOG}/kontoer/{io.a_konto}/status"):
        assert (await refused(io.b_machine, 503, "GET", path))["status"] == 503
    await refused(io.operator, 503, "GET", f"{ROOT}/{io.a_konto}/queue")
    await refused(io.operator, 503, "GET", ROOT)
    assert (await io.nobody.ask("GET", f"{KATALOG}/kontoer/{io.a_konto}/offentligNokkel")).status == 200


async def test_there_is_no_key_without_an_account_or_a_certificate_that_may_be_used(io: Io) -> None:
    without, deleted = await io.konto(io.a), await io.konto(io.a, offentligNokkel=pem())
    await done(io.a, "DELETE", f"{KONTOER}/{deleted}")
    for konto_id in (without, deleted, str(uuid4()), "ikke-en-uuid"):
        await refused(io.nobody, 404, "GET", f"{KATALOG}/kontoer/{konto_id}/offentligNokkel")


@pytest.mark.parametrize(
    ("begin", "end", "melding"),
    [(BEGIN, datetime.now(UTC) - timedelta(days=1), "utløp"), (END - timedelta(days=1), END, "ikke gyldig før")],
    ids=["expired", "not valid yet"],
)
async def test_a_certificate_whose_time_is_not_now_is_no_key_and_its_owner_is_told_why(
    io: Io, begin: datetime, end: datetime, melding: str
) -> None:
    """One that was valid as it was uploaded is judged at each look-up alone."""
    konto_id = await io.konto(io.a, offentligNokkel=pem(), skalAktiveres=True)
    path = f"{KATALOG}/kontoer/{konto_id}/offentligNokkel"
    assert (await done(io.nobody, "GET", path))["nokkel"] == pem().strip()
    aged = OffentligNokkelSatt(
        fiks_org_id=io.a.fiks_org_id,
        konto_id=UUID(konto_id),
        pem=pem(certificate(begin=begin, end=end)),
        endret=datetime.now(UTC),
        endret_av="test",
    )
    await configured(io.a.app, aged)
    await refused(io.nobody, 404, "GET", path)
    assert melding in (await done(io.a, "GET", f"{KATALOG}/kontoer/{konto_id}/status"))["melding"]
    shown = (await done(io.a, "GET", f"{KONTOER}/{konto_id}"))["offentligNokkel"]
    assert (shown["valid"], melding in shown["statusMessage"]) == (False, True)


async def test_a_look_up_says_what_is_wrong_with_it(io: Io) -> None:
    right = {"identifikator": "ORG_NO.123456789", "meldingProtokoll": "no.ks.blåbær", "sikkerhetsniva": "4"}
    await refused(io.a_machine, 404, "GET", f"{KATALOG}/lookup", **right)
    for wrong in ({"identifikator": "123456789"}, {"meldingProtokoll": "a b"}, {"sikkerhetsniva": "5"}):
        await refused(io.a_machine, 400, "GET", f"{KATALOG}/lookup", **(right | wrong))
    for name in right:
        left = {one: value for one, value in right.items() if one != name}
        assert name in (await refused(io.a_machine, 400, "GET", f"{KATALOG}/lookup", **left))["message"]


async def verified(io: Io, file: bytes, kind: str, passord: str | None = None) -> Answer:
    form = FormData()
    form.add_field("file", file, filename="sertifikat", content_type="application/octet-stream")
    form.add_field("format", kind)
    if passord is not None:
        form.add_field("passord", passord)
    return await io.a.ask("POST", f"{KATALOG}/sertifikat/verifiser", data=form)


async def test_a_certificate_is_verified_before_it_is_an_accounts(io: Io) -> None:
    made = certificate()
    p12 = serialize_key_and_certificates(b"virk", key(), made, None, BestAvailableEncryption("blåbær".encode()))
    for answer in (await verified(io, pem().encode(), "PEM"), await verified(io, p12, "P12", "blåbær")):
        must_be("OffentligNokkelStatusApiModel", answer.json)
        assert (answer.status, answer.json["gyldig"]) == (200, True)
        assert answer.json["offentligNokkel"] + "\n" == pem()
    for answer in (
        await verified(io, p12, "P12", "feil"),
        await verified(io, p12, "P12"),
        await verified(io, b"ikke noe", "P12", "x"),
        await verified(io, p12, "PEM"),
        await verified(io, pem(expired()).encode(), "PEM"),
    ):
        assert (answer.status, answer.json["gyldig"], bool(answer.json["melding"])) == (200, False, True)
    assert (await verified(io, b"", "JKS")).status == 400
    assert (await verified(io, bytes(200_000), "PEM")).status == 413
    await refused(io.a, 400, "POST", f"{KATALOG}/sertifikat/verifiser", {"file": "x"})

    told = await done(io.a, "POST", f"{KATALOG}/offentligNokkel/verifiser", {"pem": pem()})
    assert told == {"gyldig": True, "melding": "Sertifikatet kan brukes"}
    later = certificate(begin=made.not_valid_after_utc - timedelta(days=1))
    told = await done(io.a, "POST", f"{KATALOG}/offentligNokkel/verifiser", {"pem": pem(later)})
    assert (told["gyldig"], "ikke gyldig før" in told["melding"]) == (False, True)


async def test_operators_see_every_account_and_nobody_else_does(io: Io) -> None:
    listed = {one["kontoId"]: one for one in (await done(io.operator, "GET", ROOT))["kontoer"]}
    assert listed.keys() >= {io.a_konto, io.b_konto}
    assert listed[io.a_konto]["fiksOrgNavn"] == io.a.organisation.navn
    assert listed[io.a_konto]["status"]["queueName"] == f"fiksio.konto.{io.a_konto}"
    assert await done(io.operator, "PUT", f"{ROOT}/{io.a_konto}/queue") is None
    for method, path in (("GET", ROOT), ("GET", f"{ROOT}/{io.a_konto}/queue"), ("PUT", f"{ROOT}/{io.a_konto}/queue")):
        await refused(io.a, 403, method, path)
        await refused(io.a_machine, 401, method, path)
    for method in ("GET", "PUT"):
        await refused(io.operator, 404, method, f"{ROOT}/{uuid4()}/queue")


async def test_the_register_of_protocols_is_open(io: Io) -> None:
    known = await done(io.nobody, "GET", PROTOKOLLER)
    arkiv = next(one for one in known if one["navn"] == "no.ks.fiks.arkiv.v1")
    assert await done(io.nobody, "GET", f"{PROTOKOLLER}no.ks.fiks.arkiv.v1") == arkiv
    await refused(io.nobody, 404, "GET", f"{PROTOKOLLER}no.ks.fiks.ukjent")
