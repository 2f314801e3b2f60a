"""Systems and accounts of Fiks Protokoll as they can stand on the log of A, and what can be asked of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from schemas.fiks_protokoll import (
    ProtokollKontoOpprettet,
    Protokollpart,
    ProtokollSystemOpprettet,
    ProtokollTilgangForespurt,
    ProtokollTilgangGitt,
)
from schemas.fiks_protokoll_commands import (
    ChangeProtokollKonto,
    ChangeProtokollSystem,
    CreateProtokollKonto,
    CreateProtokollSystem,
    DeclineForesporsel,
    DeleteProtokollKonto,
    DeleteProtokollSystem,
    GiveUpTilgang,
    GrantTilgang,
    RequestTilgang,
    RevokeTilgang,
    WithdrawForesporsel,
)
from streams.domain.konfigurasjon import integrasjon_aktor
from tests.support.given_when_then import WHEN
from tests.support.konfigurasjon import ADMIN_A, A

ARKIV = "no.ks.fiks.arkiv"
SYSTEM, ASKING, SENDING, EMPTY = (UUID(int=number) for number in (0x60, 0x61, 0x62, 0x63))
"""A system with an account; one that has asked to send to that, one that may, and one with nothing."""
KONTO, NEW = UUID(int=0x68), UUID(int=0x69)


def integrasjon_of(system_id: UUID) -> UUID:
    """The integration of one of these systems."""
    return UUID(int=system_id.int + 0x100)


def aktor_of(system_id: UUID) -> str:
    return integrasjon_aktor(integrasjon_of(system_id))


def system(system_id: UUID, fiks_org_id: UUID = A, *, konfigureres: bool = True) -> ProtokollSystemOpprettet:
    return ProtokollSystemOpprettet(
        fiks_org_id=fiks_org_id, system_id=system_id, integrasjon_id=integrasjon_of(system_id), **_system(konfigureres)
    )


def konto(
    konto_id: UUID,
    system_id: UUID,
    *parter: str,
    fiks_org_id: UUID = A,
    protokoll: str = ARKIV,
    versjon: str = "v1",
    pem: str | None = None,
) -> ProtokollKontoOpprettet:
    return ProtokollKontoOpprettet(
        fiks_org_id=fiks_org_id,
        konto_id=konto_id,
        system_id=system_id,
        navn="Konto",
        beskrivelse="b",
        protokoll=protokoll,
        parter=tuple(Protokollpart(navn=one, versjon=versjon) for one in parter),
        pem=pem,
        opprettet=WHEN,
        opprettet_av=ADMIN_A,
    )


def given_to(system_id: UUID, konto_id: UUID = KONTO, fiks_org_id: UUID = A) -> ProtokollTilgangGitt:
    return ProtokollTilgangGitt(fiks_org_id=fiks_org_id, konto_id=konto_id, system_id=system_id)


def asked_by(system_id: UUID, konto_id: UUID = KONTO, fiks_org_id: UUID = A) -> ProtokollTilgangForespurt:
    return ProtokollTilgangForespurt(fiks_org_id=fiks_org_id, konto_id=konto_id, system_id=system_id)


def _system(konfigureres: bool) -> dict[str, Any]:
    return {
        "orgnummer": "310991007",
        "navn": "Arkivet",
        "beskrivelse": "b",
        "eposter": ("a@example.no",),
        "offentlig": False,
        "konfigureres_av_integrasjon": konfigureres,
        "passord_hash": "$hash",
        "opprettet": WHEN,
    }


PROTOKOLL = (
    *(system(one) for one in (SYSTEM, ASKING, SENDING, EMPTY)),
    konto(KONTO, SYSTEM, "arkiv.full"),
    asked_by(ASKING),
    given_to(SENDING),
)
ASKED: dict[type, dict[str, Any]] = {
    CreateProtokollSystem: {"system_id": NEW, "integrasjon_id": integrasjon_of(NEW)} | _system(konfigureres=True),
    ChangeProtokollSystem: {"system_id": SYSTEM, "navn": "Nytt navn", "endret": WHEN},
    DeleteProtokollSystem: {"system_id": EMPTY},
    CreateProtokollKonto: {"konto_id": NEW, "system_id": SYSTEM, "navn": "n", "beskrivelse": "b", "protokoll": ARKIV}
    | {"parter": (Protokollpart(navn="arkiv.full", versjon="v1"),), "opprettet": WHEN, "opprettet_av": ADMIN_A},
    ChangeProtokollKonto: {"konto_id": KONTO, "navn": "Nytt navn", "endret": WHEN, "endret_av": ADMIN_A},
    DeleteProtokollKonto: {"konto_id": KONTO},
    GrantTilgang: {"konto_id": KONTO, "system_id": EMPTY},
    RevokeTilgang: {"konto_id": KONTO, "system_id": SENDING},
    DeclineForesporsel: {"konto_id": KONTO, "system_id": ASKING},
    RequestTilgang: {"konto_id": KONTO, "system_id": EMPTY},
    WithdrawForesporsel: {"konto_id": KONTO, "system_id": ASKING},
    GiveUpTilgang: {"konto_id": KONTO, "system_id": SENDING},
}
"""Each command, and something that it can ask of these."""
