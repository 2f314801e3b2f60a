"""The catalogue of Fiks IO: who can be reached, and for which key content is encrypted. Contract: fiks-io.md 1.5.

It is open to every integration and manager that takes part in Fiks IO anywhere, in whatever organisation; what it tells
is what they need to send. An account of a system is there for those alone who see it (``fiks_protokoll_oppslag``). Keys
are open to all who know the id of an account, since the clients ask for them without showing who they are.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from msgspec import Meta, Struct

from gateway import body
from gateway.auth.demands import open_to_all
from gateway.auth.memory import MEMORY
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import (
    CONFIGURER,
    PARTICIPANT,
    configuration_of,
    is_shown,
    konto_in,
    must_be_shown,
    must_take_part,
    org_navn,
    shown_konto_in,
    shown_nokkel,
    shown_status,
    without_nulls,
)
from gateway.metadata import Text
from gateway.multipart import Multipart
from gateway.problems import hidden
from gateway.routes import Routes, as_json
from gateway.routes.fiks_io_adresser import Identifikator, Niva
from gateway.routes.fiks_io_konto import Nokkel, nokkel_satt
from schemas.errors import Unreadable
from streams.domain.errors import NotFound
from streams.domain.fiks_io_katalog import Katalogkonto, adresser_of, found, konto_of, usable_nokkel_of
from streams.domain.fiks_io_konto import Adresse, clashes
from streams.domain.sertifikater import feil, sertifikat

routes = Routes()

BASE = "/fiks-io/katalog/api/v1"
KONTO = f"{BASE}/kontoer/{{kontoId}}"
NO_ADRESSE = "Ingen konto har en slik adresse"
LONGEST_FILE = 100_000
"""Octets of a certificate or a PKCS#12 file; a usual one has a few thousand."""

_IDENTIFIKATOR = re.compile(r"[A-Z_]+\.[0-9]+")
_PROTOKOLL = re.compile(r"[0-9a-zæøåA-ZÆØÅ.]+")
_opening = ThreadPoolExecutor(1, "p12")
"""A PKCS#12 file says itself how many rounds its password takes: who opens one waits for others who do, no one else."""


class OpplastetNokkel(Struct, frozen=True):
    """What the .NET client uploads."""

    nokkel: Text


class AdresseSok(Struct, rename="camel", frozen=True):
    """``AdresseMatchSpesifikasjon``."""

    identifikator: Annotated[tuple[Identifikator, ...], Meta(max_length=100)]
    melding_type: Annotated[tuple[Text, ...], Meta(max_length=100)]
    sikkerhetsnivaer: Annotated[tuple[Niva, ...], Meta(max_length=4)]
    adresse_id: UUID = UUID(int=0)


@routes.get(KONTO, demands=PARTICIPANT)
async def konto(request: web.Request) -> web.Response:
    """An account of the catalogue."""
    must_take_part(request)
    return as_json(await _shown(request, shown_konto_in(request)))


@routes.get(f"{KONTO}/status", demands=PARTICIPANT)
async def status(request: web.Request) -> web.Response:
    """Whether it sends and receives, and how its queue is."""
    must_take_part(request)
    return as_json(await shown_status(request, shown_konto_in(request)))


@routes.get(f"{KONTO}/offentligNokkel", demands=open_to_all)
async def nokkel(request: web.Request) -> web.Response:
    """The certificate that content is encrypted for. One that must not be used is none: clients judge nothing."""
    request.app[MEMORY].require()
    known = konto_of(configuration_of(request), uuid_in(request, "kontoId"))
    usable = usable_nokkel_of(known, datetime.now(UTC)) if known else None
    if usable is None:  # in the same words: whether there is such an account is not for all to know
        raise NotFound("Ingen konto i Fiks IO med denne id-en har en offentlig nøkkel som kan brukes")
    return as_json(shown_nokkel(usable))


@routes.put(f"{KONTO}/offentligNokkel", demands=CONFIGURER)
async def sett_nokkel(request: web.Request) -> web.Response:
    """Another certificate, in the spelling of the .NET client."""
    pem = (await body.json(request, OpplastetNokkel)).nokkel
    return await nokkel_satt(request, konto_in(request), pem)


@routes.get(f"{BASE}/lookup", demands=PARTICIPANT)
async def lookup(request: web.Request) -> web.Response:
    """The account whose active address means all that is asked."""
    must_take_part(request)
    identifikator = _asked(request, "identifikator", _IDENTIFIKATOR)
    protokoll = _asked(request, "meldingProtokoll", _PROTOKOLL)
    niva = int(_asked(request, "sikkerhetsniva", re.compile("[1-4]")))
    adresse = found(configuration_of(request), identifikator, protokoll, niva)
    known = konto_of(configuration_of(request), adresse.konto_id) if adresse else None
    if known is None:
        raise NotFound(NO_ADRESSE)
    with hidden(NO_ADRESSE):
        must_be_shown(request, known.ressurs.id)
    return as_json(await _shown(request, known))


