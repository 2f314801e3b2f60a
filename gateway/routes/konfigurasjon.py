"""Organisations, their services, and where their invoices go. Contract: auth.md 6.1 and 6.2."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.aktorer import must_be_type, named
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.kommando import decide
from gateway.lookups import looked_up
from gateway.metadata import Epost, EpostOrNone, Fodselsnummer, Name, Organisasjonsnummer, Text1000
from gateway.opened import as_opened
from gateway.personer import register
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from gateway.tjenester import RESSURSTYPER, TJENESTER, Tjeneste, privilegier_for
from schemas.errors import Unreadable
from schemas.konfigurasjon import ROOT, Organisasjonstype
from schemas.konfigurasjon_commands import (
    ChangeFaktura,
    ChangeOrganisasjon,
    ClaimOrganisasjonsnummer,
    ConfigureTjeneste,
    CreateOrganisasjon,
    InitialiseTjeneste,
)
from streams.domain.errors import NotAllowed, NotFound, Rejected
from streams.domain.konfigurasjon import Organisasjon
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/konfigurasjon/api/v1"
ORG = f"{BASE}/organisasjoner/{{fiksOrgId}}"
MISSING = "Organisasjonen finnes ikke"
AT_ONCE = 100
"""Organisations that may be asked for by id at once."""

Kommunenr = Annotated[str, Meta(pattern=r"\A[0-9]{4}\Z")]


class Sok(Struct, frozen=True):
    """``OrganisasjonGetRequest``."""

    ids: list[UUID] = []
    kommunenr: list[str] = []


class NyOrganisasjon(Struct, frozen=True):
    """``OrganisasjonCreateRequest``."""

    navn: Name
    type: Organisasjonstype
    intern: bool
    kommunenr: Kommunenr | None = None
    orgnr: Organisasjonsnummer | None = None


class EndretOrganisasjon(Struct, rename="camel", frozen=True):
    """``OrganisasjonUpdateRequest``."""

    navn: Name | None = None
    epost: tuple[Epost, ...] | None = None
    innbyggerkontakt_epost: EpostOrNone | None = None
    orgnr: Organisasjonsnummer | None = None
    avtaleadmin_fnr: Fodselsnummer | None = None
    konfigurert: bool | None = None


class EndretAvRoot(Struct, frozen=True):
    """``RootOrganisasjonUpdateRequest``."""

    intern: bool
    navn: Name | None = None
    kommunenr: Kommunenr | None = None
    orgnr: Organisasjonsnummer | None = None
    synlig: bool | None = None


class Faktura(Struct, rename="camel", frozen=True):
    """``Faktura``, but for ``sistEndret``, which is ours to say."""

    orgnr: Organisasjonsnummer
    navn: Name
    juridisk_navn: Name
    referanse: Text1000
    postnummer: Text1000
    poststed: Text1000
    epost: EpostOrNone | None = None
    telefon: Text1000 | None = None
    adresselinje1: Text1000 | None = None
    adresselinje2: Text1000 | None = None
    kundenummer: Text1000 | None = None
    endepunkt_id: Organisasjonsnummer | None = None


@routes.get(f"{BASE}/organisasjoner", demands=manager())
async def organisasjoner(request: web.Request) -> web.Response:
    """Organisations by id or kommunenr, of those that the caller sees."""
    try:
        ids = [UUID(one) for one in request.query.getall("orgId", [])]
    except ValueError:
        raise Unreadable("orgId må være UUID-er") from None
    return await _found(request, Sok(ids, request.query.getall("kommunenr", [])))


@routes.post(f"{BASE}/organisasjoner", demands=manager())
async def sok(request: web.Request) -> web.Response:
    """The same question with a body; nothing is made here."""
    return await _found(request, await body.json(request, Sok))


@routes.get(f"{BASE}/organisasjoner/synlige", demands=manager())
async def synlige(request: web.Request) -> web.Response:
    """The organisations that the caller sees."""
    return await as_opened(request, await _all_shown(request, _visible(request)))


@routes.get(f"{BASE}/organisasjoner/info", demands=manager())
async def info(request: web.Request) -> web.Response:
    """A little about each."""
    left_out = ("navn", "orgnr", "avtaleadminFnr")
    found = _with_kommunenr(_visible(request), request.query.getall("kommunenr", []))
    shown = (_shown(request, one) for one in found)
    return await as_opened(
        request, [{name: value for name, value in one.items() if name not in left_out} for one in shown]
    )


@routes.get(f"{BASE}/organisasjoner/kontaktinformasjon", demands=manager())
async def kontakter(request: web.Request) -> web.Response:
    """How citizens reach each."""
    return as_json({"organisasjoner": [_contact(one) for one in _visible(request)]})


@routes.get(f"{BASE}/organisasjoner/fakturaoversikt", demands=manager())
async def fakturaoversikt(request: web.Request) -> web.Response:
    """Which of the organisations that the caller administrates have said where invoices go."""
    memory, holder = request.app[MEMORY], request[PRINCIPAL].holder
    own = (one for one in _visible(request) if memory.may(holder, ADMIN, one.id))
    return as_json({str(one.id): memory.configuration.virksomhet(one.id).faktura is not None for one in own})


@routes.patch(ORG, demands=manager(ADMIN))
async def endre(request: web.Request) -> web.Response:
    """Other properties of an organisation; what is not said stays. Only root gives it another number."""
    endret = msgspec.structs.asdict(await body.json(request, EndretOrganisasjon))
    await _must_be_own(request, endret["orgnr"], _fiks_org_id(request))
    if (fnr := endret.pop("avtaleadmin_fnr")) is not None:
        endret["avtaleadmin"] = await register(request, _fiks_org_id(request), fnr)
    await decide(request, ChangeOrganisasjon, of=_fiks_org_id(request), **endret)
    return await as_opened(request, await _shown_to(request, _organisasjon(request)))


@routes.get(f"{ORG}/kontaktinformasjon", demands=manager(ADMIN))
async def kontakt(request: web.Request) -> web.Response:
    """How citizens reach it."""
    return as_json(_contact(_organisasjon(request)))


@routes.get(f"{ORG}/tjenester", demands=manager(ADMIN))
async def tjenester(request: web.Request) -> web.Response:
    """All services there are, and which of them the organisation has."""
    return as_json([_tjeneste_for(request, one) for one in TJENESTER.values()])


@routes.get(f"{ORG}/tjenester/{{kode}}", demands=manager(ADMIN))
async def tjeneste(request: web.Request) -> web.Response:
    """One service."""
    return as_json(_tjeneste_for(request, _service(request.match_info["kode"])))


@routes.post(f"{ORG}/tjenester/{{tjenesteKode}}/initialiser", demands=manager(ADMIN))
async def initialiser(request: web.Request) -> web.Response:
    """Make the resource of a service."""
    one = _service(request.match_info["tjenesteKode"])
    says = {"tjeneste": one.kode, "ressurs_id": new_uuid(), "ressurstype": one.ressurs_type, "navn": one.navn}
    made = await decide(request, InitialiseTjeneste, of=_fiks_org_id(request), **says)
    return as_json({"ressursId": made.ressurs_id})


@routes.post(f"{BASE}/organisasjoner/{{orgId}}/tjenester/{{tjenesteKode}}/konfigurer", demands=manager(ADMIN))
async def konfigurer(request: web.Request) -> web.Response:
    """The service is set up: said by an administrator of the service, or of the organisation."""
    named, kode = _id_in_path(request), request.match_info["tjenesteKode"]
    known = request.app[MEMORY].configuration.virksomhet(named).tjenester.get(kode)
    await demand_on(request, known.ressurs_id if known else named)
    one = _service(kode)
    await decide(request, ConfigureTjeneste, of=_fiks_org_id(request), tjeneste=one.kode)
    return as_json(_tjeneste_for(request, one))


@routes.get(f"{ORG}/faktura", demands=manager(ADMIN))
async def faktura(request: web.Request) -> web.Response:
    """Where invoices go."""
    known = request.app[MEMORY].configuration.virksomhet(_fiks_org_id(request)).faktura
    if known is None:
        raise NotFound("Organisasjonen har ikke oppgitt noe om faktura")
    return as_json(_without_nulls({name: getattr(known, name) for name in Faktura.__struct_fields__}))


@routes.put(f"{ORG}/faktura", demands=manager(ADMIN))
async def endre_faktura(request: web.Request) -> web.Response:
    """Invoices go elsewhere."""
    ny = msgspec.structs.asdict(await body.json(request, Faktura))
    await decide(request, ChangeFaktura, of=_fiks_org_id(request), **ny)
    return as_json(_without_nulls(ny))


@routes.get(f"{BASE}/tjenester", demands=manager())
async def katalog(_request: web.Request) -> web.Response:
    """All services there are."""
    return as_json({"tjenester": [_tjeneste(one) for one in TJENESTER.values()]})


@routes.get(f"{BASE}/privilegier/{{ressursType}}", demands=manager())
async def privilegier(request: web.Request) -> web.Response:
    """The privileges that are given on resources of a type."""
    kind = request.match_info["ressursType"]
    must_be_type(kind)
    return as_json({"privilegier": privilegier_for(kind)})


@routes.get(f"{BASE}/root/privilegier", demands=manager(ADMIN))
async def alle_privilegier(request: web.Request) -> web.Response:
    """All privileges, by the type of resource."""
    await demand_on(request, ROOT)
    return as_json({"privilegier": {kind: privilegier_for(kind) for kind in RESSURSTYPER}})


@routes.get(f"{BASE}/root/tjenester", demands=manager(ADMIN))
async def alle_tjenester(request: web.Request) -> web.Response:
    """All services there are."""
    await demand_on(request, ROOT)
    return as_json([_tjeneste(one) for one in TJENESTER.values()])


@routes.get(f"{BASE}/root/tjenester/{{tjenesteKode}}", demands=manager(ADMIN))
async def en_tjeneste(request: web.Request) -> web.Response:
    """One service."""
    await demand_on(request, ROOT)
    return as_json(_tjeneste(_service(request.match_info["tjenesteKode"])))


@routes.get(f"{BASE}/root/organisasjoner", demands=manager(ADMIN))
async def alle(request: web.Request) -> web.Response:
    """Every organisation."""
    await demand_on(request, ROOT)
    return await as_opened(request, await _all_shown(request, _visible(request)))


@routes.post(f"{BASE}/root/organisasjoner", demands=manager(ADMIN))
async def opprett(request: web.Request) -> web.Response:
    """A new organisation. Its administrator is then made by a grant on it."""
    await demand_on(request, ROOT)
    ny = await body.json(request, NyOrganisasjon)
    if ny.type is Organisasjonstype.UKJENT:
        raise Rejected("Organisasjonens type kan ikke være UKJENT")
    fiks_org_id = _begun(request, ny.orgnr) or new_uuid()
    await _must_be_own(request, ny.orgnr, fiks_org_id)
    made = await decide(request, CreateOrganisasjon, of=fiks_org_id, **msgspec.structs.asdict(ny))
    return await as_opened(request, _shown(request, _organisasjon_of(request, made.fiks_org_id)))


@routes.get(f"{BASE}/root/organisasjoner/tjenester", demands=manager(ADMIN))
async def alle_organisasjoners_tjenester(request: web.Request) -> web.Response:
    """Who has which service, as CSV."""
    await demand_on(request, ROOT)
    lines = ["fiksOrgId;orgnr;tjeneste;konfigurert"]
    for one in _visible(request):
        for kode, had in request.app[MEMORY].configuration.virksomhet(one.id).tjenester.items():
            lines.append(f"{one.id};{one.orgnr or ''};{kode};{str(had.konfigurert).lower()}")
    return web.Response(text="\n".join([*lines, ""]), content_type="text/csv")


@routes.patch(f"{BASE}/root/organisasjoner/{{orgId}}", demands=manager(ADMIN))
async def endre_som_root(request: web.Request) -> web.Response:
    """Properties that only root may change."""
    await demand_on(request, ROOT)
    endret, own = await body.json(request, EndretAvRoot), _organisasjon(request).id
    await demand_on(request, own)  # who is switched off there takes no number for it
    await _must_be_own(request, endret.orgnr, own)
    await decide(request, ChangeOrganisasjon, of=_fiks_org_id(request), **msgspec.structs.asdict(endret))
    return await as_opened(request, await _shown_to(request, _organisasjon(request)))


async def _found(request: web.Request, asked: Sok) -> web.Response:
    if len(asked.ids) > AT_ONCE:
        raise Rejected(f"Det kan spørres om høyst {AT_ONCE} organisasjoner om gangen")
    by_id = [one for one in _visible(request) if not asked.ids or one.id in asked.ids]
    return await as_opened(request, await _all_shown(request, _with_kommunenr(by_id, asked.kommunenr)))


def _visible(request: web.Request) -> list[Organisasjon]:
    configuration, holder = request.app[MEMORY].configuration, request[PRINCIPAL].holder
    known = ((id_, one.organisasjon) for id_, one in configuration.virksomheter.items())
    return [one for id_, one in known if one is not None and configuration.sees(holder, id_)]


def _with_kommunenr(found: Iterable[Organisasjon], kommunenr: list[str]) -> list[Organisasjon]:
    return [one for one in found if not kommunenr or one.kommunenr in kommunenr]


def _fiks_org_id(request: web.Request) -> UUID:
    """The organisation in the path. Raises NotFound for what is none, as ROOT is not."""
    if (named := _id_in_path(request)) == ROOT:
        raise NotFound(MISSING)
    return named


def _id_in_path(request: web.Request) -> UUID:
    text = request.match_info.get("fiksOrgId") or request.match_info["orgId"]
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(MISSING) from None


def _organisasjon(request: web.Request) -> Organisasjon:
    return _organisasjon_of(request, _fiks_org_id(request))


def _organisasjon_of(request: web.Request, fiks_org_id: UUID) -> Organisasjon:
    known = request.app[MEMORY].organisasjon(fiks_org_id)
    if known is None:
        raise NotFound(f"Organisasjonen {fiks_org_id} finnes ikke")
    return known


def _begun(request: web.Request, orgnr: str | None) -> UUID | None:
    """The organisation that was to have the number and was never made, since the call broke off: it is made now."""
    memory = request.app[MEMORY]
    known = memory.configuration.virksomhet(ROOT).organisasjonsnumre.get(orgnr or "")
    return None if known is None or memory.organisasjon(known) else known


async def _must_be_own(request: web.Request, orgnr: str | None, own: UUID) -> None:
    """The number is that organisation's from here on. Raises Rejected where it is another's, and NotAllowed for all but
    root, who alone may be told whose numbers are taken.

    Of two who ask at once the first in the stream of ROOT gets it. What was given before that stream told of numbers is
    looked up.
    """
    memory = request.app[MEMORY]
    known = memory.organisasjon(own)
    if orgnr is None or (known is not None and known.orgnr == orgnr):
        return
    if not memory.may(request[PRINCIPAL].holder, ADMIN, ROOT):
        raise NotAllowed("Bare rotadministratorer kan endre orgnr")
    others = (one.organisasjon for id_, one in memory.configuration.virksomheter.items() if id_ != own)
    if any(one is not None and one.orgnr == orgnr for one in others):
        raise Rejected("Organisasjonsnummeret er i bruk av en annen organisasjon")
    await decide(request, ClaimOrganisasjonsnummer, of=ROOT, eier_id=own, orgnr=orgnr)


def _service(kode: str) -> Tjeneste:
    if kode not in TJENESTER:
        raise NotFound("Tjenesten finnes ikke")
    return TJENESTER[kode]


async def _all_shown(request: web.Request, found: Iterable[Organisasjon]) -> list[dict[str, Any]]:
    return await asyncio.gather(*(_shown_to(request, one) for one in found))


async def _shown_to(request: web.Request, one: Organisasjon) -> dict[str, Any]:
    """An organisation; with the number of its avtaleadmin, which is a look-up if that is somebody else, for those who
    administrate it.
    """
    if one.avtaleadmin and _may_know_avtaleadmin(request, one):
        await looked_up(request, "konfigurasjon", "avtaleadmin", [one.avtaleadmin], owner=one.id)
    return _shown(request, one)


def _may_know_avtaleadmin(request: web.Request, one: Organisasjon) -> bool:
    principal = request[PRINCIPAL]
    return principal.actor == one.avtaleadmin or request.app[MEMORY].may(principal.holder, ADMIN, one.id)


def _shown(request: web.Request, one: Organisasjon) -> dict[str, Any]:
    avtaleadmin = one.avtaleadmin if _may_know_avtaleadmin(request, one) else None
    return _without_nulls(
        {
            "uuid": one.id,
            "navn": one.navn,
            "type": one.type,
            "intern": one.intern,
            "kommunenr": one.kommunenr,
            "orgnr": one.orgnr,
            "epost": one.epost,
            "innbyggerkontakt_epost": one.innbyggerkontakt_epost,
            "avtaleadmin_fnr": named(request, avtaleadmin, one.id) if avtaleadmin else None,
            "synlig": one.synlig,
            "konfigurert": one.konfigurert,
        }
    )


def _contact(one: Organisasjon) -> dict[str, Any]:
    epost = one.innbyggerkontakt_epost or next(iter(one.epost), "")
    return _without_nulls(
        {"fiks_organisasjon_id": one.id, "navn": one.navn, "epost": epost, "kommunenr": one.kommunenr}
    )


def _tjeneste(one: Tjeneste) -> dict[str, Any]:
    return {"kode": one.kode, "navn": one.navn, "beskrivelse": one.beskrivelse}


def _tjeneste_for(request: web.Request, one: Tjeneste) -> dict[str, Any]:
    had = request.app[MEMORY].configuration.virksomhet(_fiks_org_id(request)).tjenester.get(one.kode)
    has = {"initialisert": had is not None, "konfigurert": had is not None and had.konfigurert}
    return _tjeneste(one) | {"ressursType": one.ressurs_type} | has


def _without_nulls(said: dict[str, Any]) -> dict[str, Any]:
    """What is known, with the contract's names."""
    return {_camel(name): value for name, value in said.items() if value is not None}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(one.capitalize() for one in rest)
