"""The stand-ins for registers as real servers beside the test issuer, and the gateway's own way to ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from aiohttp import ClientSession

from gateway.matrikkel import Eiere
from gateway.registers.altinn import Altinn
from gateway.registers.krr import Krr
from gateway.registers.maskinporten import Maskinporten, client
from gateway.registers.matrikkel import connected
from gateway.stand_ins.serving import make_app
from infra.settings import Settings
from tests.support.gateway import served
from tests.support.issuer import Issuers, running_issuers
from tests.support.ports import free_port


class Registers(NamedTuple):
    """How the gateway asks."""

    settings: Settings
    maskinporten: Maskinporten
    altinn: Altinn
    krr: Krr
    matrikkel: Eiere
    session: ClientSession


def asking(settings: Settings, session: ClientSession) -> Registers:
    """The registers that the settings name."""
    maskinporten = Maskinporten(settings.issuer, session, lambda: client(settings))
    altinn = Altinn(settings.altinn, settings.altinn_key, maskinporten, session)
    krr, matrikkel = Krr(settings.krr, maskinporten, session), connected(settings, maskinporten, session)
    return Registers(settings, maskinporten, altinn, krr, matrikkel, session)


def settings_of(issuers: Issuers, state: Path, stand_ins_port: int) -> Settings:
    """Settings of a gateway that asks the stand-ins on that port."""
    at = f"http://127.0.0.1:{stand_ins_port}"
    return Settings(
        state=state,
        issuer=issuers.maskinporten.name,
        idporten_issuer=issuers.idporten.name,
        altinn=f"{at}/altinn",
        altinn_key="abonnement",
        krr=f"{at}/krr/",
        matrikkel=f"{at}/matrikkel/{UUID(int=1)}",
        matrikkel_integrasjon=UUID(int=2),
        matrikkel_passord="passord",
        stand_ins_port=stand_ins_port,
        test_mode=True,
    )


@asynccontextmanager
async def running_stand_ins(issuers: Issuers, state: Path) -> AsyncIterator[Registers]:
    """Stand-ins that answer, and whoever asks them."""
    settings = settings_of(issuers, state, free_port())
    async with served(make_app(settings), settings.stand_ins_port), ClientSession() as session:
        yield asking(settings, session)


@asynccontextmanager
async def running_registers(state: Path) -> AsyncIterator[Registers]:
    """The same, with issuers."""
    async with running_issuers() as issuers, running_stand_ins(issuers, state) as registers:
        yield registers
