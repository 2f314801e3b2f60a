"""Asks for a change of the configuration and waits for what is decided. The gateway itself decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from msgspec import to_builtins

from gateway.auth.memory import MEMORY
from gateway.auth.principal import PRINCIPAL
from gateway.context import LOG
from gateway.digital_id import Kind, kind_of
from gateway.opened import texts_in
from gateway.said import said
from infra.masking import numbers_of_eleven
from schemas.errors import Unreadable
from schemas.fiks_io_konto_commands import NarrowAdresse
from schemas.konfigurasjon import Avslagsgrunn, KommandoAvvist
from schemas.konfigurasjon_commands import UntagKonto
from streams.domain.errors import NotAllowed, NotFound, Rejected, Unavailable
from streams.domain.konfigurasjon_commands import privilege

PATIENCE = 15.0
"""Seconds that a caller waits for a decision; clients wait 30 for an answer."""

REFUSED: dict[Avslagsgrunn, type[Exception]] = {
    Avslagsgrunn.IKKE_TILGANG: NotAllowed,
    Avslagsgrunn.FINNES_IKKE: NotFound,
    Avslagsgrunn.UGYLDIG: Rejected,
}

TAKES_AWAY = (UntagKonto, NarrowAdresse)
"""Commands that name what is there already, and may have been said before it could be refused."""


async def decide(request: web.Request, command: type, on: UUID | None = None, /, *, of: UUID, **says: Any) -> Any:
    """Ask ``command`` of the organisation ``of``; the event that was decided, which this gateway has folded.

    It is about the resource ``on``, unless that is given the one that the command names, or else the organisation.

    Raises NotAllowed, NotFound or Rejected when it was refused, Unavailable when that is not known in time, and
    Unreadable for texts with the number of a person: all that a command says stays readable on the log.
    """
    must_name_no_number(command, says)
    actor = request[PRINCIPAL].actor
    about = on or says.get("ressurs_id") or says.get("konto_id") or of
    som_rot = request.app[MEMORY].configuration.administrates_by_root(actor, about, privilege(command))
    decided = await say(request, command(fiks_org_id=of, av=actor, som_rot=som_rot, **says))
    if isinstance(decided, KommandoAvvist):
        raise REFUSED[decided.grunn](decided.melding)
    return decided


def must_name_no_number(command: type, says: Mapping[str, Any]) -> None:
    """Raises Unreadable where the command would put the number of a person on the log."""
    for name, what in says.items() if command not in TAKES_AWAY else ():
        numbers = (one for text in texts_in(to_builtins(what)) for one in numbers_of_eleven(text))
        if any(kind_of(one) is Kind.PERSON for one in numbers):
            raise Unreadable(
                f"Feltet {name} inneholder et fødselsnummer eller d-nummer. Skriv det uten: "
                "teksten blir stående lesbar i loggen"
            )


def now_by(request: web.Request, what: str) -> dict[str, Any]:
    """When and by whom something is done now, as events say it: ``what`` is ``opprettet`` or ``endret``."""
    return {what: datetime.now(UTC), f"{what}_av": request[PRINCIPAL].actor}


async def say(request: web.Request, event: object) -> Any:
    """Append what the caller says; returns what this gateway has folded because of it. Raises Unavailable."""
    about = said(request, event)
    async with request.app[MEMORY].expecting(about.id) as outcome:
        await request.app[LOG].append(event, about)
        try:
            async with asyncio.timeout(PATIENCE):
                return await outcome
        except TimeoutError:
            raise Unavailable("Endringen er mottatt, men ikke avgjort ennå. Se etter den før du prøver igjen") from None
