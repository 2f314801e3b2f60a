"""Addresses by which an account of Fiks IO is found. Contract: fiks-io.md 1.6. Clashes: fiks_io_konto."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import (
    CONFIGURER,
    configuration_of,
    is_shown,
    konto_in,
    org_navn,
    without_nulls,
)
from gateway.kommando import decide, now_by
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.errors import Unreadable
from schemas.fiks_io_konto import Identifikatortype
from schemas.fiks_io_konto_commands import (
    ActivateAdresse,
    CreateAdresse,
    DeactivateAdresse,
    DeleteAdresse,
    DescribeAdresse,
    ExtendAdresse,
    NarrowAdresse,
)
from schemas.konfigurasjon import ROOT
from streams.domain.errors import NotFound
from streams.domain.fiks_io_katalog import Katalogkonto, konto_of
from streams.domain.fiks_io_konto import Adresse, clashes, extended
from streams.domain.fiks_io_konto_commands import MOST_ADRESSER

routes = Routes()

ADRESSER = "/fiks-io/konto/api/v1/kontoer/{kontoId}/adresser"
ONE = f"{ADRESSER}/{{adresseId}}"

Beskrivelsestekst = Annotated[str, Meta(pattern=r"\A[A-Za-zæøåÆØÅ0-9_.,/\- ]+\Z", max_length=500)]
Siffer = Annotated[str, Meta(pattern=r"\A[0-9]+\Z", max_length=30)]
Protokollnavn = Annotated[str, Meta(pattern=r"\A[0-9a-zæøåA-ZÆØÅ.]+\Z", max_length=200)]
Niva = Annotated[int, Meta(ge=1, le=4)]

T = TypeVar("T")


class Beskrivelse(Struct, frozen=True):
    """``AdresseSpesifikasjon``."""

    beskrivelse: Beskrivelsestekst


class Identifikator(Struct, rename="camel", frozen=True):
    """``Identifikator``."""

    identifikator: Siffer
    identifikator_type: Identifikatortype = Identifikatortype.ORG_NO

    def __str__(self) -> str:
        return f"{self.identifikator_type}.{self.identifikator}"


class Meldingsprotokoll(Struct, frozen=True):
    """``MeldingsprotokollSpesifikasjon``."""

    meldingsprotokoll: Protokollnavn


class Sikkerhetsniva(Struct, frozen=True):
    """``SikkerhetsnivaSpesifikasjon``."""

    sikkerhetsniva: Niva


@routes.get(ADRESSER, demands=CONFIGURER)
async def adresser(request: web.Request) -> web.Response:
    """The addresses of the account."""
    konto = konto_in(request).ressurs
    return as_json([_shown(one) for one in _all(request) if one.konto_id == konto.id])


@routes.post(ADRESSER, demands=CONFIGURER)
async def opprett(request: web.Request) -> web.Response:
    """A new address, which means nothing yet and is not active."""
    konto = konto_in(request)
    beskrivelse = (await body.json(request, Beskrivelse)).beskrivelse
    says = {"eier_id": konto.ressurs.fiks_org_id, "konto_id": konto.ressurs.id, "beskrivelse": beskrivelse}
    made = await decide(request, CreateAdresse, of=ROOT, adresse_id=new_uuid(), **says, **now_by(request, "opprettet"))
    return as_json(_shown(_known(request, konto, made.adresse_id)), status=201)


@routes.delete(ONE, demands=CONFIGURER)
async def slett(request: web.Request) -> web.Response:
    """The address is gone."""
    await decide(request, DeleteAdresse, of=ROOT, adresse_id=_adresse_in(request).id)
    return web.Response()


@routes.put(f"{ONE}/aktiver", demands=CONFIGURER)
async def aktiver(request: web.Request) -> web.Response:
    """The account is found by the address from now on."""
    await _others(request, _adresse_in(request))
    return await _change(request, ActivateAdresse)


@routes.put(f"{ONE}/deaktiver", demands=CONFIGURER)
async def deaktiver(request: web.Request) -> web.Response:
    """It is not."""
    return await _change(request, DeactivateAdresse)


@routes.put(f"{ONE}/beskrivelse", demands=CONFIGURER)
async def beskriv(request: web.Request) -> web.Response:
    """Another description."""
    beskrivelse = (await body.json(request, Beskrivelse)).beskrivelse
    return await _change(request, DescribeAdresse, beskrivelse=beskrivelse)


@routes.post(f"{ONE}/identifikatorer", demands=CONFIGURER)
async def legg_til_identifikatorer(request: web.Request) -> web.Response:
    """More identifiers; the first address in the way where there is one."""
    more = {"identifikatorer": tuple(map(str, await _some(request, list[Identifikator])))}
    if others := await _in_the_way(request, **more):
        return as_json(_konflikt(request, others[0]), status=400)
    return await _change(request, ExtendAdresse, **more)


@routes.post(f"{ONE}/identifikatorer/fjern", demands=CONFIGURER)
async def fjern_identifikatorer(request: web.Request) -> web.Response:
    """Fewer."""
    less = tuple(map(str, await _some(request, list[Identifikator])))
    return await _change(request, NarrowAdresse, identifikatorer=less)


@routes.post(f"{ONE}/meldingsprotokoller", demands=CONFIGURER)
async def legg_til_meldingsprotokoller(request: web.Request) -> web.Response:
    """More protocols; those that another address has where there is one in the way."""
    more = {
        "meldingsprotokoller": tuple(one.meldingsprotokoll for one in await _some(request, list[Meldingsprotokoll]))
    }
    if others := await _in_the_way(request, **more):
        taken = sorted(set().union(*(one.meldingsprotokoller for one in others)))
        return as_json([{"meldingsprotokoll": one} for one in taken], status=400)
    return await _change(request, ExtendAdresse, **more)


@routes.post(f"{ONE}/meldingsprotokoller/fjern", demands=CONFIGURER)
async def fjern_meldingsprotokoller(request: web.Request) -> web.Response:
    """Fewer."""
    less = tuple(one.meldingsprotokoll for one in await _some(request, list[Meldingsprotokoll]))
    return await _change(request, NarrowAdresse, meldingsprotokoller=less)


@routes.post(f"{ONE}/sikkerhetsnivaer", demands=CONFIGURER)
async def legg_til_sikkerhetsnivaer(request: web.Request) -> web.Response:
    """More levels; the addresses in the way where there are some."""
    more = {"sikkerhetsnivaer": tuple(one.sikkerhetsniva for one in await _some(request, list[Sikkerhetsniva]))}
    if others := await _in_the_way(request, **more):
        return as_json([_konflikt(request, one) for one in others], status=400)
    return await _change(request, ExtendAdresse, **more)


@routes.post(f"{ONE}/sikkerhetsnivaer/fjern", demands=CONFIGURER)
async def fjern_sikkerhetsnivaer(request: web.Request) -> web.Response:
    """Fewer."""
    less = tuple(one.sikkerhetsniva for one in await _some(request, list[Sikkerhetsniva]))
    return await _change(request, NarrowAdresse, sikkerhetsnivaer=less)


async def _some(request: web.Request, cls: type[list[T]]) -> list[T]:
    """The array in the body. Raises Unreadable unless it has something."""
    read = await body.json(request, cls)
    if not 1 <= len(read) <= MOST_ADRESSER:
        raise Unreadable(f"Ugyldig innhold: det må være fra 1 til {MOST_ADRESSER} verdier")
    return read


async def _change(request: web.Request, command: type, **says: Any) -> web.Response:
    """Ask ``command`` of the address, and show what it has become."""
    konto, adresse = konto_in(request), _adresse_in(request)
    await decide(
        request, command, konto.ressurs.id, of=ROOT, adresse_id=adresse.id, **now_by(request, "endret"), **says
    )
    return as_json(_shown(_known(request, konto, adresse.id)))


async def _in_the_way(request: web.Request, **more: Any) -> list[Adresse]:
    """The addresses that would be found where this one would, if it meant ``more``."""
    adresse = _adresse_in(request)
    return await _others(request, extended(adresse, **more)) if adresse.aktiv else []


async def _others(request: web.Request, adresse: Adresse) -> list[Adresse]:
    """What other addresses mean of the same. That of an account which is deleted is nobody's any more, and goes: it can
    have come to be while the account was being deleted.
    """
    inntil = clashes(_all(request), adresse)
    dead = [one for one in inntil if configuration_of(request).konto(one.konto_id).slettet]
    for one in dead:
        await decide(request, DeleteAdresse, of=ROOT, adresse_id=one.id)
    return [one for one in inntil if one not in dead]


def _all(request: web.Request) -> list[Adresse]:
    return list(configuration_of(request).virksomhet(ROOT).adresser.values())


def _adresse_in(request: web.Request) -> Adresse:
    return _known(request, konto_in(request), uuid_in(request, "adresseId"))


def _known(request: web.Request, konto: Katalogkonto, adresse_id: UUID) -> Adresse:
    """An address of the account. Raises NotFound."""
    known = configuration_of(request).virksomhet(ROOT).adresser.get(adresse_id)
    if known is None or known.konto_id != konto.ressurs.id:
        raise NotFound(f"Kontoen har ingen adresse {adresse_id}")
    return known


def _shown(one: Adresse) -> dict[str, Any]:
    """``Adresse``, without the numbers of persons (``gateway.fiks_io_konto``)."""
    return {
        "fiksOrgId": one.eier_id,
        "kontoId": one.konto_id,
        "adresseId": one.id,
        "opprettet": one.opprettet,
        "sistEndret": one.endret or one.opprettet,
        "aktiv": one.aktiv,
        "gyldig": one.gyldig,
        "beskrivelse": one.beskrivelse,
    } | _meaning(one)


def _konflikt(request: web.Request, one: Adresse) -> dict[str, Any]:
    """``AdresseKonfliktApiModel``: what the catalogue tells of the other's account, and what both mean, no more."""
    if not is_shown(request, one.konto_id):
        return _meaning(one)
    konto = konto_of(configuration_of(request), one.konto_id)
    return without_nulls(
        {
            "fiksOrgId": one.eier_id,
            "fiksOrgVisningsnavn": org_navn(request, one.eier_id),
            "kontoId": one.konto_id,
            "kontoNavn": konto and konto.ressurs.navn,
            "adresseId": one.id,
        }
        | _meaning(one)
    )


def _meaning(one: Adresse) -> dict[str, Any]:
    return {
        "identifikatorer": sorted(one.identifikatorer),
        "meldingsprotokoller": sorted(one.meldingsprotokoller),
        "sikkerhetsnivaer": sorted(one.sikkerhetsnivaer),
    }
