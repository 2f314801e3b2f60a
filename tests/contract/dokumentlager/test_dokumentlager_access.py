"""Who may download: each form of exposure, the levels of login, and what is told to whom it is not for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificate

from fiks_cms.envelope import Encryptor
from gateway.auth.persons import PERSONS
from gateway.issuer.people import PEOPLE
from gateway.matrikkel import EIERE, Eier, Eiertype
from gateway.seed import PROVDAL, TESTVIK
from schemas.codec import decode
from schemas.dokumentlager import Eksponering
from tests.support.dokumentlager import Lager, Party, form, said_of
from tests.support.ports import free_port
from tests.support.records import records_on

ASE, KARE, MINA, DOLLY = (one.pid for one in PEOPLE[:4])
ENHET = {"kommunenummer": "0301", "gardsnummer": "07", "bruksnummer": "2", "festenummer": None, "seksjonsnummer": "3"}
LIK = (301, 7, 2, 0, 3)
"""The same unit."""


async def exposed(lager: Lager, *to: dict[str, Any], **said: Any) -> str:
    return await lager.uploaded(b"ditt", eksponertFor=list(to), **said)


async def outcomes(dokument_id: str, *callers: Lager) -> list[int]:
    """The status that each gets."""
    return [(await one.download(dokument_id)).status for one in callers]


def mail(orgnr: str, *resources: str, roles: tuple[str, ...] = ()) -> dict[str, Party]:
    return {orgnr: Party(orgnr, "Org", True, frozenset(roles), frozenset(resources))}


async def test_a_person_gets_what_is_exposed_to_their_number(lager: Lager) -> None:
    ase, kare = await lager.as_person(ASE, 3), await lager.as_person(KARE, 3)
    dokument_id = await exposed(lager, {"fnr": ASE, "type": "PERSON"}, {"fnr": ASE, "type": "PERSON"})

    assert await outcomes(dokument_id, ase, kare, lager) == [200, 404, 404]
    [row] = await lager.rows("select eksponert from read.dokumentlager_dokument where dokument_id = $1", dokument_id)
    assert row["eksponert"] == [f"PERSON/{lager.app[PERSONS].actor(ASE)}"]


async def test_the_number_of_a_person_is_nowhere_in_the_tables(lager: Lager) -> None:
    dokument_id = await exposed(lager, {"fnr": MINA, "type": "PERSON"})
    await lager.download(dokument_id)

    [row] = await lager.rows(
        "select d::text as alt from read.dokumentlager_dokument d where dokument_id = $1", dokument_id
    )
    assert MINA not in row["alt"]


async def test_the_level_of_login(lager: Lager) -> None:
    at3, at4 = await lager.as_person(ASE, 3), await lager.as_person(ASE, 4)
    certificate = (await lager.ask("GET", "/dokumentlager/api/v1/public-key")).body
    encryptor = Encryptor([load_pem_x509_certificate(certificate)])
    said = said_of(sikkerhetsniva=4, eksponertFor=[{"fnr": ASE, "type": "PERSON"}])
    body = form(said, encryptor.update(b"ditt") + encryptor.finish())
    dokument_id = (await lager.upload(body, query="?kryptert=true")).json["id"]

    assert await outcomes(dokument_id, at3, at4) == [403, 200]
    assert await outcomes(f"niva4/{dokument_id}", at3, at4, lager) == [403, 200, 401]
    assert (await at4.ask("HEAD", f"/dokumentlager/nedlasting/niva4/{dokument_id}")).status == 200
    assert (await at3.download(dokument_id, "/metadata")).status == 403
    at_3_only = await exposed(lager, {"fnr": ASE, "type": "PERSON"})
    assert await outcomes(f"niva4/{at_3_only}", at4) == [200]


async def test_an_organisation_is_whoever_may_have_its_mail(lager: Lager) -> None:
    ase, kare = await lager.as_person(ASE), await lager.as_person(KARE)
    lager.powers.held = {ASE: mail("310991007", roles=("a0236",)), KARE: mail("310991007", "fiks-byggesaker")}
    post = await exposed(lager, {"orgnr": "310991007", "ressursType": None, "type": "ORGANISASJON"})
    bygg = await exposed(lager, {"orgnr": "310991007", "ressursType": "BYGGESAKER", "type": "ORGANISASJON"})

    assert await outcomes(post, ase, kare) == [200, 404]
    assert await outcomes(bygg, ase, kare) == [404, 200]
    lager.powers.held = {}
    assert await outcomes(post, ase, kare) == [404, 404]


async def test_who_says_for_which_organisation_gets_its_documents_alone(lager: Lager) -> None:
    ase = await lager.as_person(ASE)
    lager.powers.held = {ASE: mail("310991007", roles=("a0236",)) | mail("310992003", roles=("a0236",))}
    testviks = await exposed(lager, {"orgnr": "310991007", "type": "ORGANISASJON"})
    own = await exposed(lager, {"fnr": ASE, "type": "PERSON"})

    async def status(dokument_id: str, orgnr: str) -> int:
        return (await ase.download(dokument_id, OnBehalfOf=orgnr)).status

    assert await status(testviks, "310991007") == 200
    assert await status(testviks, "310992003") == 404
    assert await status(own, "310991007") == 404
    assert await status(testviks, "310993999") == 403
    lager.powers.held = {}


async def test_an_integration_and_no_other(lager: Lager) -> None:
    theirs = await lager.as_organisation(PROVDAL)
    to_them = await exposed(lager, {"id": str(PROVDAL.id("integrasjon")), "type": "INTEGRASJON"})

    assert await outcomes(to_them, theirs, lager, await lager.as_person(ASE)) == [200, 404, 404]


async def test_a_privilege_on_a_resource(lager: Lager) -> None:
    theirs, kare, ase = await lager.as_organisation(PROVDAL), await lager.as_person(KARE), await lager.as_person(ASE)
    on = {"privilegium": "SVARUT.SEND", "ressurs": str(PROVDAL.id("konto")), "type": "AUTORISASJON"}
    dokument_id = await exposed(lager, on)

    assert await outcomes(dokument_id, theirs, kare, lager, ase) == [200, 200, 404, 404]


@pytest.fixture
def connected(lagre: tuple[Lager, Lager]) -> Iterator[Lager]:
    """The caller of the gateway that asks who owns a property unit, where nobody owns anything yet."""
    lagre[1].eiere.clear()
    lagre[1].powers.held = {}
    yield lagre[1]
    lagre[1].powers.held = {}


async def test_who_owns_the_unit_when_it_is_read(lager: Lager, connected: Lager) -> None:
    ase, kare = await connected.as_person(ASE), await connected.as_person(KARE)
    dokument_id = await exposed(lager, {"matrikkelenhet": ENHET, "type": "MATRIKKELENHET"})
    assert await outcomes(dokument_id, ase, kare) == [404, 404]

    connected.eiere[LIK] = (Eier(Eiertype.FYSISK_PERSON, ASE), Eier(Eiertype.FYSISK_PERSON, MINA))
    assert await outcomes(dokument_id, ase, kare, connected) == [200, 404, 404]
    connected.eiere[LIK] = (Eier(Eiertype.FYSISK_PERSON, KARE),)
    assert await outcomes(dokument_id, ase, kare) == [404, 200]
    assert await outcomes(dokument_id, await lager.as_person(KARE)) == [404], "that gateway asks nobody"


async def test_who_was_let_in_as_owner_and_who_was_not_is_on_the_record(lager: Lager, connected: Lager) -> None:
    ase, kare = await connected.as_person(ASE), await connected.as_person(KARE)
    dokument_id = await exposed(lager, {"matrikkelenhet": ENHET, "type": "MATRIKKELENHET"})
    connected.eiere[LIK] = (Eier(Eiertype.FYSISK_PERSON, ASE),)
    told, begin = "select actor from read.audit where type = $1 and stream = $2 and time >= $3", datetime.now(UTC)
    owner, other = (lager.app[PERSONS].actor(pid) for pid in (ASE, KARE))

    assert await outcomes(dokument_id, ase, kare) == [200, 404]
    while owner not in [row["actor"] for row in await lager.rows(told, "DokumentLastetNed", dokument_id, begin)]:
        await asyncio.sleep(0.05)
    stream = str(lager.fiks_org_id)
    while other not in [row["actor"] for row in await lager.rows(told, "TilgangNektet", stream, begin)]:
        await asyncio.sleep(0.05)


async def test_one_of_several_units_is_enough(lager: Lager, connected: Lager) -> None:
    units = [ENHET | {"bruksnummer": str(number)} for number in range(1, 4)]
    dokument_id = await exposed(lager, *({"matrikkelenhet": unit, "type": "MATRIKKELENHET"} for unit in units))

    connected.eiere[301, 7, 3, 0, 3] = (Eier(Eiertype.FYSISK_PERSON, ASE),)
    assert await outcomes(dokument_id, await connected.as_person(ASE)) == [200]


async def test_an_organisation_that_owns_the_unit_is_whoever_may_act_for_it(lager: Lager, connected: Lager) -> None:
    ase, kare = await connected.as_person(ASE), await connected.as_person(KARE)
    connected.powers.held = {ASE: mail("310991007", roles=("a0236",)), KARE: mail("310991007", "fiks-byggesaker")}
    connected.powers.held[ASE] |= mail("310992003", roles=("a0236",))
    dokument_id = await exposed(lager, {"matrikkelenhet": ENHET, "type": "MATRIKKELENHET"})

    connected.eiere[LIK] = (Eier(Eiertype.JURIDISK_PERSON, "310991007"),)
    assert await outcomes(dokument_id, ase, kare) == [200, 404]
    assert (await ase.download(dokument_id, OnBehalfOf="310991007")).status == 200
    assert (await ase.download(dokument_id, OnBehalfOf="310992003")).status == 404
    connected.eiere[LIK] = (Eier(Eiertype.FYSISK_PERSON, ASE),)
    assert await outcomes(dokument_id, ase) == [200]
    assert (await ase.download(dokument_id, OnBehalfOf="310991007")).status == 404, "not what is their own"


async def test_the_numbers_of_a_person_and_of_an_organisation_are_not_mixed_up(lager: Lager, connected: Lager) -> None:
    dokument_id = await exposed(lager, {"matrikkelenhet": ENHET, "type": "MATRIKKELENHET"})
    connected.eiere[LIK] = (Eier(Eiertype.JURIDISK_PERSON, ASE), Eier("UKJENT", ASE))

    assert await outcomes(dokument_id, await connected.as_person(ASE)) == [404]


async def test_owners_that_cannot_be_known_are_unavailable_to_those_whom_only_they_could_let_in(
    lager: Lager, connected: Lager, monkeypatch: pytest.MonkeyPatch
) -> None:
    ase, kare = await connected.as_person(ASE), await connected.as_person(KARE)
    unit = {"matrikkelenhet": ENHET, "type": "MATRIKKELENHET"}
    dokument_id = await exposed(lager, unit, {"fnr": KARE, "type": "PERSON"})
    connected.eiere[LIK] = (Eier(Eiertype.FYSISK_PERSON, ASE),)

    monkeypatch.setattr(connected.app[EIERE], "_url", f"http://127.0.0.1:{free_port()}")
    assert await outcomes(dokument_id, ase, kare, connected) == [503, 200, 404]
    monkeypatch.undo()
    assert await outcomes(dokument_id, ase) == [200]


async def test_what_is_exposed_to_nobody(lager: Lager) -> None:
    """The contract's set must be there and has no least size: nobody downloads it, its owner still counts it."""
    dokument_id = await exposed(lager)
    address = f"{lager.konto}/dokumenter/{dokument_id}"

    nobody = [lager, await lager.as_administrator(), await lager.as_person(ASE)]
    assert await outcomes(dokument_id, *nobody) == [404, 404, 404]
    assert (await lager.ask("GET", address)).json["slettet"] is False
    assert (await lager.ask("DELETE", address)).status == 200