@routes.post(f"{BASE}/matchendeAdresser", demands=PARTICIPANT)
async def matchende_adresser(request: web.Request) -> web.Response:
    """The active addresses that would be found where one with all this would, but for the address ``adresseId``."""
    must_take_part(request)
    sok = await body.json(request, AdresseSok)
    tenkt = Adresse(
        id=sok.adresse_id,
        eier_id=sok.adresse_id,
        konto_id=sok.adresse_id,
        beskrivelse="",
        opprettet=datetime.now(UTC),
        opprettet_av="",
        identifikatorer=frozenset(map(str, sok.identifikator)),
        meldingsprotokoller=frozenset(sok.melding_type),
        sikkerhetsnivaer=frozenset(sok.sikkerhetsnivaer),
    )
    return as_json(
        [
            {
                "fiksOrgId": one.eier_id,
                "kontoId": one.konto_id,
                "adresseId": one.id,
                "identifikatorMatch": sorted(one.identifikatorer),
                "meldingTypeMatch": sorted(one.meldingsprotokoller),
                "nivaMatch": sorted(one.sikkerhetsnivaer),
            }
            for one in clashes(adresser_of(configuration_of(request)), tenkt)
            if is_shown(request, one.konto_id)
        ]
    )


@routes.post(f"{BASE}/sertifikat/verifiser", demands=PARTICIPANT)
async def verifiser_sertifikat(request: web.Request) -> web.Response:
    """Whether the certificate in a file, PEM or PKCS#12, can be an account's. Nothing of the file is kept."""
    must_take_part(request)
    form = await _form(request)
    kind = form.get("format", b"PEM").decode("ascii", "replace")
    if kind not in ("PEM", "P12"):
        raise Unreadable("format må være PEM eller P12")
    file = form.get("file", b"")
    if kind == "PEM":
        return as_json(_judged(file.decode("utf-8", "replace")))
    pem = await asyncio.get_running_loop().run_in_executor(_opening, partial(_pem_of, file, form.get("passord", b"")))
    return as_json(_judged(pem) if pem else {"gyldig": False, "melding": "Filen kan ikke åpnes med passordet"})


@routes.post(f"{BASE}/offentligNokkel/verifiser", demands=PARTICIPANT)
async def verifiser_nokkel(request: web.Request) -> web.Response:
    """The same of a text."""
    must_take_part(request)
    judged = _judged((await body.json(request, Nokkel)).pem)
    return as_json({name: judged[name] for name in ("gyldig", "melding")})


async def _shown(request: web.Request, one: Katalogkonto) -> dict[str, Any]:
    """``KatalogKonto``."""
    owner = request.app[MEMORY].organisasjon(one.ressurs.fiks_org_id)
    return without_nulls(
        {
            "kontoId": one.ressurs.id,
            "kontoNavn": one.ressurs.navn,
            "fiksOrgId": one.ressurs.fiks_org_id,
            "fiksOrgNavn": org_navn(request, one.ressurs.fiks_org_id),
            "organisasjonsnummer": owner and owner.orgnr,
            "kommunenummer": owner and owner.kommunenr,
            "status": await shown_status(request, one),
        }
    )


def _asked(request: web.Request, name: str, form: re.Pattern[str]) -> str:
    """A query parameter of that form. Raises Unreadable."""
    text = request.query.get(name, "")
    if not form.fullmatch(text):
        raise Unreadable(f"{name} mangler eller har feil format")
    return text


async def _form(request: web.Request) -> dict[str, bytes]:
    """The parts of a small multipart body by name."""
    whole = [await body.whole(request)]

    async def read() -> bytes:
        return whole.pop() if whole else b""

    parts = Multipart(request.headers.get("Content-Type", ""), read)
    form = {}
    while (part := await parts.next_part()) is not None:
        form[part.name] = await parts.whole(LONGEST_FILE)
    return form


def _pem_of(file: bytes, passord: bytes) -> str | None:
    """The certificate in a PKCS#12 file; None where there is none, or the password is wrong."""
    try:
        held = load_pkcs12(file, passord or None).cert
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: a password that is no UTF-8
        return None
    return held.certificate.public_bytes(Encoding.PEM).decode() if held else None


def _judged(pem: str) -> dict[str, Any]:
    """``OffentligNokkelStatusApiModel``."""
    try:
        read = sertifikat(pem)
    except Unreadable as fault:
        return {"gyldig": False, "melding": str(fault)}
    fault_of_it = feil(read, datetime.now(UTC))
    melding = fault_of_it or "Sertifikatet kan brukes"
    return {"gyldig": fault_of_it is None, "melding": melding, "offentligNokkel": read.pem}
