"""Configurations as they can stand on the log: organisations, their trees, and people who ask for things."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, get_args
from uuid import UUID

from hypothesis import strategies as st
from msgspec.structs import replace

from projections.projection import Met
from schemas.derive import fields_of
from schemas.envelope import Position, fact
from schemas.konfigurasjon import (
    ROOT,
    KontoOpprettet,
    OrganisasjonOpprettet,
    Organisasjonstype,
    PrivilegieTildelt,
    RessursOpprettet,
)
from schemas.konfigurasjon_commands import Command
from streams.domain.configuration import Configuration
from streams.domain.konfigurasjon import KonfigurasjonEvent
from tests.support.events import values
from tests.support.given_when_then import WHEN

A, B = UUID(int=0xA), UUID(int=0xB)
"""Two organisations."""
ADMIN_A, ADMIN_B, OPERATOR, NOBODY = "person:aa", "person:bb", "person:00", "person:ff"
MASKIN = UUID(int=0x30)
AKTORER = (ADMIN_A, ADMIN_B, OPERATOR, f"integrasjon:{MASKIN}")
IDS = (A, B, ROOT, *(UUID(int=number) for number in (1, 2, 3)), MASKIN)
PRIVILEGIER = ("ADMIN", "SVARUT.SEND", "FIKS.KONFIGURER")
TYPER = ("ORGANISASJON", "SVARUT", "SVARUT_KONTO")

_OF: dict[str, st.SearchStrategy[Any]] = {
    "fiks_org_id": st.sampled_from([A, B, ROOT]),
    "ressurs_id": st.sampled_from(IDS),
    "forelder_id": st.sampled_from(IDS),
    "konto_id": st.sampled_from(IDS[3:]),
    "for_konto_id": st.none() | st.sampled_from(IDS[3:]),
    "avsender_konto_id": st.sampled_from(IDS[3:]),
    "eier_id": st.sampled_from([A, B]),
    "adresse_id": st.sampled_from(IDS[3:]),
    "identifikatorer": st.lists(st.sampled_from(["ORG_NO.310991007", "NAVENHET_ID.1"]), max_size=2).map(tuple),
    "meldingsprotokoller": st.lists(st.sampled_from(["no.ks.fiks.arkiv", "en.annen"]), max_size=2).map(tuple),
    "sikkerhetsnivaer": st.lists(st.sampled_from([3, 4]), max_size=2).map(tuple),
    "integrasjon_id": st.sampled_from(IDS[3:]),
    "mottakersystem_id": st.sampled_from(IDS[3:]),
    "system_id": st.sampled_from(IDS[3:]),
    "aktor": st.sampled_from(AKTORER),
    "av": st.sampled_from(AKTORER),
    "privilegium": st.sampled_from(PRIVILEGIER),
    "type": st.sampled_from(TYPER),
    "ressurstype": st.sampled_from(TYPER),
    "tjeneste": st.sampled_from(["SVARUT", "FIKS_IO"]),
    "orgnr": st.sampled_from(["310991007", "310992003"]),
    "forsendelsestype": st.none() | st.sampled_from(["byggesak", "annet"]),
    "niva": st.none() | st.sampled_from([3, 4]),
}


def any_of(union: Any) -> st.SearchStrategy[Any]:
    """Any event of a union, about few organisations, resources and actors, so that they meet."""
    return st.sampled_from(get_args(union)).flatmap(_built)


@cache
def _built(cls: type) -> st.SearchStrategy[Any]:
    return st.builds(cls, **{field.name: _value(field.name, kind) for field, kind in fields_of(cls)})


def _value(name: str, kind: Any) -> st.SearchStrategy[Any]:
    return values(kind) if name not in _OF or kind is Organisasjonstype else _OF[name]


any_configuration_event = any_of(KonfigurasjonEvent)
any_command = any_of(Command)


def fold(history: Iterable[Any]) -> Configuration:
    """The configuration after these events, none of them a decision."""
    configuration = Configuration()
    for event in history:
        configuration.meet(event)
    return configuration


def met(event: Any, offset: int, cause: int | None = None) -> Met:
    """The event as it was met on the log; with a cause it is a decision."""
    at = fact(event, time=WHEN, id=str(offset), source="test")
    return Met(event, replace(at, cause=cause, position=Position("fiks.konfigurasjon", 0, offset)))


def columns_of(sql: str) -> dict[str, list[str]]:
    """The columns of each table that the statements create, in order."""
    return {
        name: re.findall(r"^ {4}(?!primary)(\w+)", body, re.MULTILINE)
        for name, body in re.findall(r"create table (\w+) \((.*?)\n\);", sql, re.DOTALL)
    }


def organisasjon(fiks_org_id: UUID) -> OrganisasjonOpprettet:
    return OrganisasjonOpprettet(fiks_org_id=fiks_org_id, orgnr="310991007", navn="Testvik")


def ressurs(fiks_org_id: UUID, number: int, forelder_id: UUID, type: str = "SVARUT") -> RessursOpprettet:  # noqa: A002
    return RessursOpprettet(
        fiks_org_id=fiks_org_id, ressurs_id=UUID(int=number), forelder_id=forelder_id, type=type, navn="r"
    )


def konto(fiks_org_id: UUID, number: int = 1) -> KontoOpprettet:
    return KontoOpprettet(fiks_org_id=fiks_org_id, konto_id=UUID(int=number), tjeneste="svarut", navn="k")


def grant(fiks_org_id: UUID, aktor: str, ressurs_id: UUID, privilegium: str = "ADMIN") -> PrivilegieTildelt:
    return PrivilegieTildelt(fiks_org_id=fiks_org_id, aktor=aktor, ressurs_id=ressurs_id, privilegium=privilegium)


GENESIS = (
    organisasjon(A),
    ressurs(A, 1, A),
    ressurs(A, 2, UUID(int=1), "SVARUT_KONTO"),
    grant(A, ADMIN_A, A),
    organisasjon(B),
    ressurs(B, 3, B),
    grant(B, ADMIN_B, B),
    grant(ROOT, OPERATOR, ROOT),
)
"""A with a service (1) and an account (2) below it, B with a service (3), an administrator of each, a root operator."""
