"""What the routes of Fiks IO's accounts and its catalogue share: the account that a call is about, and how it is shown.

Who created or changed an account is told where that is an integration. The number of a person is not ours to hand to
whoever may configure the account, so ``opprettetAvFnr`` and ``sistEndretAvFnr`` are left out; the log has who it was.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import DEMANDED
from gateway.auth.principal import PRINCIPAL
from gateway.context import DELIVERIES
from gateway.dokumentlager import uuid_in
from gateway.kommando import decide, now_by
from gateway.problems import hidden
from schemas.konfigurasjon_commands import CreateKonto
from streams.domain.configuration import Configuration
from streams.domain.errors import NotAllowed, NotFound, Rejected
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_katalog import Katalogkonto, konto_of, nokkel_of, status_of, takes_part
from streams.domain.fiks_io_konto import KONFIGURERE, SENDE_MOTTA
from streams.domain.fiks_protokoll_oppslag import is_hidden
from streams.domain.sertifikater import Sertifikat, feil, sertifikat

# Wherever an integration may call, a login may take the place of its token; then the person's own rights decide too
# (contract 1.2).
PARTY = integration(SENDE_MOTTA) | manager(SENDE_MOTTA) | integration(SENDE_MOTTA) & manager(SENDE_MOTTA)
"""Whoever may send from the account and receive by it."""
CONFIGURER = integration(KONFIGURERE) | manager(KONFIGURERE) | integration(KONFIGURERE) & manager(KONFIGURERE)
"""Whoever may configure the account. An integration that holds the privilege is what the contract calls API-based
configuration: the owner of the account switches it on by giving that right, and off by taking it back.
"""
PARTICIPANT = integration() | manager() | integration() & manager()
"""Whoever calls; the handler asks ``must_take_part``, or tells only of what the caller may see or configure."""
MISSING = "Kontoen finnes ikke i Fiks IO"


def konto_in(request: web.Request) -> Katalogkonto:
    """The account in the address. Raises NotFound."""
    konto = konto_of(configuration_of(request), uuid_in(request, "kontoId"))
    if konto is None:
        raise NotFound(MISSING)
    return konto


def shown_konto_in(request: web.Request) -> Katalogkonto:
    """The account in the address, if the catalogue shows it to the caller. Raises NotFound."""
    with hidden(MISSING):
        must_be_shown(request, uuid_in(request, "kontoId"))
    return konto_in(request)


def must_be_shown(request: web.Request, konto_id: UUID) -> None:
    """Raises NotAllowed, which it is for others to hide, unless the account is there for the caller: the same, and as
    much on the record, where there is none.
    """
    if not is_shown(request, konto_id):
        request[DEMANDED] = konto_id  # it is this that is closed to the caller, and whose owner is told
        raise NotAllowed("Kontoen er ikke synlig for den som spør")


def is_shown(request: web.Request, konto_id: UUID) -> bool:
    """Whether the account is there for the caller: one of a system, for who may something in an organisation that sees
    the system; any other, for everybody.
    """
    configuration, holders = configuration_of(request), request[PRINCIPAL].holders
    if configuration.protokollkonto(konto_id) is None:
        return konto_of(configuration, konto_id) is not None
    own = (id_ for id_ in configuration.virksomheter if all(configuration.sees(one, id_) for one in holders))
    return any(not is_hidden(configuration, id_, konto_id) for id_ in own)


def configuration_of(request: web.Request) -> Configuration:
    """The configuration as this gateway knows it."""
    return request.app[MEMORY].configuration


def must_take_part(request: web.Request) -> None:
    """Raises NotAllowed for whoever has nothing to do with Fiks IO: the catalogue is open to all others."""
    if not all(takes_part(configuration_of(request), one) for one in request[PRINCIPAL].holders):
        raise NotAllowed("Katalogen er åpen for den som kan sende, motta eller konfigurere i Fiks IO")


async def decide_on(request: web.Request, command: type, konto: Katalogkonto, **says: Any) -> Katalogkonto:
    """Ask ``command`` of the account, which is returned as it then is. Raises as ``decide``, and NotFound."""
    id_ = konto.ressurs.id
    await decide(request, command, of=konto.ressurs.fiks_org_id, konto_id=id_, **now_by(request, "endret"), **says)
    now = konto_of(configuration_of(request), id_)
    if now is None:
        raise NotFound(MISSING)
    return now


async def have_dokumentlager(request: web.Request, konto: Katalogkonto) -> None:
    """Make the account in Dokumentlager for what is too large for the queue, if need be. Raises as ``decide``."""
    id_ = konto.ressurs.id
    if configuration_of(request).ressurs(dokumentlager_konto_of(id_)) is not None:
        return
    await decide(
        request,
        CreateKonto,
        id_,
        of=konto.ressurs.fiks_org_id,
        konto_id=dokumentlager_konto_of(id_),
        tjeneste="DOKUMENTLAGER",
        navn=konto.ressurs.navn,
        for_konto_id=id_,
        **now_by(request, "opprettet"),
    )


def usable(pem: str) -> str:
    """The certificate in ``pem``, verbatim. Raises Unreadable, or Rejected when it must not be used."""
    read = sertifikat(pem)
    if (fault := feil(read, datetime.now(UTC))) is not None:
        raise Rejected(fault)
    return read.pem


def shown(request: web.Request, konto: Katalogkonto) -> dict[str, Any]:
    """``Konto``, with the choice that is ours, ``unikKlientMeldingId``."""
    ressurs, satt = konto
    dokumentlager = configuration_of(request).ressurs(dokumentlager_konto_of(ressurs.id))
    nokkel, status = nokkel_of(konto), status_of(konto, datetime.now(UTC))
    return without_nulls(
        {
            "fiksOrgId": ressurs.fiks_org_id,
            "fiksOrgNavn": org_navn(request, ressurs.fiks_org_id),
            "kontoId": ressurs.id,
            "kontoNavn": ressurs.navn,
            "opprettet": satt.opprettet,
            "sistEndret": satt.endret or satt.opprettet,
            "sistEndretAv": _machine(satt.endret_av or satt.opprettet_av),
            "dokumentlagerKontoId": dokumentlager and dokumentlager.id,
            "aktiv": satt.aktiv,
            "status": without_nulls(
                {
                    "gyldigAvsender": status.gyldig_avsender,
                    "gyldigMottaker": status.gyldig_mottaker,
                    "melding": status.melding,
                }
            ),
            "offentligNokkel": nokkel and shown_nokkel(nokkel),
            "unikKlientMeldingId": satt.unik_klient_melding_id,
        }
    )


def shown_nokkel(nokkel: Sertifikat) -> dict[str, Any]:
    """``OffentligNokkel``: dates with an offset, the certificate unchanged (traps 12 and 13)."""
    fault = feil(nokkel, datetime.now(UTC))
    return without_nulls(
        {
            "nokkel": nokkel.pem,
            "validFrom": nokkel.gyldig_fra,
            "validTo": nokkel.gyldig_til,
            "serial": nokkel.serienummer,
            "subjectDN": nokkel.subjekt,
            "issuerDN": nokkel.utsteder,
            "valid": fault is None,
            "statusMessage": fault,
        }
    )


async def shown_status(request: web.Request, konto: Katalogkonto) -> dict[str, Any]:
    """``KontoStatusApiModel`` of the catalogue; Java needs every number (trap 11). Raises Unavailable."""
    status, count = status_of(konto, datetime.now(UTC)), await request.app[DELIVERIES].count(konto.ressurs.id)
    return without_nulls(
        {
            "gyldigAvsender": status.gyldig_avsender,
            "gyldigMottaker": status.gyldig_mottaker,
            "antallKonsumenter": count.konsumenter,
            "antallUavhentedeMeldinger": count.meldinger,
            "melding": status.melding,
        }
    )


def org_navn(request: web.Request, fiks_org_id: UUID) -> str:
    """The name of an organisation, which clients need in any case."""
    known = request.app[MEMORY].organisasjon(fiks_org_id)
    return known.navn if known else ""


def without_nulls(said: dict[str, Any]) -> dict[str, Any]:
    """What is null is left out (trap 17)."""
    return {name: value for name, value in said.items() if value is not None}


def _machine(aktor: str | None) -> str | None:
    kind, _, id_ = (aktor or "").partition(":")
    return id_ if kind == "integrasjon" else None
