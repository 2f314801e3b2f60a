"""How much is stored, by account. Contract: dokumentlager.md 3.2, stats."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.dokumenter import DOKUMENTER
from gateway.dokumentlager import KONTO, LAST_OPP, fresh, uuid_in
from gateway.routes import Routes, as_json
from schemas.konfigurasjon import ROOT
from streams.domain.errors import NotFound
from streams.domain.konfigurasjon import Ressurs
from streams.domain.rettigheter import ADMIN

routes = Routes()

BASE = "/dokumentlager-stats/api/v1"


@routes.get(f"{BASE}/kontoer/{{kontoId}}/stats", demands=integration(LAST_OPP) | manager(LAST_OPP))
async def konto(request: web.Request) -> web.Response:
    """One account."""
    konto_id = uuid_in(request, "kontoId")
    known = request.app[MEMORY].ressurs(konto_id)
    if known is None or known.type != KONTO:
        raise NotFound(f"Dokumentlager har ingen konto {konto_id}")
    found = await request.app[DOKUMENTER].statistikk(konto_id=konto_id)
    return fresh(found, as_json(_stats(known, {row["konto_id"]: row for row in found.rows})))


@routes.get(f"{BASE}/organisasjoner/{{fiksOrgId}}/stats", demands=manager(ADMIN))
async def organisasjon(request: web.Request) -> web.Response:
    """The accounts of an organisation."""
    fiks_org_id = uuid_in(request, "fiksOrgId")
    return await _of(request, [fiks_org_id], fiks_org_id)


@routes.get(f"{BASE}/stats", demands=manager(ADMIN))
async def alle(request: web.Request) -> web.Response:
    """Every account of the platform."""
    await demand_on(request, ROOT)
    return await _of(request, list(request.app[MEMORY].configuration.virksomheter), None)


async def _of(request: web.Request, owners: list[UUID], fiks_org_id: UUID | None) -> web.Response:
    found = await request.app[DOKUMENTER].statistikk(fiks_org_id=fiks_org_id)
    rows = {row["konto_id"]: row for row in found.rows}
    ressurser = (request.app[MEMORY].configuration.virksomhet(owner).ressurser.values() for owner in owners)
    return fresh(found, as_json({"stats": [_stats(one, rows) for of in ressurser for one in of if one.type == KONTO]}))


def _stats(konto: Ressurs, rows: dict[UUID, Any]) -> dict[str, Any]:
    row = rows.get(konto.id)
    total = row["storrelse"] if row else 0
    return {"kontoId": konto.id, "fiksOrganisasjonId": konto.fiks_org_id, "totalStorrelse": total}
