"""A stand-in for the part of Altinn 3 that the gateway asks. Contract: auth.md 5."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from gateway.auth.remembered import Remembered
from gateway.issuer.people import PEOPLE
from gateway.registers.altinn import EXCHANGE, PARTIES, PERSON, SCOPE, SUBSCRIPTION
from gateway.stand_ins.door import Door, bearer
from gateway.stand_ins.population import person

PATH = PARTIES.partition("?")[0]
NAMES = {one.pid: one.navn for one in PEOPLE}


class Question(msgspec.Struct, frozen=True):
    """Whose parties are asked for."""

    type: str
    value: str


def make_app(door: Door, key: str, parties: Mapping[str, list[dict[str, Any]]]) -> web.Application:
    """Altinn, whose subscription key is ``key`` and who knows these ``parties`` by pid."""
    exchanged: Remembered[str, bool] = Remembered(100)

    async def exchange(request: web.Request) -> web.Response:
        await door.require(request, SCOPE)
        token = secrets.token_urlsafe()
        exchanged.put(token, True)
        return web.Response(text=token)

    async def authorized_parties(request: web.Request) -> web.Response:
        if not exchanged.get(bearer(request)) or request.headers.get(SUBSCRIPTION) != key:
            raise web.HTTPUnauthorized
        try:
            question = msgspec.json.decode(await request.read(), type=Question)
        except msgspec.DecodeError:
            raise web.HTTPBadRequest from None
        if question.type != PERSON:
            raise web.HTTPBadRequest
        known = [person(question.value, NAMES[question.value])] if question.value in NAMES else []
        return web.json_response([*known, *parties.get(question.value, [])])

    app = web.Application()
    app.router.add_get(EXCHANGE, exchange)
    app.router.add_post(PATH, authorized_parties)
    return app
