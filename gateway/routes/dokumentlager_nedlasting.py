"""Downloading, for persons and integrations. Contract: dokumentlager.md 3 and 5.

What a document is exposed to decides, not who owns it. To others it does not exist.
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.auth.demands import citizen, for_organisation, integration, open_to_all
from gateway.context import CERTIFICATES
from gateway.dokument_utlevering import exposed, handed_out
from gateway.dokumentlager import BASE, uuid_in
from gateway.routes import Routes, as_json

routes = Routes()

NEDLASTING = "/dokumentlager/nedlasting"
EXPOSED = citizen() | for_organisation() | integration()
EXPOSED_NIVA4 = citizen(niva=4) | for_organisation(niva=4)


@routes.get(f"{BASE}/public-key", demands=open_to_all)
async def public_key(request: web.Request) -> web.Response:
    """The certificate that documents are encrypted for, as text (contract 6, trap 7). It is no secret."""
    return web.Response(text=request.app[CERTIFICATES].certificate(), content_type="text/plain")


@routes.get(f"{NEDLASTING}/niva4/{{dokumentId}}", demands=EXPOSED_NIVA4)
async def last_ned_niva4(request: web.Request) -> web.StreamResponse:
    """The content, for who has logged in at the highest level."""
    return await handed_out(request, partial(exposed, request, uuid_in(request, "dokumentId")))


@routes.get(f"{NEDLASTING}/{{dokumentId}}", demands=EXPOSED, content=True)
async def last_ned(request: web.Request) -> web.StreamResponse:
    """The content."""
    return await handed_out(request, partial(exposed, request, uuid_in(request, "dokumentId")))


@routes.get(f"{NEDLASTING}/{{dokumentId}}/metadata", demands=EXPOSED)
async def metadata(request: web.Request) -> web.Response:
    """What the content is."""
    dokument = await exposed(request, uuid_in(request, "dokumentId"))
    return as_json(
        {
            "id": dokument["dokument_id"],
            "dokumentnavn": dokument["dokumentnavn"],
            "mimeType": dokument["mimetype"],
            "kryptertStorrelse": dokument["kryptert_storrelse"],
            "ukryptertStorrelse": dokument["ukryptert_storrelse"],
            "korrelasjonsid": dokument["korrelasjonsid"],
        }
    )
