"""The register of protocols that are agreed on for Fiks IO: data, the same for all. Contract: other-services.md 5."""

from __future__ import annotations

from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct

from gateway.auth.demands import open_to_all
from gateway.routes import Routes, as_json
from streams.domain.errors import NotFound

routes = Routes()

BASE = "/fiks-io/meldingsprotokollkatalog/api/v1/meldingsprotokoller/"
FILE = Path(__file__).parent.parent / "meldingsprotokoller.json"


class Meldingsprotokoll(Struct, frozen=True):
    """``MeldingsprotokollApiModel``."""

    navn: str
    beskrivelse: str


MELDINGSPROTOKOLLER = {
    one.navn: one for one in msgspec.json.decode(FILE.read_bytes(), type=tuple[Meldingsprotokoll, ...])
}


@routes.get(BASE, demands=open_to_all)
async def alle(_request: web.Request) -> web.Response:
    """All of them."""
    return as_json(list(MELDINGSPROTOKOLLER.values()))


@routes.get(f"{BASE}{{meldingsprotokoll}}", demands=open_to_all)
async def en(request: web.Request) -> web.Response:
    """One of them."""
    known = MELDINGSPROTOKOLLER.get(request.match_info["meldingsprotokoll"])
    if known is None:
        raise NotFound("Meldingsprotokollen finnes ikke i katalogen")
    return as_json(known)
