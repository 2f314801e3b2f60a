"""A stand-in for Kontakt- og reservasjonsregisteret, Oppslagstjenesten REST version 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.registers.krr import MOST, PERSONER, SCOPE
from gateway.stand_ins.door import Door

UPDATED = "2026-01-02T03:04:05.000Z"


class Question(msgspec.Struct, frozen=True):
    """Whose contact information is asked for."""

    personidentifikatorer: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST)]


def make_app(door: Door, known: Mapping[str, Mapping[str, Any]]) -> web.Application:
    """The register, with these persons in it by pid."""

    async def personer(request: web.Request) -> web.Response:
        await door.require(request, SCOPE)
        try:
            question = msgspec.json.decode(await request.read(), type=Question)
        except msgspec.DecodeError:
            raise web.HTTPBadRequest from None
        return web.json_response({"personer": [_person(pid, known.get(pid)) for pid in question.personidentifikatorer]})

    app = web.Application()
    app.router.add_post(PERSONER, personer)
    return app


def _person(pid: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
    if known is None:
        return {"personidentifikator": pid, "reservasjon": "NEI", "status": "IKKE_REGISTRERT"}
    at = {"epostadresse": known["epost"], "epostadresse_oppdatert": UPDATED, "mobiltelefonnummer": known["mobil"]}
    return {
        "personidentifikator": pid,
        "reservasjon": known["reservasjon"],
        "status": "AKTIV",
        "varslingsstatus": "KAN_VARSLES" if known["varsles"] else "KAN_IKKE_VARSLES",
        "kontaktinformasjon": {name: value for name, value in at.items() if value is not None},
    }
