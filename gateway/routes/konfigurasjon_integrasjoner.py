"""Integrations: made, changed, given passwords, attached to resources. Contract: auth.md 4 and 6.2."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct, field

from gateway import body
from gateway.aktorer import must_exist
from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on, demand_on_found
from gateway.auth.passwords import hashed, new_password
from gateway.auth.principal import PRINCIPAL
from gateway.kommando import decide
from gateway.metadata import Kode, Name, Organisasjonsnummer, Text1000
from gateway.problems import hidden
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.konfigurasjon import ROOT
from schemas.konfigurasjon_commands import (
    AttachRessurs,
    ChangeGlobalIntegrasjon,
    ChangeIntegrasjon,
    CreateIntegrasjon,
    DeleteIntegrasjon,
    DetachRessurs,
    MakePassord,
)
from streams.domain.configuration import Configuration
from streams.domain.errors import NotAllowed, NotFound, Rejected
from streams.domain.konfigurasjon import GlobalIntegrasjon, Integrasjon, Ressurs
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/konfigurasjon/api/v1"
ONE = f"{BASE}/integrasjoner/{{integrasjonId}}"
OF_ORG = f"{BASE}/organisasjoner/{{fiksOrgId}}/integrasjoner"

MISSING = "Integrasjonen finnes ikke"

Navn = Annotated[str, Meta(pattern=r"\A(?! *\Z)[A-Za-zæøåÆØÅ0-9_.,/\-_ ]+\Z", max_length=255)]
"""The contract's pattern; it names no length."""


class Tilbud(Struct, frozen=True, kw_only=True):
    """How an integration is offered to all: no part of what its owner may say, but of what the owner is shown."""

    kode: Any = None
    er_global: Any = field(default=None, name="global")


class NyIntegrasjon(Tilbud, rename="camel", frozen=True, kw_only=True):
    """``IntegrasjonCreateRequest``."""

    autorisert_orgnr: Organisasjonsnummer
    navn: Navn
    fiks_organisasjon_uuid: UUID
    beskrivelse: Text1000 | None = None


class EndretIntegrasjon(Tilbud, rename="camel", frozen=True, kw_only=True):
    """``IntegrasjonUpdateRequest``."""

    autorisert_orgnr: Organisasjonsnummer | None = None
    navn: Navn | None = None
    beskrivelse: Text1000 | None = None


class EndretGlobal(Struct, rename={"er_global": "global", "forespurte_privilegier": "forespurtePrivilegier"}):
    """``RootIntegrasjonUpdateRequest``."""

    kode: Kode | None = None
    er_global: bool | None = None
    forespurte_privilegier: tuple[str, ...] | None = None
    tags: tuple[Name, ...] | None = None


@routes.get(f"{BASE}/integrasjoner/autentisering", demands=integration())
async def autentisering(_request: web.Request) -> web.Response:
    """Whether the caller is an integration; who is not has met 401 before."""
    return as_json(True)


@routes.post(f"{BASE}/integrasjoner", demands=manager(ADMIN))
async def opprett(request: web.Request) -> web.Response:
    """A new integration. Its first password is one that nobody knows, so it needs ``lagPassord``."""
    ny = await body.json(request, NyIntegrasjon)
    await demand_on(request, ny.fiks_organisasjon_uuid)
    _must_be_offered_so(ny, GlobalIntegrasjon())
    made = await decide(
        request,
        CreateIntegrasjon,
        of=ny.fiks_organisasjon_uuid,
        integrasjon_id=new_uuid(),
        autorisert_orgnr=ny.autorisert_orgnr,
        navn=ny.navn,
        beskrivelse=ny.beskrivelse,
        opprettet=datetime.now(UTC),
        passord_hash=await asyncio.to_thread(hashed, new_password()),
    )
    return as_json(_shown(request, made.integrasjon_id, made.fiks_org_id))


@routes.get(ONE, demands=manager(ADMIN))
async def hent(request: web.Request) -> web.Response:
    """One integration, to the administrators of its owner; one that is offered to all, to all administrators."""
    seen_by = _using(request) or [(await _own(request)).fiks_org_id]
    await demand_on(request, seen_by[0])
    return as_json(_shown(request, _integrasjon_id(request), *seen_by))


