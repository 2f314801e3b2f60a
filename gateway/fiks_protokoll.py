"""What the routes of Fiks Protokoll share: the system and the account that a call is about, and how they are shown.

To whom something is not to be seen it does not exist: which of both it is, is neither said nor to be measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import DEMANDED
from gateway.context import DELIVERIES
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import configuration_of, org_navn, without_nulls
from gateway.metadata import NOT_BLANK
from gateway.problems import hidden
from schemas.fiks_protokoll import Protokollpart
from streams.domain.errors import NotAllowed, NotFound, Rejected, Unavailable
from streams.domain.fiks_protokoll import KONFIGURER, Tilgang
from streams.domain.fiks_protokoll_katalog import PROTOKOLLER, Part, Protokoll, Protokollstatus
from streams.domain.fiks_protokoll_oppslag import Konto, System, between, konto_of, kontoer_of, sees, system_of
from streams.domain.konfigurasjon import integrasjon_aktor
from streams.domain.rettigheter import ADMIN

ORG = "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}"
SYSTEM = f"{ORG}/systemer/{{systemId}}"
KONTO = f"{SYSTEM}/kontoer/{{kontoId}}"
CONFIGURER = integration(KONFIGURER) | manager(ADMIN) | integration(KONFIGURER) & manager(ADMIN)
"""The integration of a system that it configures itself (``konfigureresAvIntegrasjon``), and its administrators, also
when they call through that (contract 1.2).
"""
NO_SYSTEM, NO_KONTO = "Systemet finnes ikke", "Kontoen finnes ikke"

Beskrivelse = Annotated[str, Meta(pattern=NOT_BLANK, max_length=500)]


class PartRequest(Struct, rename="camel", frozen=True):
    """``PartRequest``."""

    part_navn: str
    stottet_protokoll_versjon: str


Parts = Annotated[tuple[PartRequest, ...], Meta(min_length=1, max_length=100)]


def system_in(request: web.Request) -> System:
    """The system in the address. Raises NotFound when the organisation has none of that id."""
    system = system_of(configuration_of(request), uuid_in(request, "systemId"))
    if system is None or system.ressurs.fiks_org_id != uuid_in(request, "fiksOrgId"):
        raise NotFound(NO_SYSTEM)
    return system


def konto_in(request: web.Request) -> Konto:
    """The account in the address. Raises NotFound when the system has none of that id."""
    system, konto = system_in(request), konto_of(configuration_of(request), uuid_in(request, "kontoId"))
    if konto is None or konto.satt.system_id != system.ressurs.id:
        raise NotFound(NO_KONTO)
    return konto


def seen_system(request: web.Request, fiks_org_id: UUID, name: str) -> System:
    """The system that the address calls ``name``, of whatever organisation. Raises NotFound when it is not seen."""
    configuration = configuration_of(request)
    system = system_of(configuration, id_ := uuid_in(request, name))
    with hidden(NO_SYSTEM):
        if system is None or not sees(configuration, fiks_org_id, system):
            request[DEMANDED] = id_  # it is this that is closed to the caller, and whose owner is told
            raise NotAllowed("Systemet er ikke synlig for organisasjonen")
    return system


def seen_konto(request: web.Request, fiks_org_id: UUID, name: str) -> Konto:
    """The account that the address calls ``name``, of whatever organisation. Raises NotFound when it is not seen."""
    configuration = configuration_of(request)
    konto = konto_of(configuration, id_ := uuid_in(request, name))
    system = konto and system_of(configuration, konto.satt.system_id)
    with hidden(NO_KONTO):
        if konto is None or system is None or not sees(configuration, fiks_org_id, system):
            request[DEMANDED] = id_
            raise NotAllowed("Kontoen er ikke synlig for organisasjonen")
    return konto


def parts_of(protokoll: str, parts: Iterable[PartRequest]) -> tuple[Protokollpart, ...]:
    """The parts, as events name them. Raises Rejected for one that no protocol in use has."""
    named = dict.fromkeys((one.part_navn, one.stottet_protokoll_versjon) for one in parts)
    for navn, versjon in named:
        known = PROTOKOLLER.get((protokoll, versjon))
        if known is None or known.status is Protokollstatus.DEAKTIVERT:
            raise Rejected("Protokollen finnes ikke i den versjonen, eller er deaktivert")
        if navn not in known.parter:
            raise Rejected("Protokollen har ikke den parten i den versjonen")
    return tuple(Protokollpart(navn=navn, versjon=versjon) for navn, versjon in named)


async def shown_system(request: web.Request, system: System) -> dict[str, Any]:
    """``ProtokollSystemResponse``."""
    configuration, (ressurs, satt) = configuration_of(request), system
    integrasjon = configuration.virksomhet(ressurs.fiks_org_id).integrasjoner[satt.integrasjon_id]
    kontoer = await asyncio.gather(*(_summary(request, one) for one in kontoer_of(configuration, system)))
    return without_nulls(
        {
            "id": ressurs.id,
            "integrasjonId": integrasjon.id,
            "orgnummer": integrasjon.autorisert_orgnr,
            "navn": ressurs.navn,
            "beskrivelse": satt.beskrivelse,
            "eposter": satt.eposter,
            "kontoer": kontoer,
            "tilgangTilKontoer": _shown_between(request, ressurs.id, Tilgang.GITT),
            "forespurteTilgangerTilKontoer": _shown_between(request, ressurs.id, Tilgang.FORESPURT),
            "offentlig": satt.offentlig,
            "automatiskGodkjenning": satt.automatisk_godkjenning,
            "konfigureresAvIntegrasjon": configuration.may(integrasjon_aktor(integrasjon.id), KONFIGURER, ressurs.id),
            "leverandorNavn": satt.leverandor_navn,
            "leverandorKontaktpunkt": satt.leverandor_kontaktpunkt,
            "fiksOrg": shown_org(request, ressurs.fiks_org_id),
            "opprettet": satt.opprettet,
            "sistEndret": satt.endret or satt.opprettet,
        }
    )


def shown_extern_system(request: web.Request, system: System) -> dict[str, Any]:
    """``EksternProtokollSystemResponse``: what others see of a system."""
    return {
        "id": system.ressurs.id,
        "navn": system.ressurs.navn,
        "beskrivelse": system.satt.beskrivelse,
        "fiksOrg": shown_org(request, system.ressurs.fiks_org_id),
    }


def shown_extern_konto(request: web.Request, konto: Konto) -> dict[str, Any]:
    """``EksternProtokollKontoResponse``: what others see of an account."""
    system = system_of(configuration_of(request), konto.satt.system_id)
    assert system is not None, "an account lives no longer than its system"
    return {
        "id": konto.ressurs.id,
        "navn": konto.ressurs.navn,
        "stottetProtokollNavn": konto.satt.protokoll,
        "beskrivelse": konto.satt.beskrivelse,
        "parter": shown_parts(konto),
        "system": shown_extern_system(request, system),
    }


def shown_org(request: web.Request, fiks_org_id: UUID) -> dict[str, Any]:
    """``FiksOrgResponse``."""
    known = request.app[MEMORY].organisasjon(fiks_org_id)
    kommunenummer = known and known.kommunenr
    return without_nulls({"id": fiks_org_id, "navn": org_navn(request, fiks_org_id), "kommunenummer": kommunenummer})


def shown_parts(konto: Konto) -> list[dict[str, Any]]:
    """The parts of an account, each a ``PartResponse``; one that the catalogue has no more is left out."""
    protokoller = ((one.navn, PROTOKOLLER.get((konto.satt.protokoll, one.versjon))) for one in konto.satt.parter)
    return [shown_part(of, of.parter[navn]) for navn, of in protokoller if of and navn in of.parter]


def shown_part(protokoll: Protokoll, part: Part) -> dict[str, Any]:
    """``PartResponse``."""
    return {
        "navn": part.navn,
        "beskrivelse": part.beskrivelse,
        "protokollnavn": protokoll.navn,
        "protokollversjon": protokoll.versjon,
        "avsenderMeldingstyper": sorted(part.avsender),
        "mottakerMeldingstyper": sorted(part.mottaker),
        "stottedeParter": sorted(part.stotter),
    }


def _shown_between(request: web.Request, system_id: UUID, tilgang: Tilgang) -> list[dict[str, Any]]:
    return [shown_extern_konto(request, one) for one in between(configuration_of(request), system_id, tilgang)]


async def _summary(request: web.Request, konto: Konto) -> dict[str, Any]:
    """``ProtokollKontoSummaryResponse``."""
    protokoll = konto.satt.protokoll
    parter = [
        {"navn": one.navn, "protokollnavn": protokoll, "protokollversjon": one.versjon} for one in konto.satt.parter
    ]
    return without_nulls(
        {
            "id": konto.ressurs.id,
            "navn": konto.ressurs.navn,
            "stottetProtokollNavn": protokoll,
            "beskrivelse": konto.satt.beskrivelse,
            "parter": parter,
            "metrikk": await _metrikk(request, konto),
            "sendMeldingerDeaktivert": konto.satt.send_meldinger_deaktivert,
        }
    )


async def _metrikk(request: web.Request, konto: Konto) -> dict[str, int] | None:
    """How the queue is; None while that cannot be known: the configuration is shown all the same."""
    try:
        count = await request.app[DELIVERIES].count(konto.ressurs.id)
    except Unavailable:
        return None
    return {"meldingerPaKo": count.meldinger, "antallKonsumenter": count.konsumenter}
