"""What organisations say about persons: put on the log, and opened for those who may read it.

What is said lies in a stream of the person in that organisation; the organisation's own stream decides, in log order,
whether it counts. Opening needs the keys, so PostgreSQL; deciding who may what never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from aiohttp import web

from gateway.auth.memory import MEMORY
from gateway.auth.persons import PERSONS
from gateway.context import LOG
from gateway.kommando import decide, say
from gateway.randomness import new_uuid
from schemas.konfigurasjon import PersonopplysningerOppgitt
from schemas.konfigurasjon_commands import CreatePerson
from schemas.personal import ERASED
from streams.domain.personer import Person, person_id
from streams.sealing import opened_texts

Holder = tuple[UUID, str]
"""An organisation and an actor who holds something in it."""


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
    known = request.app[MEMORY].configuration.personer.person(of, who)
    if known is None or "fnr" not in (await opened(request, [known]))[0]:
        await say_of_person(request, CreatePerson, of, who, on=on, fnr=fnr)
    return who


async def opened(request: web.Request, persons: Sequence[Person]) -> list[dict[str, str]]:
    """What is said about each, in the clear, by the contract's names, but what was forgotten. Raises Unavailable."""
    texts = [(at, name, text) for at, one in enumerate(persons) for name, of in one.texts.items() for text in of]
    clear = await opened_texts(request.app[LOG].keys, [text for _, _, text in texts])
    said: list[dict[str, str]] = [{} for _ in persons]
    for (at, name, _), text in zip(texts, clear, strict=True):
        if text != ERASED:
            said[at].setdefault(name, text)
    return said


async def numbers(request: web.Request, holders: Iterable[Holder]) -> dict[Holder, str]:
    """How callers name actors who hold something in an organisation: by fnr, or the id of an integration.

    A person whose number is not known there, or was forgotten, keeps the name on the log. Raises Unavailable.
    """
    personer = request.app[MEMORY].configuration.personer
    named = {holder: holder[1].removeprefix("integrasjon:") for holder in holders}
    known = [one for holder in named if (one := personer.with_number(*holder)) is not None]
    said = zip(known, await opened(request, known), strict=True)
    return named | {(one.fiks_org_id, one.aktor): texts["fnr"] for one, texts in said if "fnr" in texts}


async def names(request: web.Request, of: UUID, aktorer: Iterable[str | None]) -> dict[str | None, str]:
    """The actors of the log for somebody in the organisation ``of`` to read: the id of an integration, the name of a
    person as that organisation knows it, else ourselves. Raises Unavailable.
    """
    personer = request.app[MEMORY].configuration.personer
    known = {aktor: _unnamed(aktor) for aktor in aktorer}
    persons = [one for aktor in known if aktor and (one := personer.person(of, aktor)) is not None]
    said = await opened(request, persons)
    return known | {one.aktor: texts["navn"] for one, texts in zip(persons, said, strict=True) if "navn" in texts}


def _unnamed(aktor: str | None) -> str:
    kind, _, id_ = (aktor or "").partition(":")
    return id_ if kind == "integrasjon" else "Innlogget person" if kind == "person" else "Fiks"
