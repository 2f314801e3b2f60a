"""Which systems may send to which accounts: found, asked for, granted and taken back. Contract: fiks-io.md 5.

All of it is decided in the stream of the account's owner, also what a system of another organisation asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aiohttp import web
from msgspec import Struct

from gateway import body
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import configuration_of, org_navn
from gateway.fiks_protokoll import (
    CONFIGURER,
    KONTO,
    SYSTEM,
    konto_in,
    seen_konto,
    seen_system,
    shown_extern_konto,
    shown_extern_system,
    system_in,
)
from gateway.kommando import decide
from gateway.metadata import Text
from gateway.routes import Routes, as_json
from schemas.fiks_protokoll_commands import (
    DeclineForesporsel,
    GiveUpTilgang,
    GrantTilgang,
    RequestTilgang,
    RevokeTilgang,
    WithdrawForesporsel,
)
from streams.domain.errors import NotFound
from streams.domain.fiks_protokoll import Tilgang
from streams.domain.fiks_protokoll_oppslag import Konto, kontoer_of, offers, system_of
from streams.domain.fiks_protokoll_regler import can_send

routes = Routes()


class Protokollfilter(Struct, rename="camel", frozen=True):
    """``ProtokollSokFilterRequest``."""

    protokoll_navn: Text
    protokoll_versjon: Text
    parter: tuple[Text, ...] = ()

    def takes(self, konto: Konto) -> bool:
        """Whether the account has the protocol in that version, as one of the parts if some are named."""
        own = {one.navn for one in konto.satt.parter if one.versjon == self.protokoll_versjon}
        return konto.satt.protokoll == self.protokoll_navn and bool(own & set(self.parter) if self.parter else own)


class Kontofilter(Struct, rename="camel", frozen=True):
    """``ProtokollKontoSokFilterRequest``."""

    fiks_org_ider: tuple[UUID, ...] = ()
    protokoll_filter: tuple[Protokollfilter, ...] = ()


class Kontosok(Struct, frozen=True):
    """``ProtokollKontoSokRequest``."""

    filter: Kontofilter = Kontofilter()
    term: Text = ""


class Systemfilter(Struct, rename="camel", frozen=True):
    """``ProtokollSystemSokFilterRequest``."""

    fiks_org_ider: tuple[UUID, ...] = ()
    stotter_konto: bool = False


class Systemsok(Struct, frozen=True):
    """``ProtokollSystemSokRequest``."""

    filter: Systemfilter = Systemfilter()
    term: Text = ""


@routes.get(f"{KONTO}/tilganger", demands=CONFIGURER)
async def tilganger(request: web.Request) -> web.Response:
    """The systems that may send to the account."""
    return as_json(_systems_with(request, Tilgang.GITT))


@routes.get(f"{KONTO}/forespurteTilganger", demands=CONFIGURER)
async def foresporsler(request: web.Request) -> web.Response:
    """The systems that have asked to."""
    return as_json(_systems_with(request, Tilgang.FORESPURT))


@routes.post(f"{KONTO}/tilganger/{{eksternSystemId}}", demands=CONFIGURER)
async def gi(request: web.Request) -> web.Response:
    """Let a system send to the account, whether or not it has asked."""
    konto = konto_in(request).ressurs
    system = seen_system(request, konto.fiks_org_id, "eksternSystemId").ressurs
    await decide(request, GrantTilgang, of=konto.fiks_org_id, konto_id=konto.id, system_id=system.id)
    return web.Response(status=201)


@routes.delete(f"{KONTO}/tilganger/{{eksternSystemId}}", demands=CONFIGURER)
async def ta_tilbake(request: web.Request) -> web.Response:
    """Let it no more."""
    return await _ended(request, RevokeTilgang)


@routes.delete(f"{KONTO}/forespurteTilganger/{{eksternSystemId}}", demands=CONFIGURER)
async def avsla(request: web.Request) -> web.Response:
    """Say no to a system that has asked."""
    return await _ended(request, DeclineForesporsel)


@routes.post(f"{KONTO}/system-sok", demands=CONFIGURER)
async def finn_systemer(request: web.Request) -> web.Response:
    """Other systems that access may be given to; with ``stotterKonto`` those alone that have use for it."""
    konto, sok = konto_in(request), await body.json(request, Systemsok)
    configuration = configuration_of(request)
    found = [
        one
        for one in offers(configuration, konto.ressurs.fiks_org_id)
        if one.ressurs.id != konto.satt.system_id
        and _of(one.ressurs.fiks_org_id, sok.filter.fiks_org_ider)
        and _says(sok.term, one.ressurs.navn, one.satt.beskrivelse)
        and (
            not sok.filter.stotter_konto
            or any(can_send(other.satt, konto.satt) for other in kontoer_of(configuration, one))
        )
    ]
    return as_json({"systemer": [shown_extern_system(request, one) for one in found]})


@routes.post(f"{SYSTEM}/konto-sok", demands=CONFIGURER)
async def finn_kontoer(request: web.Request) -> web.Response:
    """Accounts of other systems that access may be asked for."""
    system, sok = system_in(request).ressurs, await body.json(request, Kontosok)
    configuration = configuration_of(request)
    found = [
        konto
        for one in offers(configuration, system.fiks_org_id)
        if one.ressurs.id != system.id and _of(one.ressurs.fiks_org_id, sok.filter.fiks_org_ider)
        for konto in kontoer_of(configuration, one)
        if _says(sok.term, konto.ressurs.navn, konto.satt.beskrivelse, one.ressurs.navn)
        and (not sok.filter.protokoll_filter or any(of.takes(konto) for of in sok.filter.protokoll_filter))
    ]
    return as_json({"kontoer": [shown_extern_konto(request, one) for one in found]})


@routes.post(f"{SYSTEM}/forespurteTilganger/{{eksternKonto}}", demands=CONFIGURER)
async def be_om(request: web.Request) -> web.Response:
    """Ask, for the system, to send to an account; where requests are granted at once, it may from here on."""
    system = system_in(request).ressurs
    konto = seen_konto(request, system.fiks_org_id, "eksternKonto").ressurs
    await decide(request, RequestTilgang, of=konto.fiks_org_id, konto_id=konto.id, system_id=system.id)
    return web.Response(status=201)


@routes.delete(f"{SYSTEM}/forespurteTilganger/{{eksternKonto}}", demands=CONFIGURER)
async def trekk_tilbake(request: web.Request) -> web.Response:
    """Ask no more."""
    return await _left(request, WithdrawForesporsel)


@routes.delete(f"{SYSTEM}/tilganger/{{eksternKontoId}}", demands=CONFIGURER)
async def gi_opp(request: web.Request) -> web.Response:
    """Give up what the account lets the system do."""
    return await _left(request, GiveUpTilgang)


async def _ended(request: web.Request, command: type) -> web.Response:
    """End, for the account, what it has with the system in the address, even one that exists no more."""
    konto, system_id = konto_in(request).ressurs, uuid_in(request, "eksternSystemId")
    await decide(request, command, of=konto.fiks_org_id, konto_id=konto.id, system_id=system_id)
    return web.Response(status=204)


async def _left(request: web.Request, command: type) -> web.Response:
    """End, for the system, what it has with the account in the address."""
    system = system_in(request).ressurs
    konto_id = uuid_in(request, "eksternKonto" if "eksternKonto" in request.match_info else "eksternKontoId")
    configuration = configuration_of(request)
    konto = configuration.ressurs(konto_id)
    if konto is None or system.id not in configuration.protokolltilganger(konto_id):
        raise NotFound("Systemet har verken tilgang til kontoen eller bedt om det")
    await decide(request, command, of=konto.fiks_org_id, konto_id=konto_id, system_id=system.id)
    return web.Response(status=204)


def _systems_with(request: web.Request, tilgang: Tilgang) -> list[dict[str, Any]]:
    """Those that have it with the account in the address, each a ``ProtokollSystemSummaryWithOrgNameResponse``."""
    configuration, konto_id = configuration_of(request), konto_in(request).ressurs.id
    ids = [id_ for id_, one in configuration.protokolltilganger(konto_id).items() if one is tilgang]
    return [
        {
            "id": one.ressurs.id,
            "navn": one.ressurs.navn,
            "beskrivelse": one.satt.beskrivelse,
            "fiksOrgNavn": org_navn(request, one.ressurs.fiks_org_id),
        }
        for id_ in ids
        if (one := system_of(configuration, id_))
    ]


def _of(fiks_org_id: UUID, wanted: Iterable[UUID]) -> bool:
    return not wanted or fiks_org_id in wanted


def _says(term: str, *texts: str) -> bool:
    return any(term.casefold() in text.casefold() for text in texts)
