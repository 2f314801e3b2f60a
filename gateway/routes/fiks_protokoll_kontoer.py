"""Accounts of Fiks Protokoll. Contract: fiks-io.md 5."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from msgspec import Struct

from gateway import body
from gateway.fiks_io_konto import configuration_of, shown_nokkel, usable, without_nulls
from gateway.fiks_protokoll import (
    CONFIGURER,
    KONTO,
    SYSTEM,
    Beskrivelse,
    Parts,
    konto_in,
    parts_of,
    shown_parts,
    system_in,
)
from gateway.kommando import decide, now_by
from gateway.metadata import Kontonavn, Text
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.fiks_protokoll_commands import ChangeProtokollKonto, CreateProtokollKonto, DeleteProtokollKonto
from streams.domain import fiks_io_katalog
from streams.domain.errors import NotFound
from streams.domain.fiks_protokoll_oppslag import Konto, konto_of

routes = Routes()


class NyKonto(Struct, rename="camel", frozen=True):
    """``CreateProtokollKontoRequest``."""

    navn: Kontonavn
    beskrivelse: Beskrivelse
    stottet_protokoll_navn: Text
    parts: Parts
    offentlig_nokkel: Text | None = None


class EndretKonto(Struct, rename="camel", frozen=True):
    """``UpdateProtokollKontoInfoRequest``, and what of the answer it cannot set: whether the account only receives."""

    navn: Kontonavn
    beskrivelse: Beskrivelse
    send_meldinger_deaktivert: bool | None = None


class Nokkel(Struct, rename="camel", frozen=True):
    """``UpdateOffentligNokkelRequest``."""

    offentlig_nokkel: Text


class NyeParter(Struct, frozen=True):
    """``UpdateParterRequest``."""

    parts: Parts


@routes.post(f"{SYSTEM}/kontoer", demands=CONFIGURER)
async def opprett(request: web.Request) -> web.Response:
    """A new account of a system, active, with the accounts of Fiks IO and Dokumentlager that belong to it."""
    system, ny = system_in(request).ressurs, await body.json(request, NyKonto)
    made = await decide(
        request,
        CreateProtokollKonto,
        system.id,
        of=system.fiks_org_id,
        konto_id=new_uuid(),
        system_id=system.id,
        navn=ny.navn,
        beskrivelse=ny.beskrivelse,
        protokoll=ny.stottet_protokoll_navn,
        parter=parts_of(ny.stottet_protokoll_navn, ny.parts),
        pem=usable(ny.offentlig_nokkel) if ny.offentlig_nokkel else None,
        **now_by(request, "opprettet"),
    )
    konto = konto_of(configuration_of(request), made.konto_id)
    assert konto is not None
    return as_json(_shown(request, konto), status=201)


@routes.get(KONTO, demands=CONFIGURER)
async def hent(request: web.Request) -> web.Response:
    """One account."""
    return as_json(_shown(request, konto_in(request)))


@routes.delete(KONTO, demands=CONFIGURER)
async def slett(request: web.Request) -> web.Response:
    """The account is gone. What lies in Dokumentlager for it stays: it has an end of its own."""
    konto = konto_in(request).ressurs
    await decide(request, DeleteProtokollKonto, of=konto.fiks_org_id, konto_id=konto.id)
    return web.Response(status=204)


@routes.put(f"{KONTO}/info", demands=CONFIGURER)
async def endre(request: web.Request) -> web.Response:
    """Another name and description."""
    endret = await body.json(request, EndretKonto)
    await _change(
        request,
        konto_in(request),
        navn=endret.navn,
        beskrivelse=endret.beskrivelse,
        send_meldinger_deaktivert=endret.send_meldinger_deaktivert,
    )
    return web.Response(status=204)


@routes.put(f"{KONTO}/pem", demands=CONFIGURER)
async def sett_nokkel(request: web.Request) -> web.Response:
    """Another certificate; one that must not be used is refused with the reason."""
    pem = usable((await body.json(request, Nokkel)).offentlig_nokkel)
    return as_json(_shown(request, await _change(request, konto_in(request), pem=pem))["offentligNokkel"])


@routes.post(f"{KONTO}/parter", demands=CONFIGURER)
async def endre_parter(request: web.Request) -> web.Response:
    """Other parts, in place of those that it has."""
    parts, konto = (await body.json(request, NyeParter)).parts, konto_in(request)
    now = await _change(request, konto, parter=parts_of(konto.satt.protokoll, parts))
    return as_json({"parter": shown_parts(now)})


async def _change(request: web.Request, konto: Konto, **says: Any) -> Konto:
    """The account as it is after the change. Raises as ``decide``, and NotFound."""
    id_ = konto.ressurs.id
    by = now_by(request, "endret")
    await decide(request, ChangeProtokollKonto, of=konto.ressurs.fiks_org_id, konto_id=id_, **by, **says)
    now = konto_of(configuration_of(request), id_)
    if now is None:
        raise NotFound("Kontoen er slettet")
    return now


def _shown(request: web.Request, konto: Konto) -> dict[str, Any]:
    """``ProtokollKontoResponse``."""
    of_fiks_io = fiks_io_katalog.konto_of(configuration_of(request), konto.ressurs.id)
    nokkel = of_fiks_io and fiks_io_katalog.nokkel_of(of_fiks_io)
    return without_nulls(
        {
            "id": konto.ressurs.id,
            "navn": konto.ressurs.navn,
            "stottetProtokollNavn": konto.satt.protokoll,
            "beskrivelse": konto.satt.beskrivelse,
            "parts": shown_parts(konto),
            "offentligNokkel": nokkel and shown_nokkel(nokkel),
            "opprettet": konto.satt.opprettet,
            "sistEndret": konto.satt.endret or konto.satt.opprettet,
            "sendMeldingerDeaktivert": konto.satt.send_meldinger_deaktivert,
        }
    )
