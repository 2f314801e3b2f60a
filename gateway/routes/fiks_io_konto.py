"""Accounts of Fiks IO: made, named, activated, given keys, and whom they take messages from. Contract: fiks-io.md 1.6.

Made, named and deleted they are by managers, as all accounts; the rest may also be done by who may configure them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web
from msgspec import Struct

from gateway import body
from gateway.audit import AUDITOR
from gateway.auth.demands import manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import (
    CONFIGURER,
    PARTICIPANT,
    PARTY,
    configuration_of,
    decide_on,
    have_dokumentlager,
    is_shown,
    konto_in,
    must_be_shown,
    org_navn,
    shown,
    shown_nokkel,
    usable,
)
from gateway.fiks_io_sending import fault_of
from gateway.kommando import decide, now_by
from gateway.metadata import Kontonavn, Text
from gateway.problems import AS_LIST, error_body
from gateway.randomness import new_uuid
from gateway.routes import Routes, as_json
from schemas.errors import Unreadable
from schemas.fiks_io_konto_commands import (
    AcceptAvsender,
    ActivateKonto,
    ChangeAvsenderfilter,
    ChangeUnikKlientMeldingId,
    DeactivateKonto,
    DeleteAdresse,
    RemoveAvsender,
    RemoveOffentligNokkel,
    SetOffentligNokkel,
)
from schemas.konfigurasjon import ROOT
from schemas.konfigurasjon_commands import CreateKonto, DeleteKonto, RenameKonto
from streams.domain.errors import NotAllowed, NotFound, Rejected
from streams.domain.fiks_io_katalog import Katalogkonto, konto_of, nokkel_of
from streams.domain.fiks_io_konto import KONFIGURERE, TJENESTE
from streams.domain.fiks_io_regler import refusals
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/fiks-io/konto/api/v1"
ONE = f"{BASE}/kontoer/{{kontoId}}"
AVSENDERE = f"{ONE}/aksepterteAvsendere"


class Navngitt(Struct, rename="camel", frozen=True):
    """``KontoSpesifikasjon``."""

    fiks_org_id: UUID
    navn: Kontonavn


class NyKonto(Struct, rename="camel", frozen=True):
    """``OpprettKontoSpesifikasjon``."""

    konto: Navngitt
    offentlig_nokkel: Text | None = None
    skal_aktiveres: bool = False
    forelderresurs: UUID | None = None


class Navn(Struct, rename="camel", frozen=True):
    """``KontoNavnSpesifikasjon``."""

    konto_navn: Kontonavn


class Nokkel(Struct, frozen=True):
    """``OppdaterOffentligNokkelSpesifikasjon``."""

    pem: Text


class Avsender(Struct, rename="camel", frozen=True):
    """``AvsenderId``."""

    konto_id: UUID


class TenktMelding(Struct, rename="camel", frozen=True):
    """``ValiderMeldingRequest``."""

    avsender_konto_id: UUID
    meldings_type: Text
    har_payload: bool = False


@routes.post(f"{BASE}/kontoer", demands=manager(ADMIN))
async def opprett(request: web.Request) -> web.Response:
    """A new account, and its account in Dokumentlager. It is activated last: one that is active is complete."""
    ny = await body.json(request, NyKonto)
    of = ny.konto.fiks_org_id
    tjeneste = configuration_of(request).virksomhet(of).tjenester.get(TJENESTE)
    above = tjeneste.ressurs_id if tjeneste else of
    await demand_on(request, above)
    if ny.forelderresurs not in (None, above):
        raise Rejected(
            "En konto i Fiks IO legges under tjenesten Fiks IO, eller under organisasjonen om den ikke har den"
        )
    pem = usable(ny.offentlig_nokkel) if ny.offentlig_nokkel else None
    says = {"konto_id": new_uuid(), "tjeneste": TJENESTE, "navn": ny.konto.navn, **now_by(request, "opprettet")}
    made = await decide(request, CreateKonto, above, of=of, **says)
    konto = konto_of(configuration_of(request), made.konto_id)
    assert konto is not None
    await have_dokumentlager(request, konto)
    if pem is not None:
        konto = await decide_on(request, SetOffentligNokkel, konto, pem=pem)
    if ny.skal_aktiveres:
        konto = await decide_on(request, ActivateKonto, konto)
    response = as_json(shown(request, konto), status=201)
    response.headers["kontoId"] = str(made.konto_id)
    return response


@routes.get(ONE, demands=CONFIGURER)
async def hent(request: web.Request) -> web.Response:
    """One account."""
    return as_json(shown(request, konto_in(request)))


@routes.delete(ONE, demands=manager(ADMIN))
async def slett(request: web.Request) -> web.Response:
    """The account is gone, its addresses first. Its account in Dokumentlager stays: what is there has an end."""
    konto = konto_in(request).ressurs
    for one in configuration_of(request).virksomhet(ROOT).adresser.values():
        if one.konto_id == konto.id:
            await decide(request, DeleteAdresse, konto.id, of=ROOT, adresse_id=one.id)
    await decide(request, DeleteKonto, of=konto.fiks_org_id, konto_id=konto.id, **now_by(request, "endret"))
    return web.Response()


@routes.put(ONE, demands=manager(ADMIN))
@routes.put(f"{ONE}/kontoNavn", demands=manager(ADMIN))
async def endre_navn(request: web.Request) -> web.Response:
    """Another name."""
    navn = (await body.json(request, Navn)).konto_navn
    await decide_on(request, RenameKonto, konto_in(request), navn=navn)
    return web.Response(status=204)


@routes.put(f"{ONE}/aktiver", demands=CONFIGURER)
async def aktiver(request: web.Request) -> web.Response:
    """The account sends and receives."""
    konto = konto_in(request)
    await have_dokumentlager(request, konto)
    return as_json(shown(request, await decide_on(request, ActivateKonto, konto)))


@routes.put(f"{ONE}/deaktiver", demands=CONFIGURER)
async def deaktiver(request: web.Request) -> web.Response:
    """It does neither."""
    return as_json(shown(request, await decide_on(request, DeactivateKonto, konto_in(request))))


@routes.get(f"{ONE}/offentligNokkel", demands=CONFIGURER)
async def hent_nokkel(request: web.Request) -> web.Response:
    """The certificate that was set, with what is wrong with it."""
    nokkel = nokkel_of(konto_in(request))
    if nokkel is None:
        raise NotFound("Kontoen har ingen offentlig nøkkel")
    return as_json(shown_nokkel(nokkel))


@routes.put(f"{ONE}/offentligNokkel", demands=CONFIGURER)
async def sett_nokkel(request: web.Request) -> web.Response:
    """Another certificate; one that must not be used is refused with the reason."""
    pem = (await body.json(request, Nokkel)).pem
    return await nokkel_satt(request, konto_in(request), pem)


async def nokkel_satt(request: web.Request, konto: Katalogkonto, pem: str) -> web.Response:
    """The answer to a certificate that was uploaded, whichever way."""
    nokkel = nokkel_of(await decide_on(request, SetOffentligNokkel, konto, pem=usable(pem)))
    assert nokkel is not None
    return as_json(shown_nokkel(nokkel), status=201)


@routes.delete(f"{ONE}/offentligNokkel", demands=CONFIGURER)
async def fjern_nokkel(request: web.Request) -> web.Response:
    """No certificate."""
    await decide_on(request, RemoveOffentligNokkel, konto_in(request))
    return web.Response(status=204)


@routes.get(AVSENDERE, demands=CONFIGURER)
async def avsendere(request: web.Request) -> web.Response:
    """The senders that are accepted, those that are not there for the caller left out, and whether it matters."""
    satt, configuration = konto_in(request).satt, configuration_of(request)
    known = (konto_of(configuration, one) for one in sorted(satt.avsendere))
    listed = [
        {
            "kontoId": one.ressurs.id,
            "kontoNavn": one.ressurs.navn,
            "fiksOrgNavn": org_navn(request, one.ressurs.fiks_org_id),
        }
        for one in known
        if one is not None and is_shown(request, one.ressurs.id)
    ]
    return as_json({"avsendere": listed, "aktivert": satt.avsenderfilter})


@routes.post(AVSENDERE, demands=CONFIGURER)
async def aksepter(request: web.Request) -> web.Response:
    """One more sender, an account of the catalogue."""
    avsender = (await body.json(request, Avsender)).konto_id
    konto = konto_in(request)
    try:
        must_be_shown(request, avsender)
    except NotAllowed as fault:
        raise Rejected(f"Avsenderkontoen {avsender} finnes ikke i Fiks IO") from fault
    await decide_on(request, AcceptAvsender, konto, avsender_konto_id=avsender)
    return web.Response(status=204)


@routes.delete(f"{AVSENDERE}/{{avsenderKontoId}}", demands=CONFIGURER)
async def fjern_avsender(request: web.Request) -> web.Response:
    """One sender less."""
    avsender = uuid_in(request, "avsenderKontoId")
    await decide_on(request, RemoveAvsender, konto_in(request), avsender_konto_id=avsender)
    return web.Response()


@routes.put(f"{AVSENDERE}/aktiver", demands=CONFIGURER)
async def filtrer(request: web.Request) -> web.Response:
    """Only accepted senders from now on."""
    await decide_on(request, ChangeAvsenderfilter, konto_in(request), aktivert=True)
    return web.Response(status=204)


@routes.put(f"{AVSENDERE}/deaktiver", demands=CONFIGURER)
async def ikke_filtrer(request: web.Request) -> web.Response:
    """All senders."""
    await decide_on(request, ChangeAvsenderfilter, konto_in(request), aktivert=False)
    return web.Response(status=204)


@routes.put(f"{ONE}/unikKlientMeldingId/aktiver", demands=CONFIGURER)
async def krev_unik(request: web.Request) -> web.Response:
    """Who sends to the account again under the same klientMeldingId gets the first answer, and nothing is sent."""
    return as_json(
        shown(request, await decide_on(request, ChangeUnikKlientMeldingId, konto_in(request), aktivert=True))
    )


@routes.put(f"{ONE}/unikKlientMeldingId/deaktiver", demands=CONFIGURER)
async def ikke_krev_unik(request: web.Request) -> web.Response:
    """Each call sends a message, as the original does."""
    return as_json(
        shown(request, await decide_on(request, ChangeUnikKlientMeldingId, konto_in(request), aktivert=False))
    )


@routes.post(f"{BASE}/kontoer/{{mottakerKontoId}}/validerMelding", demands=PARTY)
async def valider(request: web.Request) -> web.Response:
    """Whether the account would take a message, asked by who may send with the other; a list of all that is wrong, with
    the question itself too.
    """
    request[AS_LIST] = True
    tenkt = await body.json(request, TenktMelding)
    await demand_on(request, tenkt.avsender_konto_id)
    mottaker = uuid_in(request, "mottakerKontoId")
    asked = (tenkt.avsender_konto_id, mottaker, tenkt.meldings_type, tenkt.har_payload, datetime.now(UTC))
    wrong = list(refusals(configuration_of(request), *asked))
    if not wrong:
        return web.Response(status=204)
    for one in wrong:
        await request.app[AUDITOR].refused(request, fault_of(request, mottaker, one))
    return as_json([error_body(request.path, one.status, one.melding) for one in wrong], status=400)


@routes.get(f"{BASE}/kontosok", demands=PARTICIPANT)
async def sok(request: web.Request) -> web.Response:
    """The accounts that the caller may configure, of one organisation or all, active or not or both."""
    of, aktiv = _fiks_org_id_asked(request), _aktiv_asked(request)
    memory, holders = request.app[MEMORY], request[PRINCIPAL].holders
    virksomheter = memory.configuration.virksomheter
    ids = [
        id_
        for owner in (virksomheter if of is None else [of])
        for id_ in memory.configuration.virksomhet(owner).fiks_io_kontoer
    ]
    own = [id_ for id_ in ids if all(memory.may(one, KONFIGURERE, id_) for one in holders)]
    kontoer = (konto_of(memory.configuration, id_) for id_ in own)
    return as_json([shown(request, one) for one in kontoer if one and aktiv in (None, one.satt.aktiv)])


def _fiks_org_id_asked(request: web.Request) -> UUID | None:
    text = request.query.get("fiksOrgId")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Unreadable("fiksOrgId må være en UUID") from None


def _aktiv_asked(request: web.Request) -> bool | None:
    text = request.query.get("aktiv")
    if text not in (None, "", "true", "false"):
        raise Unreadable("aktiv må være true eller false")
    return text == "true" if text else None
