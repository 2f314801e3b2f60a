"""Reading an account of Fiks IO over REST. Contract: fiks-io.md 1.7. GET changes things, as it is published: HEAD is
none of them. An id that is none is 400 where the contract has that answer, which is everywhere but at neste/metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from aiohttp import web
from msgspec import Struct

from gateway import body
from gateway.amqp.deliveries import Outcome
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.context import BLOBS, DELIVERIES, LOG
from gateway.dokument_utlevering import exposed, handed_out
from gateway.fiks_io import OCTETS, Spesifikasjon, must_be_deliverable, sendt
from gateway.fiks_io_konto import PARTY
from gateway.fiks_io_manuell import POLLING, Caller, Shown
from gateway.fiks_io_sending import parties
from gateway.meldinger import EGENDEFINERT, headers_in, melding_of
from gateway.metadata import Int64
from gateway.routes import Routes, as_json
from gateway.said import said
from infra.crypto.segments import Tampered
from infra.metrics import FIKS_IO_UNREADABLE
from schemas.errors import Unreadable
from streams.domain.errors import NotAllowed, NotFound
from streams.domain.fiks_io import KORRELASJON
from streams.domain.fiks_io_katalog import konto_of

routes = Routes()

NONE = "Det er ingen melding på køen"
MELDINGER = "/fiks-io/manuell/api/v1/kontoer/{kontoId}/meldinger"


class SvarSpesifikasjon(Struct, rename="camel", frozen=True):
    """An answer without content."""

    melding_type: str
    ttl: Int64 | None = None


@routes.get(f"{MELDINGER}/antall", demands=PARTY, no_id=Unreadable)
async def antall(request: web.Request) -> web.Response:
    """How many messages wait."""
    return as_json((await request.app[DELIVERIES].count(_caller(request).konto_id)).meldinger)


@routes.get(f"{MELDINGER}/neste/metadata", demands=PARTY, changes=True)
async def metadata(request: web.Request) -> web.Response:
    """What the first message is."""
    shown = await _first(request)
    return web.Response(status=204) if shown is None else as_json(_metadata(shown))


@routes.get(f"{MELDINGER}/neste/data", demands=PARTY, changes=True, no_id=Unreadable)
async def data(request: web.Request) -> web.StreamResponse:
    """Its content, wherever it lies; no octets where it has none."""
    shown = await _first(request)
    if shown is None:
        raise NotFound(NONE)
    if (dokument_id := shown.row["dokumentlager_id"]) is not None:
        return await handed_out(request, partial(exposed, request, dokument_id))
    return web.Response(body=await _content(request, shown), content_type=OCTETS)


@routes.get(f"{MELDINGER}/neste/ack", demands=PARTY, changes=True, no_id=Unreadable)
async def ack(request: web.Request) -> web.Response:
    """The caller has what it was shown."""
    return await _settled(request, Outcome.ACKED)


@routes.get(f"{MELDINGER}/neste/nac", demands=PARTY, changes=True, no_id=Unreadable)
async def nac(request: web.Request) -> web.Response:
    """The caller does not want what it was shown, nor want it again."""
    return await _settled(request, Outcome.REJECTED)


@routes.post(f"{MELDINGER}/neste/svarOgAck", demands=PARTY, no_id=Unreadable)
async def svar_og_ack(request: web.Request) -> web.Response:
    """Answer what the caller was shown, which it then has. Should the second fail, it is shown again, and the same
    answer to it is void.
    """
    svar = await body.json(request, SvarSpesifikasjon)
    must_be_deliverable(svar.ttl, {})
    caller, polling = _caller(request), request.app[POLLING]
    shown = await polling.claim(caller)
    try:
        await _answer(request, svar, shown)
    except BaseException:
        await polling.show_again(caller, shown)
        raise
    await polling.settle(shown, Outcome.ACKED)
    return as_json(_metadata(shown))


async def _first(request: web.Request) -> Shown | None:
    """What the caller is shown, if it may read the account also once that has come: it may take long. Raises
    NotAllowed.
    """
    caller, polling = _caller(request), request.app[POLLING]
    shown = await polling.first(caller)
    try:
        await demand_on(request, caller.konto_id)
    except NotAllowed:
        if shown is not None:
            await polling.settle(await polling.claim(caller), Outcome.UNSEEN)
        raise
    return shown


async def _answer(request: web.Request, svar: SvarSpesifikasjon, shown: Shown) -> None:
    """Append the answer, which is of the same dialogue."""
    with _having_ended():
        original, now = await headers_in(shown.row, request.app[LOG].keys), datetime.now(UTC)
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
    melding = sendt(message, melding_id, avsender, mottaker, None, None, now)
    await request.app[LOG].append(melding, said(request, melding, now))


async def _content(request: web.Request, shown: Shown) -> bytes:
    """Raises NotFound when the message has ended, and Tampered when the content is not as it was stored: a bug."""
    with _having_ended():
        try:
            return (await melding_of(shown.row, request.app[LOG].keys, request.app[BLOBS])).body
        except Tampered:
            FIKS_IO_UNREADABLE.inc()
            raise


@contextmanager
def _having_ended() -> Iterator[None]:
    try:
        yield
    except Unreadable as fault:
        raise NotFound(NONE) from fault


async def _settled(request: web.Request, outcome: Outcome) -> web.Response:
    polling = request.app[POLLING]
    shown = await polling.claim(_caller(request))
    await polling.settle(shown, outcome)
    return as_json(_metadata(shown))


def _caller(request: web.Request) -> Caller:
    """Who polls the account in the address. Raises NotFound when it is none."""
    konto_id = UUID(request.match_info["kontoId"])
    if konto_of(request.app[MEMORY].configuration, konto_id) is None:
        raise NotFound(f"Kontoen {konto_id} finnes ikke")
    return Caller(konto_id, request[PRINCIPAL].by)


def _metadata(shown: Shown) -> dict[str, Any]:
    told = {
        "meldingId": shown.row["melding_id"],
        "meldingType": shown.row["melding_type"],
        "avsenderKontoId": shown.row["avsender_konto_id"],
        "mottakerKontoId": shown.row["mottaker_konto_id"],
        "ttl": shown.row["ttl"],
        "deliveryTag": shown.tag,
        "svarPaMelding": shown.row["svar_pa_melding"],
    }
    return {name: value for name, value in told.items() if value is not None}