@routes.patch(ONE, demands=manager(ADMIN))
async def endre(request: web.Request) -> web.Response:
    """Other properties of an integration; what is not said stays."""
    endret = await body.json(request, EndretIntegrasjon)
    own = await _own(request)
    _must_be_offered_so(endret, _offered(request).get(own.id, GlobalIntegrasjon()))
    says = {name: getattr(endret, name) for name in ("autorisert_orgnr", "navn", "beskrivelse")}
    await decide(request, ChangeIntegrasjon, of=own.fiks_org_id, integrasjon_id=own.id, **says)
    return as_json(_shown(request, own.id, own.fiks_org_id))


@routes.delete(ONE, demands=manager(ADMIN))
async def slett(request: web.Request) -> web.Response:
    """The integration is gone, and all that it was granted."""
    own = await _own(request)
    await decide(request, DeleteIntegrasjon, of=own.fiks_org_id, integrasjon_id=own.id)
    return web.Response()


@routes.post(f"{ONE}/lagPassord", demands=manager(ADMIN))
async def lag_passord(request: web.Request) -> web.Response:
    """A new password, shown here and never again; the old one is dead here when this is answered."""
    own, passord = await _own(request), new_password()
    slow = await asyncio.to_thread(hashed, passord)
    await decide(request, MakePassord, of=own.fiks_org_id, integrasjon_id=own.id, passord_hash=slow)
    return web.Response(
        body=msgspec.json.encode({"passord": passord}),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@routes.put(f"{ONE}/tilknyttede-ressurser/{{ressursId}}", demands=manager(ADMIN))
async def tilknytt(request: web.Request) -> web.Response:
    """Attach an integration to a resource, also one that is offered to all."""
    return await _attach(request, AttachRessurs)


@routes.delete(f"{ONE}/tilknyttede-ressurser/{{ressursId}}", demands=manager(ADMIN))
async def koble_fra(request: web.Request) -> web.Response:
    """Detach an integration from a resource, also one that was offered to all and is no more."""
    return await _attach(request, DetachRessurs)


@routes.get(OF_ORG, demands=manager(ADMIN))
async def alle(request: web.Request) -> web.Response:
    """The organisation's own integrations and those that are offered to all."""
    ids, koder = request.query.getall("integrasjonId", []), request.query.getall("integrasjonKode", [])
    shown = [
        one
        for one in _usable(request)
        if (not ids or str(one["uuid"]) in ids) and (not koder or one.get("kode") in koder)
    ]
    return as_json(shown)


@routes.get(f"{OF_ORG}/{{tag}}", demands=manager(ADMIN))
async def med_tag(request: web.Request) -> web.Response:
    """Those that may be attached to a service."""
    return as_json([one for one in _usable(request) if request.match_info["tag"] in one["tags"]])


@routes.get(f"{BASE}/root/integrasjoner", demands=manager(ADMIN))
async def alle_globale(request: web.Request) -> web.Response:
    """Every integration that is offered to all."""
    await demand_on(request, ROOT)
    memory = request.app[MEMORY]
    known = (memory.integrasjon(id_) for id_, one in _offered(request).items() if one.er_global)
    return as_json([_shown(request, one.id, one.fiks_org_id) for one in known if one])


@routes.patch(f"{BASE}/root/integrasjoner/{{integrasjonId}}", demands=manager(ADMIN))
async def endre_global(request: web.Request) -> web.Response:
    """How an integration is offered to all."""
    await demand_on(request, ROOT)
    endret = await body.json(request, EndretGlobal)
    for privilegium in endret.forespurte_privilegier or ():
        must_exist(privilegium)
    known = request.app[MEMORY].integrasjon(_integrasjon_id(request))
    if known is None:
        raise NotFound(MISSING)
    says = msgspec.structs.asdict(endret)
    await decide(request, ChangeGlobalIntegrasjon, of=ROOT, integrasjon_id=known.id, **says)
    return as_json(_shown(request, known.id, known.fiks_org_id))


async def _attach(request: web.Request, command: type) -> web.Response:
    integrasjon_id, configuration = _integrasjon_id(request), request.app[MEMORY].configuration
    ressurs = configuration.ressurs(UUID(request.match_info["ressursId"]))
    if ressurs is None or not _is_known(configuration, integrasjon_id, ressurs):
        raise NotFound(MISSING) from NotAllowed(MISSING)  # a refusal, which is on the record as such
    await decide(request, command, of=ressurs.fiks_org_id, integrasjon_id=integrasjon_id, ressurs_id=ressurs.id)
    return web.Response()


def _is_known(configuration: Configuration, integrasjon_id: UUID, ressurs: Ressurs) -> bool:
    """Whether an administrator of the resource knows of the integration: it is offered there, or attached already."""
    attached = configuration.virksomhet(ressurs.fiks_org_id).tilknyttet.get(integrasjon_id, ())
    return ressurs.id in attached or configuration.is_offered(integrasjon_id, ressurs.fiks_org_id)


def _must_be_offered_so(said: Tilbud, offered: GlobalIntegrasjon) -> None:
    """Raises Rejected where its owner would have an integration offered otherwise than it is: that is for root."""
    if said.kode not in (None, offered.kode) or said.er_global not in (None, offered.er_global):
        roots = "Bare rotadministratorer bestemmer global og kode: PATCH /konfigurasjon/api/v1/root/integrasjoner/{id}"
        raise Rejected(roots) from NotAllowed(roots)  # a refusal, which is on the record as such


async def _own(request: web.Request) -> Integrasjon:
    """The integration in the path, which an administrator of its owner asks for. Nobody else learns that it is."""
    id_, memory = _integrasjon_id(request), request.app[MEMORY]

    def owner() -> UUID:
        return known.fiks_org_id if (known := memory.integrasjon(id_)) else id_

    with hidden(MISSING):
        await demand_on_found(request, owner)
    known = memory.integrasjon(id_)
    if known is None:  # it was deleted, and root asks
        raise NotFound(MISSING)
    return known


def _using(request: web.Request) -> list[UUID]:
    """The organisations that the caller administrates and that may use the integration in the path: its owner alone
    where that is one of them.
    """
    id_, holder, memory = _integrasjon_id(request), request[PRINCIPAL].holder, request.app[MEMORY]
    offered_to = (of for of in memory.configuration.virksomheter if memory.configuration.is_offered(id_, of))
    administrated = [of for of in offered_to if memory.may(holder, ADMIN, of)]
    known = memory.integrasjon(id_)
    return [known.fiks_org_id] if known and known.fiks_org_id in administrated else administrated


def _integrasjon_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["integrasjonId"])
    except ValueError:
        raise NotFound(MISSING) from None


