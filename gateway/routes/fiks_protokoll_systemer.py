"""Systems of Fiks Protokoll: made, changed, deleted; and the organisations that have some. Contract: fiks-io.md 5."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.auth.demands import manager
from gateway.auth.middleware import demand_on
from gateway.auth.passwords import hashed, new_password
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import configuration_of
from gateway.fiks_protokoll import CONFIGURER, SYSTEM, Beskrivelse, shown_org, shown_system, system_in
from gateway.kommando import decide
from gateway.metadata import Epost, Kontonavn, Organisasjonsnummer, Text1000
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.fiks_protokoll_commands import ChangeProtokollSystem, CreateProtokollSystem, DeleteProtokollSystem
from streams.domain.fiks_protokoll import TJENESTE
from streams.domain.fiks_protokoll_oppslag import System, offers, system_of
from streams.domain.rettigheter import ADMIN

routes = Routes()

Eposter = Annotated[tuple[Epost, ...], Meta(min_length=1, max_length=100)]


class NyttSystem(Struct, rename="camel", frozen=True):
    """``CreateProtokollSystemRequest``."""

    orgnummer: Organisasjonsnummer
    navn: Kontonavn
    beskrivelse: Beskrivelse
    eposter: Eposter
    offentlig: bool
    konfigureres_av_integrasjon: bool


class EndretSystem(Struct, rename="camel", frozen=True):
    """``UpdateSystemInfoRequest``."""

    navn: Kontonavn
    beskrivelse: Beskrivelse
    eposter: Eposter
    offentlig: bool
    automatisk_godkjenning: bool | None = None
    leverandor_navn: Text1000 | None = None
    leverandor_kontaktpunkt: Text1000 | None = None


class IntegrasjonPrivilegium(Struct, rename="camel", frozen=True):
    """Whether the integration configures its system. The contract leaves the body open; the name is the answer's."""

    konfigureres_av_integrasjon: bool


class Orgnummer(Struct, frozen=True):
    """Whose tokens the integration calls with. The contract leaves the body open; the name is the answer's."""

    orgnummer: Organisasjonsnummer


@routes.post("/fiks-protokoll/api/v1/konfigurasjon/{orgId}/systemer", demands=manager(ADMIN))
async def opprett(request: web.Request) -> web.Response:
    """A new system with its integration, whose password is shown here and never again.

    It lies below the service where the organisation has that; its administrators may make one too.
    """
    of = uuid_in(request, "orgId")
    tjeneste = configuration_of(request).virksomhet(of).tjenester.get(TJENESTE)
    above = tjeneste.ressurs_id if tjeneste else of
    await demand_on(request, above)
    ny, passord = await body.json(request, NyttSystem), new_password()
    made = await decide(
        request,
        CreateProtokollSystem,
        above,
        of=of,
        system_id=new_uuid(),
        integrasjon_id=new_uuid(),
        passord_hash=await asyncio.to_thread(hashed, passord),
        opprettet=datetime.now(UTC),
        **msgspec.structs.asdict(ny),
    )
    system = system_of(configuration_of(request), made.system_id)
    assert system is not None
    answer = as_json({"system": await shown_system(request, system), "integrasjonPassord": passord}, status=201)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@routes.get(SYSTEM, demands=CONFIGURER)
async def hent(request: web.Request) -> web.Response:
    """One system, its accounts, and the accounts of others that it may send to or has asked to."""
    return as_json(await shown_system(request, system_in(request)))


@routes.delete(SYSTEM, demands=manager(ADMIN))
async def slett(request: web.Request) -> web.Response:
    """The system is gone, and its integration. Its accounts must have been deleted before."""
    system = system_in(request).ressurs
    await decide(request, DeleteProtokollSystem, system.id, of=system.fiks_org_id, system_id=system.id)
    return web.Response(status=204)


@routes.put(f"{SYSTEM}/info", demands=CONFIGURER)
async def endre(request: web.Request) -> web.Response:
    """Other properties of a system; what is not said stays."""
    endret = await body.json(request, EndretSystem)
    await _change(request, system_in(request), endret)
    return web.Response(status=204)


@routes.put(f"{SYSTEM}/integrasjon-privilegium", demands=manager(ADMIN))
async def endre_privilegium(request: web.Request) -> web.Response:
    """Whether the integration configures its system."""
    endret = await body.json(request, IntegrasjonPrivilegium)
    return as_json(await shown_system(request, await _change(request, system_in(request), endret)))


@routes.put(f"{SYSTEM}/orgnummer", demands=manager(ADMIN))
async def endre_orgnummer(request: web.Request) -> web.Response:
    """Whose tokens the integration calls with; those of another are worth nothing from here on."""
    endret = await body.json(request, Orgnummer)
    return as_json(await shown_system(request, await _change(request, system_in(request), endret)))


@routes.get(f"{SYSTEM}/organisasjoner", demands=CONFIGURER)
async def organisasjoner(request: web.Request) -> web.Response:
    """The organisations that have systems which the organisation finds."""
    of = system_in(request).ressurs.fiks_org_id
    owners = {one.ressurs.fiks_org_id for one in offers(configuration_of(request), of)}
    return as_json([shown_org(request, one) for one in sorted(owners)])


async def _change(request: web.Request, system: System, endret: Struct) -> System:
    """The system as it is after the change. Raises as ``decide``."""
    ressurs = system.ressurs
    await decide(
        request,
        ChangeProtokollSystem,
        ressurs.id,
        of=ressurs.fiks_org_id,
        system_id=ressurs.id,
        endret=datetime.now(UTC),
        **msgspec.structs.asdict(endret),
    )
    return system_of(configuration_of(request), ressurs.id) or system
