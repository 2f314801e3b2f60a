"""What we rely on in Altinn 3, KRR and Fiks Matrikkel: tried on the stand-ins, and by the same tests on the real thing.

FIKS_TEST_REGISTERS=person,orgnr,unit runs them against what FIKS_ALTINN, FIKS_KRR, FIKS_MATRIKKEL, FIKS_ISSUER and
FIKS_MASKINPORTEN_CLIENT name, such as Altinn's tt02: a synthetic person who holds a mail role on that organisation, is
in KRR, and owns that unit (4600-7/2/0/3).
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.auth.integrations import ID, PASSORD
from gateway.fullmakt import Fullmakter
from gateway.matrikkel import Eier, Eiertype
from gateway.registers import altinn as altinn_api
from gateway.registers import krr as krr_api
from gateway.registers import matrikkel as matrikkel_api
from gateway.registers.krr import MOST, UKJENT, Status
from gateway.seed import TESTVIK
from gateway.stand_ins.population import ASE
from infra.settings import Settings
from schemas.dokumentlager import Matrikkelenhet
from tests.support.registers import Registers, asking, running_registers

PID, ORGNR, UNIT = os.environ.get("FIKS_TEST_REGISTERS", f"{ASE.pid},{TESTVIK.orgnr},4600-7/2/0/3").split(",")
NOBODY = "24929530019" if PID != "24929530019" else "03816820005"
WELL_FORMED_AND_UNUSED = "01810110089"
"""A number with right check digits that no register has."""
ENHET = Matrikkelenhet(
    **dict(zip(matrikkel_api.Matrikkelnummer.__struct_fields__, re.split("[-/]", UNIT), strict=True))
)
INGENS = Matrikkelenhet(kommunenummer="9999", gardsnummer="1", bruksnummer="1")


@pytest.fixture
async def registers(tmp_path: Path) -> AsyncIterator[Registers]:
    if "FIKS_TEST_REGISTERS" in os.environ:
        async with ClientSession() as session:
            yield asking(Settings(), session)
        return
    async with running_registers(tmp_path) as made:
        yield made


async def post(registers: Registers, url: str, body: object, headers: dict[str, str]) -> int:
    async with registers.session.post(url, json=body, headers=headers) as answer:
        return answer.status


async def test_altinn_tells_for_whom_a_person_may_act(registers: Registers) -> None:
    fullmakter = Fullmakter(registers.altinn, lifetime=0)
    assert await fullmakter.may_act_for(PID, ORGNR)
    assert not await fullmakter.may_act_for(NOBODY, ORGNR)
    assert ORGNR in {one.aktor for one in await fullmakter.all_for(PID)}


async def test_altinn_lists_the_person_among_the_parties(registers: Registers) -> None:
    own = (await registers.altinn.parties(PID))[PID]
    assert own.name
    assert not own.is_organisation


async def test_altinn_refuses_who_did_not_exchange_the_token(registers: Registers) -> None:
    token = await registers.maskinporten.token(altinn_api.SCOPE)
    url = registers.settings.altinn.rstrip("/") + altinn_api.PARTIES
    headers = {altinn_api.SUBSCRIPTION: registers.settings.altinn_key or "", "Authorization": f"Bearer {token.text}"}
    assert await post(registers, url, {"type": altinn_api.PERSON, "value": PID}, headers) == 401


async def test_altinn_refuses_a_token_of_somebody_else(registers: Registers) -> None:
    url = registers.settings.altinn.rstrip("/") + altinn_api.EXCHANGE
    async with registers.session.get(url, headers={"Authorization": "Bearer e30.e30.e30"}) as answer:
        assert answer.status == 401


async def test_krr_tells_how_persons_can_be_reached(registers: Registers) -> None:
    found = await registers.krr.kontakter([PID, WELL_FORMED_AND_UNUSED])
    assert found.keys() == {PID, WELL_FORMED_AND_UNUSED}
    known = found[PID]
    assert known.status is Status.AKTIV
    assert known.epost or known.mobil
    assert found[WELL_FORMED_AND_UNUSED] == UKJENT


async def test_krr_refuses_a_token_with_another_scope(registers: Registers) -> None:
    token = await registers.maskinporten.token(altinn_api.SCOPE)
    url = registers.settings.krr.rstrip("/") + krr_api.PERSONER
    body = {"personidentifikatorer": [PID]}
    assert await post(registers, url, body, {"Authorization": f"Bearer {token.text}"}) in (401, 403)


async def test_krr_takes_a_thousand_persons_and_no_more(registers: Registers) -> None:
    token = await registers.maskinporten.token(krr_api.SCOPE)
    url = registers.settings.krr.rstrip("/") + krr_api.PERSONER
    headers = {"Authorization": f"Bearer {token.text}"}
    assert await post(registers, url, {"personidentifikatorer": [PID] * (MOST + 1)}, headers) == 400
    assert await post(registers, url, {"personidentifikatorer": []}, headers) == 400


async def test_matrikkel_tells_who_owns_a_unit(registers: Registers) -> None:
    owned = await registers.matrikkel.eiere([ENHET])
    assert Eier(Eiertype.FYSISK_PERSON, PID) in owned
    assert await registers.matrikkel.eiere([INGENS, ENHET]) == owned
    assert await registers.matrikkel.eiere([INGENS]) == frozenset()


async def ask_matrikkel(registers: Registers, body: object, scope: str = "ks:fiks", **headers: str) -> int:
    settings = registers.settings
    assert settings.matrikkel
    ours = {ID: str(settings.matrikkel_integrasjon), PASSORD: settings.matrikkel_passord or ""}
    token = await registers.maskinporten.token(scope)
    url = settings.matrikkel.rstrip("/") + matrikkel_api.FINN_EIERE
    return await post(registers, url, body, {"Authorization": f"Bearer {token.text}"} | ours | headers)


async def test_matrikkel_knows_us_by_token_and_password(registers: Registers) -> None:
    assert await ask_matrikkel(registers, []) == 200
    assert await ask_matrikkel(registers, [], krr_api.SCOPE) in (401, 403)
    assert await ask_matrikkel(registers, [], IntegrasjonPassord="et annet") == 401


async def test_matrikkel_wants_all_five_numbers(registers: Registers) -> None:
    assert await ask_matrikkel(registers, [{"kommunenummer": "4600", "gardsnummer": "7", "bruksnummer": "2"}]) == 400
