"""Two organisations with one of everything that an address can name, and those who may all of it in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from gateway.auth.demands import Caller
from gateway.auth.login import person_token
from gateway.issuer.people import PEOPLE
from gateway.registers.parties import MAIL_ROLES, Party
from gateway.seed import ADMINISTRATORS, PROVDAL, TESTVIK, Organisation
from tests.support import gateway, tus
from tests.support.dokumentlager import Lager
from tests.support.fiks_io import AS_JAVA, java, specification
from tests.support.fiks_io_konto import KONTOER, done

BY_SERVICE = {
    "/dokumentlager": "dokumenter",
    "/fiks-io/katalog": "protokollkonto",
    "/fiks-io": "fiks io konto",
    "/fiks-protokoll": "protokollkonto",
}
"""Which account is named in the addresses that begin so, the first of these; in others that of SvarUt. The catalogue
hides none but those of Fiks Protokoll.
"""


@dataclass(frozen=True)
class Everything:
    """An organisation's ids by what they are of, and who calls for it: by kind, each with all its rights there."""

    ids: Mapping[str, str]
    callers: Mapping[Caller, Lager]

    def named(self, path: str, name: str) -> str:
        """The id that stands for the parameter of a path."""
        if name == "mottakerKontoId":
            return self.ids["protokollkonto"]
        if name in ("kontoId", "id"):
            return self.ids[next((of for begin, of in BY_SERVICE.items() if path.startswith(begin)), "konto")]
        return self.ids[name]


async def two_organisations(lager: Lager) -> tuple[Everything, Everything]:
    """Both, at one gateway."""
    testvik = await everything(lager, TESTVIK, PEOPLE[2].pid)
    return testvik, await everything(lager, PROVDAL, PEOPLE[4].pid)


async def everything(lager: Lager, organisation: Organisation, pid: str) -> Everything:
    """All that an organisation can have; the citizen ``pid`` may act for it and may upload documents."""
    machine = await lager.as_organisation(organisation)
    administrator, citizen = await machine.as_administrator(), await machine.as_person(pid)
    issuer, of_client = lager.settings.idporten_issuer, organisation.orgnr
    logged_in = await person_token(issuer, ADMINISTRATORS[organisation].pid, 4, of_client)
    lager.powers.held[pid] = {organisation.orgnr: Party(organisation.orgnr, "Noen", True, MAIL_ROLES, frozenset())}
    own = {name: str(organisation.id(name)) for name in ("konto", "dokumenter", "fiks io konto")}
    of, integrasjon = str(machine.fiks_org_id), machine.headers["IntegrasjonId"]
    for aktor, privilegium, on in (
        (integrasjon, "SVARINN.KONFIGURERE", own["fiks io konto"]),
        (integrasjon, "FIKS.KONFIGURER", of),
        (pid, "DOKUMENTLAGER.LAST_OPP", own["dokumenter"]),
    ):
        right = {"aktor": aktor, "privilegium": privilegium}
        await done(administrator, "POST", f"/autorisasjon-update/api/v1/ressurs/{on}/tilganger", right)
    faktura = dict.fromkeys(("navn", "juridiskNavn", "referanse", "poststed"), "Noe") | {"postnummer": "0150"}
    path = f"/konfigurasjon/api/v1/organisasjoner/{of}/faktura"
    await done(administrator, "PUT", path, faktura | {"orgnr": organisation.orgnr})
    exposed = [{"id": integrasjon, "type": "INTEGRASJON"}, {"fnr": pid, "type": "PERSON"}]
    korrelasjonsid = str(uuid4())
    made = {
        **{"fiksOrgId": of, "orgId": of, "ressursId": own["konto"], "ressurs": own["konto"]},
        **{"integrasjonId": integrasjon, "aktor": integrasjon, "korrelasjonsid": korrelasjonsid},
        "dokumentId": await machine.uploaded(korrelasjonsid=korrelasjonsid, eksponertFor=exposed),
        "opplastingId": (await tus.begun(machine, 10)).path.rpartition("/")[2],
        "fnr": pid,
        "personId": await _person(administrator, own["dokumenter"]),
        "forsendelseId": await _letter(machine, own["konto"]),
        "meldingId": await _message(machine, own["fiks io konto"]),
        **await _protokoll(administrator, organisation),
        **await _fiks_io(administrator, own["fiks io konto"]),
    }
    callers = {
        Caller.MANAGER: administrator,
        Caller.INTEGRATION: machine,
        Caller.INTEGRATION_PERSON: with_token(machine, logged_in),
        Caller.CITIZEN: citizen,
        Caller.FOR_ORGANISATION: replace(citizen, headers={**citizen.headers, "OnBehalfOf": organisation.orgnr}),
    }
    return Everything(own | made, callers)