@pytest.mark.parametrize("to", [[], None, [{"fnr": KARE, "type": "PERSON"}]], ids=["empty", "null", "another"])
async def test_a_change_is_of_the_time_alone_whatever_it_says_of_exposure(lager: Lager, to: Any) -> None:
    """The contract's update has no ``eksponertFor`` (5: only the expiry can change); unknown fields are passed over."""
    ase, kare = await lager.as_person(ASE), await lager.as_person(KARE)
    dokument_id = await exposed(lager, {"fnr": ASE, "type": "PERSON"})
    address = f"{lager.konto}/dokumenter/{dokument_id}"

    assert (await lager.ask("PATCH", address, json={"ttl": 3600, "eksponertFor": to})).status == 200
    assert (await lager.ask("PATCH", address, json={"eksponertFor": to})).status == 400
    assert await outcomes(dokument_id, ase, kare) == [200, 404]


async def test_only_who_may_have_it_learns_that_it_was_deleted(lager: Lager) -> None:
    ase, kare = await lager.as_person(ASE), await lager.as_person(KARE)
    dokument_id = await exposed(lager, {"fnr": ASE, "type": "PERSON"})
    await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")

    assert await outcomes(dokument_id, ase, kare) == [410, 404]


async def test_a_refusal_is_told_to_the_owner_of_the_document(lager: Lager) -> None:
    dokument_id = await exposed(lager)
    await lager.download(dokument_id)

    told = "select from read.audit where type = 'TilgangNektet' and stream = $1 and actor = $2"
    while not await lager.rows(told, str(TESTVIK.id("organisasjon")), f"integrasjon:{TESTVIK.id('integrasjon')}"):
        await asyncio.sleep(0.05)


