"""Whom the stand-ins know: the persons of the login page, and what they may in the seeded organisations."""

from __future__ import annotations

from typing import Any
from uuid import uuid5

from gateway.issuer.people import PEOPLE
from gateway.matrikkel import Eier, Eiertype
from gateway.seed import PROVDAL, SEED, TESTVIK, Organisation

ASE, KARE, MINA, DOLLY, ODD = PEOPLE[:5]
"""Mail at Testvik, mail at Prøvdal, a school of Testvik's alone, nothing and reserved, nothing and not in KRR."""
SKOLE = Organisation("310994006", "Testvik skole")
NEDLAGT = Organisation("310995002", "Gamle Testvik kommune")
RESSURS = "fiks-post"
"""A resource of Altinn's, given together with the mail roles."""


def organisation(about: Organisation, *roles: str, subunits: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """An organisation as Altinn tells of it, with the roles that the person holds on it; ``more`` overrides."""
    party = _party(about.orgnr, about.navn, "Organization", "KOMM", roles) | {"organizationNumber": about.orgnr}
    return party | {"authorizedResources": [RESSURS] if roles else [], "subunits": subunits or []} | more


def person(pid: str, navn: str) -> dict[str, Any]:
    """A person as Altinn tells of them to themselves."""
    return _party(pid, navn, "Person", None, ("PRIV",)) | {"personId": pid}


def _party(number: str, navn: str, kind: str, unit: str | None, roles: tuple[str, ...]) -> dict[str, Any]:
    return {
        "partyUuid": str(uuid5(SEED, f"party/{number}")),
        "name": navn.upper(),
        "organizationNumber": None,
        "personId": None,
        "partyId": int(number) % 10_000_000 + 50_000_000,
        "type": kind,
        "unitType": unit,
        "isDeleted": False,
        "onlyHierarchyElementWithNoAccess": False,
        "authorizedResources": [],
        "authorizedRoles": list(roles),
        "subunits": [],
    }


PARTIES: dict[str, list[dict[str, Any]]] = {
    ASE.pid: [organisation(TESTVIK, "DAGL", "A0236", subunits=[organisation(SKOLE)])],
    KARE.pid: [organisation(PROVDAL, "KOMAB")],
    MINA.pid: [
        organisation(
            TESTVIK, subunits=[organisation(SKOLE, "A0236", unitType="BEDR")], onlyHierarchyElementWithNoAccess=True
        ),
        organisation(NEDLAGT, "A0236", isDeleted=True),
        organisation(PROVDAL, "REGNA"),
    ],
}
"""What Altinn answers, by pid; the person's own party comes first everywhere."""

KONTAKTER: dict[str, dict[str, Any]] = {
    ASE.pid: {"reservasjon": "NEI", "epost": "aase@example.com", "mobil": "+4700000001", "varsles": True},
    KARE.pid: {"reservasjon": "NEI", "epost": "kaare@example.com", "mobil": None, "varsles": True},
    MINA.pid: {"reservasjon": "NEI", "epost": "mina@example.com", "mobil": "+4700000003", "varsles": False},
    DOLLY.pid: {"reservasjon": "JA", "epost": "dolly@example.com", "mobil": "+4700000004", "varsles": False},
}
"""What KRR knows, by pid."""

EIERE: dict[tuple[int, ...], tuple[Eier, ...]] = {
    (4600, 7, 2, 0, 3): (Eier(Eiertype.FYSISK_PERSON, ASE.pid), Eier(Eiertype.FYSISK_PERSON, ODD.pid)),
    (4600, 12, 1, 0, 0): (Eier(Eiertype.JURIDISK_PERSON, TESTVIK.orgnr),),
}
"""Who owns what, by the five numbers of a unit; no municipality is numbered 4600."""