def _offered(request: web.Request) -> dict[UUID, GlobalIntegrasjon]:
    return request.app[MEMORY].configuration.virksomhet(ROOT).globale


def _usable(request: web.Request) -> list[dict[str, Any]]:
    """What the organisation in the path may use."""
    of, memory = UUID(request.match_info["fiksOrgId"]), request.app[MEMORY]
    if memory.organisasjon(of) is None:  # ROOT, as whose caller comes in
        raise NotFound("Organisasjonen finnes ikke")
    own = memory.configuration.virksomhet(of).integrasjoner
    offered = [id_ for id_, one in _offered(request).items() if one.er_global and id_ not in own]
    return [_shown(request, id_, of) for id_ in (*own, *offered) if memory.integrasjon(id_)]


def _shown(request: web.Request, integrasjon_id: UUID, *of: UUID) -> dict[str, Any]:
    """An integration as the organisations ``of`` see it."""
    configuration = request.app[MEMORY].configuration
    known = configuration.integrasjon(integrasjon_id)
    assert known is not None
    owner = configuration.virksomhet(known.fiks_org_id).organisasjon
    offered = _offered(request).get(known.id, GlobalIntegrasjon())
    said = {
        "uuid": known.id,
        "autorisertOrgnr": known.autorisert_orgnr,
        "navn": known.navn,
        "beskrivelse": known.beskrivelse,
        "kode": offered.kode,
        "global": offered.er_global,
        "forespurtePrivilegier": offered.forespurte_privilegier,
        "fiksOrganisasjonUuid": known.fiks_org_id,
        "fiksOrganisasjonNavn": owner and owner.navn,
        "opprettet": known.opprettet.isoformat() if known.opprettet else "",
        "tags": offered.tags,
        "tilknyttedeRessurser": sorted(
            {on for one in of for on in configuration.virksomhet(one).tilknyttet.get(known.id, ())}
        ),
    }
    return {name: value for name, value in said.items() if value is not None}