GIVEN = """
    select distinct on (exposed.id) uploaded.actor, uploaded.time, d.sikkerhetsniva, d.eksponert
    from read.audit exposed
    join read.audit uploaded on uploaded.id = exposed.causation_id
    join read.dokumentlager_dokument d on d.dokument_id::text = exposed.stream
    where exposed.type = 'DokumentEksponert' and d.dokument_id = $1
"""
"""What the log does not acknowledge in time is appended again, so one event may have two lines."""


async def test_to_whom_a_document_was_exposed_when_and_by_whom_is_an_event_that_analysts_find(lager: Lager) -> None:
    to = [{"fnr": ASE, "type": "PERSON"}, {"id": lager.headers["IntegrasjonId"], "type": "INTEGRASJON"}]
    dokument_id, nobodys = await exposed(lager, *to), await exposed(lager)

    while not (found := await lager.rows(GIVEN, dokument_id)):
        await asyncio.sleep(0.05)
    actor = f"integrasjon:{lager.headers['IntegrasjonId']}"
    person = lager.app[PERSONS].actor(ASE)
    assert [(one["actor"], one["sikkerhetsniva"], one["eksponert"]) for one in found] == [
        (actor, 3, [f"PERSON/{person}", f"INTEGRASJON/{lager.headers['IntegrasjonId']}"])
    ]
    assert not await lager.rows(GIVEN, nobodys)
    told = [one for one in records_on(lager.settings.kafka, "fiks.dokumentlager") if one.key == dokument_id.encode()]
    told = [one for one in told if dict(one.headers)["ce_type"] == b"DokumentEksponert"]
    [event] = {dict(one.headers)["ce_id"]: decode(one.value) for one in told}.values()
    assert [(one.type, one.person, one.fnr) for one in event.eksponert_for] == [
        (Eksponering.PERSON, person, None),
        (Eksponering.INTEGRASJON, None, None),
    ]
