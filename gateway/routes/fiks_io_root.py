"""Accounts of Fiks IO and their queues, for the operators of the platform. Contract: fiks-io.md 1.8."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from gateway.amqp.queues import queue_of
from gateway.auth.demands import manager
from gateway.auth.middleware import demand_on
from gateway.context import DELIVERIES
from gateway.dokumentlager import uuid_in
from gateway.fiks_io_konto import MISSING, configuration_of, org_navn, without_nulls
from gateway.routes import Routes, as_json
from schemas.konfigurasjon import ROOT
from streams.domain.errors import NotFound
from streams.domain.fiks_io_katalog import Katalogkonto, konto_of
from streams.domain.rettigheter import ADMIN

routes = Routes()

KONTOER = "/fiks-io/root/api/v1/kontoer"
QUEUE = f"{KONTOER}/{{id}}/queue"
AT_ONCE = 20
"""Queues that are counted at the same time."""


@routes.get(KONTOER, demands=manager(ADMIN))
async def kontoer(request: web.Request) -> web.Response:
    """Every account, and how its queue is."""
    await demand_on(request, ROOT)
    configuration = configuration_of(request)
    ids = [id_ for one in configuration.virksomheter.values() for id_ in one.fiks_io_kontoer]
    known = [one for id_ in ids if (one := konto_of(configuration, id_)) is not None]
    room = asyncio.Semaphore(AT_ONCE)

    async def shown(one: Katalogkonto) -> dict[str, Any]:
        async with room:
            return await _shown(request, one)

    return as_json({"kontoer": await asyncio.gather(*map(shown, known))})


@routes.get(QUEUE, demands=manager(ADMIN))
async def queue(request: web.Request) -> web.Response:
    """How the queue of an account is."""
    await demand_on(request, ROOT)
    return as_json(await _queue(request, _konto_in(request)))


@routes.put(QUEUE, demands=manager(ADMIN))
async def recreate(request: web.Request) -> web.Response:
    """A queue cannot be missing here, since it is made of the log: all that is done is to look whether it answers."""
    await demand_on(request, ROOT)
    await _queue(request, _konto_in(request))
    return web.Response()


def _konto_in(request: web.Request) -> Katalogkonto:
    konto = konto_of(configuration_of(request), uuid_in(request, "id"))
    if konto is None:
        raise NotFound(MISSING)
    return konto


async def _queue(request: web.Request, konto: Katalogkonto) -> dict[str, Any]:
    """``KontoQueueStatusApiModel``. Raises Unavailable."""
    count = await request.app[DELIVERIES].count(konto.ressurs.id)
    return {
        "queueExists": True,
        "queueName": queue_of(konto.ressurs.id),
        "ventendeMeldinger": count.meldinger,
        "antallKonsumenter": count.konsumenter,
    }


async def _shown(request: web.Request, konto: Katalogkonto) -> dict[str, Any]:
    """``KontoStatus``."""
    return without_nulls(
        {
            "fiksOrgId": konto.ressurs.fiks_org_id,
            "fiksOrgNavn": org_navn(request, konto.ressurs.fiks_org_id),
            "kontoId": konto.ressurs.id,
            "kontoNavn": konto.ressurs.navn,
            "opprettet": konto.satt.opprettet,
            "status": await _queue(request, konto),
        }
    )
