"""The ledger of an account of Fiks IO: for every message that it ever sent or was sent, where it is now and every step
it took, each with its proof: the place on the log and the id of the event that lies there. An API of our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web

from gateway.auth.demands import Caller, integration, manager
from gateway.auth.principal import PRINCIPAL
from gateway.context import LOG
from gateway.dokumentlager import fresh, number_in, uuid_in
from gateway.reading import Rows
from gateway.routes import Routes, as_json
from gateway.sporing import SPORING, TOPIC, Retning
from projections.fiks_io import headers_of
from schemas.errors import Unreadable
from streams.domain.errors import NotFound
from streams.domain.fiks_io import KORRELASJON, Status
from streams.domain.fiks_io_konto import KONFIGURERE, SENDE_MOTTA
from streams.sealing import opened_at

routes = Routes()
E = TypeVar("E", bound=StrEnum)

KONTO = "/fiks-io/sporing/api/v1/kontoer/{kontoId}/meldinger"
OWN = integration(SENDE_MOTTA) | manager(KONFIGURERE)
MOST, DEFAULT = 1000, 100
_PLACE = r"[0-9]{1,4}-[0-9]{1,18}"
_PLACES = re.compile(rf"{_PLACE}(?:_{_PLACE})*")


@routes.get(KONTO, demands=OWN)
async def liste(request: web.Request) -> web.Response:
    """A page of the account's messages, and where the next one begins."""
    konto_id, most = uuid_in(request, "kontoId"), number_in(request, "antall", DEFAULT, 1, MOST)
    retning = _choice(request, "retning", Retning) or Retning.MOTTATT
    status, after = _choice(request, "status", Status), _after(request)
    found, further = await request.app[SPORING].liste(konto_id, retning, status, after, most)
    dialoger = await _dialoger(request, found.rows)
    said: dict[str, Any] = {"meldinger": [_melding(row, dialoger) for row in found.rows]}
    if further:
        said["etter"] = "_".join(f"{partition}-{offset}" for partition, offset in sorted(further.items()))
    return fresh(found, as_json(said))


@routes.get(f"{KONTO}/{{meldingId}}", demands=OWN)
async def melding(request: web.Request) -> web.Response:
    """One message, with every step that it took."""
    konto_id, melding_id = uuid_in(request, "kontoId"), uuid_in(request, "meldingId")
    found = await request.app[SPORING].melding(konto_id, melding_id)
    if not found.rows:
        raise NotFound(f"Kontoen {konto_id} har verken sendt eller mottatt meldingen {melding_id}")
    row = found.rows[0]
    steg = await request.app[SPORING].steg(row["mottaker_konto_id"], melding_id)
    said = _melding(row, await _dialoger(request, found.rows))
    return fresh(steg, as_json(said | {"steg": [_steg(one) for one in steg.rows]}))


async def _dialoger(request: web.Request, rows: Rows) -> dict[UUID, str]:
    """The dialogue that each message is of, by the message's id, where its sender named it by a text that is no UUID:
    that is sealed as any header, and told to who may read messages, as long as the message can be read.
    """
    if request[PRINCIPAL].caller is not Caller.INTEGRATION:
        return {}
    sealed = [row for row in rows if row["klient_korrelasjons_id"] is None and row["header_navn"]]
    opened = await opened_at(request.app[LOG].keys, [headers_of(row) for row in sealed])
    return {
        row["melding_id"]: one.verdi
        for row, said in zip(sealed, opened, strict=True)
        for one in said.headere
        if one.navn in KORRELASJON
    }


def _melding(row: Any, dialoger: Mapping[UUID, str]) -> dict[str, Any]:
    said = {
        "meldingId": row["melding_id"],
        "meldingType": row["melding_type"],
        "avsenderKontoId": row["avsender_konto_id"],
        "mottakerKontoId": row["mottaker_konto_id"],
        "svarPaMelding": row["svar_pa_melding"],
        "klientMeldingId": row["klient_melding_id"],
        "klientKorrelasjonsId": row["klient_korrelasjons_id"] or dialoger.get(row["melding_id"]),
        "dokumentlagerId": row["dokumentlager_id"],
        "storrelse": row["storrelse"],
        "sendt": row["sendt"],
        "ttl": row["ttl"],
        "utloper": row["utloper"],
        "status": row["status"],
        "feiledeForsok": row["forsok"],
        "plattform": row["plattform"],
        "sistEndret": row["sist_endret"],
        "bevis": _bevis(row),
    }
    return {name: value for name, value in said.items() if value is not None}


def _steg(row: Any) -> dict[str, Any]:
    said = {name: row[name] for name in ("type", "tidspunkt", "virkning", "detalj")} | {"bevis": _bevis(row)}
    return {name: value for name, value in said.items() if value is not None}


def _bevis(row: Any) -> dict[str, Any]:
    """Where on the log it stands, and the id of what stands there."""
    place = {"topic": TOPIC, "partisjon": row["partisjon"], "offset": row["plass"]}
    return place | {"hendelseId": row["hendelse_id"]}


def _choice(request: web.Request, name: str, of: type[E]) -> E | None:
    given = request.query.get(name)
    if given is None:
        return None
    if given not in of.__members__:
        raise Unreadable(f"{name} må være en av {', '.join(of)}")
    return of(given)


def _after(request: web.Request) -> dict[int, int]:
    """Behind which offset of each partition the page begins. Raises Unreadable."""
    given = request.query.get("etter")
    if given is None:
        return {}
    if not _PLACES.fullmatch(given):
        raise Unreadable("etter må være som det ble gitt i forrige svar")
    places = (one.split("-") for one in given.split("_"))
    return {int(partition): int(offset) for partition, offset in places}
