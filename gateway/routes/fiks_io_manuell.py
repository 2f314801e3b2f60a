"""Reading an account of Fiks IO over REST. Contract: fiks-io.md 1.7. GET changes things, as it is published."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from aiohttp import web
from msgspec import Struct

from gateway.amqp.deliveries import Deliveries, Outcome
from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.principal import PRINCIPAL
from gateway.context import DELIVERIES, LOG
from gateway.dokument_utlevering import exposed, handed_out
from gateway.fiks_io import OCTETS, Spesifikasjon, must_be_deliverable, sendt
from gateway.fiks_io_manuell import POLLING, Caller, Shown, settle
from gateway.fiks_io_sending import parties
from gateway.meldinger import EGENDEFINERT
from gateway.metadata import Int64, read_json
from gateway.routes import Routes, as_json
from gateway.said import said
from streams.domain.errors import NotFound
from streams.domain.fiks_io import KORRELASJON
from streams.domain.fiks_io_katalog import konto_of
from streams.domain.fiks_io_konto import SENDE_MOTTA

routes = Routes()

MELDINGER = "/fiks-io/manuell/api/v1/kontoer/{kontoId}/meldinger"
READER = integration(SENDE_MOTTA) | manager(SENDE_MOTTA)


class SvarSpesifikasjon(Struct, rename="camel", frozen=True):
    """An answer without content."""

    melding_type: str
    ttl: Int64 | None = None


@routes.get(f"{MELDINGER}/antall", demands=READER)
async def antall(request: web.Request) -> web.Response:
    """How many messages wait."""
    return as_json((await request.app[DELIVERIES].count(_caller(request).konto_id)).meldinger)


@routes.get(f"{MELDINGER}/neste/metadata", demands=READER)
async def metadata(request: web.Request) -> web.Response:
    """What the first message is."""
    shown = await request.app[POLLING].first(request.app[DELIVERIES], _caller(request))
    return web.Response(status=204) if shown is None else as_json(_metadata(shown, _caller(request)))


@routes.get(f"{MELDINGER}/neste/data", demands=READER)
async def data(request: web.Request) -> web.StreamResponse:
    """Its content, wherever it lies; no octets where it has none."""
    shown = await request.app[POLLING].first(request.app[DELIVERIES], _caller(request))
    if shown is None:
        raise NotFound("Det er ingen melding på køen")
    if (dokument_id := shown.melding.headers.get("dokumentlager-id")) is not None:
        return await handed_out(request, partial(exposed, request, UUID(dokument_id)))
    return web.Response(body=shown.melding.body, content_type=OCTETS)


@routes.get(f"{MELDINGER}/neste/ack", demands=READER)
async def ack(request: web.Request) -> web.Response:
    """The caller has what it was shown."""
    return await _settled(request, Outcome.ACKED)


@routes.get(f"{MELDINGER}/neste/nac", demands=READER)
async def nac(request: web.Request) -> web.Response:
    """The caller does not want what it was shown, nor want it again."""
    return await _settled(request, Outcome.REJECTED)


@routes.post(f"{MELDINGER}/neste/svarOgAck", demands=READER)
async def svar_og_ack(request: web.Request) -> web.Response:
    """Answer what the caller was shown, which it then has. Should the second fail, it is shown again, and the same
    answer to it is void.
    """
    svar = read_json(await request.read(), SvarSpesifikasjon, request.charset)
    must_be_deliverable(svar.ttl, {})
    caller, deliveries, polling = _caller(request), request.app[DELIVERIES], request.app[POLLING]
    shown = polling.take(caller)
    try:
        await _answer(request, svar, shown)
    except BaseException:
        polling.hold(deliveries, caller, shown)
        raise
    await settle(deliveries, shown, Outcome.ACKED)
    return as_json(_metadata(shown, caller))


async def _answer(request: web.Request, svar: SvarSpesifikasjon, shown: Shown) -> None:
    """Append the answer, which is of the same dialogue."""
    original, now = shown.melding.headers, datetime.now(UTC)
    names = {name: EGENDEFINERT + name for name in KORRELASJON}
    message = Spesifikasjon(
        avsender_konto_id=str(_caller(request).konto_id),
        mottaker_konto_id=original["avsender-id"],
        melding_type=svar.melding_type,
        svar_pa_melding=original["melding-id"],
        ttl=svar.ttl,
        headere={name: original[key] for name, key in names.items() if key in original},
    )
    avsender, mottaker = parties(request, message, har_innhold=False, now=now)
    melding_id = uuid5(UUID(original["melding-id"]), f"svar/{svar.melding_type}")
    melding = sendt(message, melding_id, avsender, mottaker, None, now, svar_til_type=original["type"])
    await request.app[LOG].append(melding, said(request, melding, now))


async def _settled(request: web.Request, outcome: Outcome) -> web.Response:
    deliveries: Deliveries = request.app[DELIVERIES]
    shown = request.app[POLLING].take(_caller(request))
    await settle(deliveries, shown, outcome)
    return as_json(_metadata(shown, _caller(request)))


def _caller(request: web.Request) -> Caller:
    """Who polls the account in the address. Raises NotFound when it is none."""
    konto_id = UUID(request.match_info["kontoId"])
    if konto_of(request.app[MEMORY].configuration, konto_id) is None:
        raise NotFound(f"Kontoen {konto_id} finnes ikke")
    return Caller(konto_id, request[PRINCIPAL].actor)


def _metadata(shown: Shown, caller: Caller) -> dict[str, Any]:
    headers = shown.melding.headers
    told = {
        "meldingId": headers["melding-id"],
        "meldingType": headers["type"],
        "avsenderKontoId": headers["avsender-id"],
        "mottakerKontoId": caller.konto_id,
        "ttl": shown.melding.expiration,
        "deliveryTag": shown.tag,
        "svarPaMelding": headers.get("svar-til"),
    }
    return {name: value for name, value in told.items() if value is not None}
