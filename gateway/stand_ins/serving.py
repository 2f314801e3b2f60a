"""The stand-ins on the wire: each below a path of its own, at one address."""

from __future__ import annotations

from aiohttp import ClientSession, web

from gateway.stand_ins import altinn, krr, matrikkel
from gateway.stand_ins.door import Door
from gateway.stand_ins.population import EIERE, KONTAKTER, PARTIES
from infra.settings import Settings


def make_app(settings: Settings) -> web.Application:
    """All stand-ins, which let in whoever ``settings.issuer`` has given a token. Call it in the loop that runs it."""
    session = ClientSession()
    door = Door(settings.issuer, session)
    app = web.Application()
    app.router.add_get("/", _here)
    app.add_subapp("/altinn", altinn.make_app(door, settings.altinn_key or "", PARTIES))
    app.add_subapp("/krr", krr.make_app(door, KONTAKTER))
    asks = settings.matrikkel_integrasjon, settings.matrikkel_passord
    app.add_subapp("/matrikkel", matrikkel.make_app(door, *asks, EIERE))
    app.on_cleanup.append(lambda _: session.close())
    return app


async def _here(_request: web.Request) -> web.Response:
    return web.Response(text="Altinn below /altinn, KRR below /krr, Fiks Matrikkel below /matrikkel\n")
