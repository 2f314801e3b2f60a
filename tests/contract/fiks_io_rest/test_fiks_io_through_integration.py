"""Somebody who has logged in and calls through an integration: what both may, and nothing else. Contract 1.2."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from gateway.auth.persons import PERSONS
from gateway.issuer.people import PEOPLE
from schemas.codec import decode
from schemas.fiks_io_konto import KontoAktivert
from tests.contract.fiks_io_rest.test_fiks_protokoll_api import new_system, org_path, said, system_of
from tests.support.certificates import pem
from tests.support.dokumentlager import Lager
from tests.support.eventually import eventually_found
from tests.support.fiks_io import AS_JAVA, java, specification
from tests.support.fiks_io_konto import KATALOG, KONTOER, Io, done, give, refused, take
from tests.support.records import records_on

MINA = PEOPLE[2].pid
"""Holds nothing anywhere."""


def through(person: Lager, machine: Lager) -> Lager:
    """The person, with the integration's id and password beside the token of the login."""
    return replace(person, headers={**machine.headers, "Authorization": person.headers["Authorization"]})


async def test_who_configures_an_account_does_so_through_an_integration_that_may_too(io: Io) -> None:
    konto_id, other = await io.konto(io.a), await io.konto(io.a)
    path, both = f"{KONTOER}/{konto_id}", through(io.a, io.a_machine)
    mina = through(await io.nobody.as_person(MINA), io.a_machine)
    await refused(both, 403, "GET", path)
    await give(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)

    assert (await done(both, "PUT", f"{path}/aktiver"))["aktiv"]
    assert (await done(both, "PUT", f"{path}/offentligNokkel", {"pem": pem()}))["valid"]
    assert await done(both, "GET", f"{path}/adresser") == []
    assert [one["kontoId"] for one in await done(both, "GET", "/fiks-io/konto/api/v1/kontosok")] == [konto_id]
    assert await done(mina, "GET", "/fiks-io/konto/api/v1/kontosok") == []
    for method, what, body in (
        ("GET", "", None),
        ("PUT", "/aktiver", None),
        ("PUT", "/offentligNokkel", {"pem": pem()}),
    ):
        await refused(mina, 403, method, path + what, body)
        await refused(both, 403, method, f"{KONTOER}/{other}{what}", body)
    await refused(through(await io.nobody.as_person(PEOPLE[0].pid, 3), io.a_machine), 403, "GET", path)
    await refused(through(io.a, replace(io.a_machine, headers={**io.b_machine.headers})), 401, "GET", path)
    for method, what in (("DELETE", ""), ("PUT", "/kontoNavn")):
        await refused(both, 403, method, path + what, {"kontoNavn": "Nytt"})
    await take(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)
    await refused(both, 403, "PUT", f"{path}/deaktiver")


async def test_what_was_done_through_an_integration_was_done_by_the_person(io: Io) -> None:
    konto_id, both = await io.konto(io.a), through(io.a, io.a_machine)
    await give(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)
    await done(both, "PUT", f"{KONTOER}/{konto_id}/aktiver")

    said_by = {
        event.endret_av
        for event in (decode(one.value) for one in records_on(io.a.settings.kafka, "fiks.konfigurasjon"))
        if isinstance(event, KontoAktivert) and str(event.konto_id) == konto_id
    }
    assert said_by == {io.a.app[PERSONS].actor(PEOPLE[0].pid)}
    await take(io.a, io.a_machine, "SVARINN.KONFIGURERE", konto_id)


async def test_the_catalogue_is_open_where_both_take_part(io: Io) -> None:
    mina = await io.nobody.as_person(MINA)
    for path in (f"kontoer/{io.b_konto}", f"kontoer/{io.b_konto}/status"):
        await done(through(io.a, io.a_machine), "GET", f"{KATALOG}/{path}")
        await refused(through(mina, io.a_machine), 403, "GET", f"{KATALOG}/{path}")


async def test_messages_of_any_size_are_read_by_who_may_through_an_integration_that_may(io: Io) -> None:
    content, kind = bytes(6_000_000), {"Content-Type": AS_JAVA}
    both, mina = through(io.a, io.a_machine), through(await io.nobody.as_person(MINA), io.a_machine)
    body = java(specification(avsenderKontoId=io.b_konto, mottakerKontoId=io.a_konto), content)
    answer = await io.b_machine.ask("POST", "/fiks-io/api/v1/send", data=BytesIO(body), headers=kind)
    assert answer.status == 202, answer.body
    at = f"/fiks-io/manuell/api/v1/kontoer/{io.a_konto}/meldinger"

    async def is_there() -> bool:
        found = await done(both, "GET", f"{at}/neste/metadata")
        if found and found["meldingId"] != answer.json["meldingId"]:  # what other tests have left waiting
            await done(both, "GET", f"{at}/neste/ack")
            return False
        return bool(found)

    await eventually_found(is_there)
    assert (await both.ask("GET", f"{at}/neste/data")).body == content
    for what in ("antall", "neste/metadata", "neste/data", "neste/ack"):
        await refused(mina, 403, "GET", f"{at}/{what}")
    assert (await done(both, "GET", f"{at}/neste/ack"))["meldingId"] == answer.json["meldingId"]


async def test_a_message_is_judged_beforehand_as_it_is_when_it_is_sent(io: Io) -> None:
    asked = {"avsenderKontoId": io.a_konto, "meldingsType": "no.ks.noe", "harPayload": False}
    path = f"{KONTOER}/{io.b_konto}/validerMelding"
    await done(through(io.a, io.a_machine), "POST", path, asked)
    await refused(through(await io.nobody.as_person(MINA), io.a_machine), 403, "POST", path, asked)


async def test_a_system_is_configured_by_its_administrator_through_its_integration(io: Io) -> None:
    system = await new_system(io.a)
    both, mina = through(io.a, system.machine), through(await io.nobody.as_person(MINA), system.machine)
    konto_id = await replace(system, machine=both).konto("arkiv.full")
    assert (await said(both, "GET", system.path))["id"] == system.id

    catalogue = f"/fiks-protokoll/katalog/api/v1/kontoer/{konto_id}"
    assert (await said(both, "GET", catalogue))["kontoId"] == konto_id
    assert await said(mina, "GET", f"{org_path(io.a)}/protokoller")
    await refused(mina, 404, "GET", catalogue)
    await refused(mina, 403, "GET", system.path)
    await refused(mina, 403, "GET", f"{system.path}/kontoer/{konto_id}/tilganger")
    await refused(through(io.a, io.a_machine), 403, "GET", system.path)
    for method, path, body in (
        ("POST", f"{org_path(io.a)}/systemer", system_of()),
        ("PUT", f"{system.path}/integrasjon-privilegium", {"konfigureresAvIntegrasjon": True}),
        ("PUT", f"{system.path}/orgnummer", {"orgnummer": "310992003"}),
        ("DELETE", system.path, None),
    ):
        await refused(both, 403, method, path, body)

    await said(io.a, "PUT", f"{system.path}/integrasjon-privilegium", {"konfigureresAvIntegrasjon": False})
    await refused(both, 403, "GET", system.path)
