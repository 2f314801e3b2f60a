"""The protocols that there are, and the catalogue of accounts that have them. Contract: fiks-io.md 1.5 and 5."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.auth.memory import MEMORY
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import (
    PARTICIPANT,
    configuration_of,
    must_be_shown,
    org_navn,
    shown_status,
    without_nulls,
)
from gateway.fiks_protokoll import NO_KONTO, ORG, shown_part
from gateway.problems import hidden
from gateway.routes import Routes, as_json
from streams.domain import fiks_io_katalog
from streams.domain.errors import NotFound
from streams.domain.fiks_protokoll_katalog import PROTOKOLLER
from streams.domain.fiks_protokoll_oppslag import Konto, konto_of

routes = Routes()

PROTOKOLL = f"{ORG}/protokoller"
KATALOGKONTO = "/fiks-protokoll/katalog/api/v1/kontoer/{kontoId}"


@routes.get(PROTOKOLL, demands=PARTICIPANT)
async def protokoller(_request: web.Request) -> web.Response:
    """Every protocol; they are the same for all organisations."""
    return as_json(
        [
            {
                "navn": one.navn,
                "protokollversjon": one.versjon,
                "beskrivelse": one.beskrivelse,
                "parter": list(one.parter),
                "status": one.status,
            }
            for one in PROTOKOLLER.values()
        ]
    )


@routes.get(f"{PROTOKOLL}/{{protokollnavn}}", demands=PARTICIPANT)
async def parter(request: web.Request) -> web.Response:
    """The parts of a protocol, in all its versions."""
    known = [one for one in PROTOKOLLER.values() if one.navn == request.match_info["protokollnavn"]]
    if not known:
        raise NotFound("Protokollen finnes ikke")
    return as_json({"parter": [shown_part(one, part) for one in known for part in one.parter.values()]})


@routes.get(f"{PROTOKOLL}/{{protokollnavn}}/{{protokollversjon}}", demands=PARTICIPANT)
async def protokoll(request: web.Request) -> web.Response:
    """A version of a protocol: its parts, and the types of message that they send."""
    known = PROTOKOLLER.get((request.match_info["protokollnavn"], request.match_info["protokollversjon"]))
    if known is None:
        raise NotFound("Protokollen finnes ikke i den versjonen")
    return as_json(
        {
            "navn": known.navn,
            "protokollversjon": known.versjon,
            "beskrivelse": known.beskrivelse,
            "meldingstyper": [
                {"meldingstypeNavn": one.navn, "payloadKriterie": one.payload, "erFeilmelding": one.er_feilmelding}
                for one in known.meldingstyper
            ],
            "parter": [shown_part(known, one) for one in known.parter.values()],
            "status": known.status,
        }
    )


@routes.get(KATALOGKONTO, demands=PARTICIPANT)
async def konto(request: web.Request) -> web.Response:
    """An account, to those who see its system."""
    ressurs, satt = _seen(request)
    owner = request.app[MEMORY].organisasjon(ressurs.fiks_org_id)
    return as_json(
        without_nulls(
            {
                "kontoId": ressurs.id,
                "fiksOrgId": ressurs.fiks_org_id,
                "fiksOrgNavn": org_navn(request, ressurs.fiks_org_id),
                "organisasjonsnummer": owner and owner.orgnr,
                "kommunenummer": owner and owner.kommunenr,
                "kontoNavn": ressurs.navn,
                "kontoBeskrivelse": satt.beskrivelse,
                "status": await _status(request, ressurs.id),
            }
        )
    )


@routes.get(f"{KATALOGKONTO}/status", demands=PARTICIPANT)
async def status(request: web.Request) -> web.Response:
    """Whether it sends and receives, and how its queue is."""
    return as_json(await _status(request, _seen(request).ressurs.id))


def _seen(request: web.Request) -> Konto:
    """The account in the address, if it is there for the caller. Raises NotFound."""
    konto_id = uuid_in(request, "kontoId")
    with hidden(NO_KONTO):
        must_be_shown(request, konto_id)
    found = konto_of(configuration_of(request), konto_id)
    if found is None:  # a plain one of Fiks IO
        raise NotFound(NO_KONTO)
    return found


async def _status(request: web.Request, konto_id: UUID) -> dict[str, Any]:
    of_fiks_io = fiks_io_katalog.konto_of(configuration_of(request), konto_id)
    if of_fiks_io is None:
        raise NotFound(NO_KONTO)
    return await shown_status(request, of_fiks_io)
