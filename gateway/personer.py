"""Puts on the log what an organisation says about a person, and has it decided there that it counts.

What is said lies in a stream of the person in that organisation, sealed under a key of its own; the organisation's own
stream decides, in log order, whether it counts.
"""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from gateway.auth.memory import MEMORY
from gateway.auth.persons import PERSONS
from gateway.kommando import decide, say
from gateway.randomness import new_uuid
from schemas.konfigurasjon import PersonopplysningerOppgitt
from schemas.konfigurasjon_commands import CreatePerson
from streams.domain.personer import person_id


async def say_of_person(
    request: web.Request, command: type, of: UUID, aktor: str, *, on: UUID | None = None, **texts: str | None
) -> None:
    """Say ``texts`` about a person in the organisation ``of``, and ask by ``command`` that they count.

    Raises as ``decide``. What was said and does not count is shown to nobody, and forgotten with the person.
    """
    said = PersonopplysningerOppgitt(
        person_id=person_id(of, aktor), fiks_org_id=of, aktor=aktor, opplysninger_id=new_uuid(), **texts
    )
    await say(request, said)
    await decide(request, command, on, of=of, aktor=aktor, opplysninger_id=said.opplysninger_id)


async def register(request: web.Request, of: UUID, fnr: str, *, on: UUID | None = None) -> str:
    """Make the person known in the organisation ``of``, if need be, to hold something on ``on``. Returns the actor."""
    who = request.app[PERSONS].actor(fnr)
    if request.app[MEMORY].configuration.person(of, who) is None:
        await say_of_person(request, CreatePerson, of, who, on=on, fnr=fnr)
    return who
