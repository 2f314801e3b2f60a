"""A stand-in for the part of Fiks Matrikkel that the gateway asks: openapi/matrikkel-eier.derived.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.auth.claims import SCOPE
from gateway.auth.integrations import ID, PASSORD
from gateway.matrikkel import Eier
from gateway.registers.matrikkel import FINN_EIERE, Matrikkelnummer
from gateway.stand_ins.door import Door

Enhet = tuple[int, ...]
"""The five numbers of a unit."""


def make_app(
    door: Door, integrasjon_id: UUID | None, passord: str | None, eiere: Mapping[Enhet, Sequence[Eier]]
) -> web.Application:
    """The register, which knows these owners, for the one integration that may ask."""

    async def finn_eiere(request: web.Request) -> web.Response:
        await door.require(request, SCOPE)
        if (request.headers.get(ID), request.headers.get(PASSORD)) != (str(integrasjon_id), passord):
            raise web.HTTPUnauthorized
        try:
            asked = msgspec.json.decode(await request.read(), type=list[Matrikkelnummer])
        except msgspec.DecodeError:
            raise web.HTTPBadRequest from None
        return web.json_response({"enhetResultater": [_result(one, eiere) for one in asked]})

    app = web.Application()
    app.router.add_post(f"/{{fiksOrgId}}{FINN_EIERE}", finn_eiere)
    return app


def _result(asked: Matrikkelnummer, eiere: Mapping[Enhet, Sequence[Eier]]) -> dict[str, Any]:
    enhet = tuple(int(number or 0) for number in msgspec.structs.astuple(asked))
    known = [{"type": one.type, "verdi": one.nummer} for one in eiere.get(enhet, ())]
    return {"matrikkelnummer": msgspec.to_builtins(asked), "eiere": known}