def with_token(caller: Lager, token: str) -> Lager:
    """The caller with another token beside what else it shows."""
    return replace(caller, headers={**caller.headers, "Authorization": f"Bearer {token}"})


async def _person(administrator: Lager, konto_id: str) -> str:
    path = f"/dokumentlager/api/v1/organisasjoner/{administrator.fiks_org_id}/kontoer/{konto_id}/brukere"
    [known] = (await done(administrator, "GET", path))["brukere"]
    return str(known["personId"])


async def _letter(machine: Lager, konto_id: str) -> str:
    body = gateway.form(gateway.metadata("brev.pdf"), [('form-data; filename="brev.pdf"', gateway.pdf())])
    kind = {"Content-Type": f"multipart/form-data; boundary={gateway.BOUNDARY}"}
    answer = await machine.ask("POST", f"/api/v2/kontoer/{konto_id}/forsendelser/", data=body, headers=kind)
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


async def _message(machine: Lager, konto_id: str) -> str:
    body = java(specification(avsenderKontoId=konto_id, mottakerKontoId=konto_id))
    answer = await machine.ask("POST", "/fiks-io/api/v1/send", data=body, headers={"Content-Type": AS_JAVA})
    assert answer.status == 202, answer.body
    return str(answer.json["meldingId"])


async def _protokoll(administrator: Lager, organisation: Organisation) -> dict[str, str]:
    systemer = f"/fiks-protokoll/api/v1/konfigurasjon/{organisation.id('organisasjon')}/systemer"
    ny: dict[str, Any] = {"orgnummer": organisation.orgnr, "navn": "Arkivet", "beskrivelse": "Et arkiv"}
    ny |= {"eposter": ["arkiv@example.no"], "offentlig": False, "konfigureresAvIntegrasjon": True}
    system = str((await done(administrator, "POST", systemer, ny))["system"]["id"])
    konto = {"navn": "Konto", "beskrivelse": "En konto", "stottetProtokollNavn": "no.ks.fiks.arkiv"}
    parts = [{"partNavn": "arkiv.full", "stottetProtokollVersjon": "v1"}]
    made = str((await done(administrator, "POST", f"{systemer}/{system}/kontoer", konto | {"parts": parts}))["id"])
    return {"systemId": system, "eksternSystemId": system} | dict.fromkeys(
        ("protokollkonto", "eksternKonto", "eksternKontoId"), made
    )


async def _fiks_io(administrator: Lager, konto_id: str) -> dict[str, str]:
    ny = {"konto": {"fiksOrgId": str(administrator.fiks_org_id), "navn": "Avsender"}}
    avsender = str((await done(administrator, "POST", KONTOER, ny))["kontoId"])
    await done(administrator, "POST", f"{KONTOER}/{konto_id}/aksepterteAvsendere", {"kontoId": avsender})
    adresse = await done(administrator, "POST", f"{KONTOER}/{konto_id}/adresser", {"beskrivelse": "Postmottak"})
    return {"avsenderKontoId": avsender, "adresseId": str(adresse["adresseId"])}
