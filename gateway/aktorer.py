"""Actors as callers name them, by fnr or id of an integration, and as the log does: ``person:…``, ``integrasjon:…``."""

from __future__ import annotations

import re
from uuid import UUID, uuid5

from aiohttp import web

from gateway.auth.memory import MEMORY
from gateway.auth.persons import PERSONS
from gateway.kommando import say
from gateway.tjenester import PRIVILEGIER, Aktortype
from schemas.errors import Unreadable
from schemas.konfigurasjon import PersonRegistrert
from streams.domain.errors import NotAllowed, Rejected
from streams.domain.konfigurasjon import integrasjon_aktor

PERSON_IDS = UUID("6d1b8a52-7d7c-5f43-9a35-0c2b4a0f9e21")
"""The namespace of the streams of persons, each by its keyed hash; it must never change."""

FNR = re.compile(r"[0-9]{11}")


def aktor(request: web.Request, named: str) -> str:
    """The actor on the log whom a caller means. Raises Unreadable, which never repeats what was said."""
    if FNR.fullmatch(named):
        return request.app[PERSONS].actor(named)
    try:
        return integrasjon_aktor(UUID(named))
    except ValueError:
        raise Unreadable("Aktøren må være et fødselsnummer eller id-en til en integrasjon") from None


def named(request: web.Request, known: str) -> str:
    """How callers name an actor of the log. A person who was never registered keeps the name on the log."""
    kind, _, id_ = known.partition(":")
    if kind == "integrasjon":
        return id_
    person = request.app[MEMORY].configuration.personer.get(known)
    return person.fnr if person else known


def in_words(request: web.Request, known: str | None) -> str:
    """An actor of the log for somebody to read: the id of an integration, the name of a person, else ourselves."""
    kind, _, id_ = (known or "").partition(":")
    if kind == "integrasjon":
        return id_
    person = request.app[MEMORY].configuration.personer.get(known or "")
    return (person.navn if person and person.navn else "Innlogget person") if kind == "person" else "Fiks"


def person_id(aktor: str) -> UUID:
    """The stream of a person."""
    return uuid5(PERSON_IDS, aktor)


async def register(request: web.Request, fnr: str, navn: str = "") -> str:
    """Make a person known, if need be. Returns the actor."""
    who = request.app[PERSONS].actor(fnr)
    if who not in request.app[MEMORY].configuration.personer:
        await say(request, PersonRegistrert(person_id=person_id(who), aktor=who, fnr=fnr, navn=navn))
    return who


async def receiver(request: web.Request, named: str, privilegium: str, owner: UUID) -> str:
    """The actor who is to hold a privilege in ``owner``, a person registered if need be.

    Raises Rejected for a privilege that does not exist or is not for such actors, NotAllowed for an integration that
    is neither the organisation's own nor offered to all; whether it exists is not told.
    """
    who = aktor(request, named)
    kind = Aktortype.PERSON if who.startswith("person:") else Aktortype.INTEGRASJON
    if privilegium not in PRIVILEGIER or kind not in PRIVILEGIER[privilegium].aktorer:
        raise Rejected(f"Privilegiet {privilegium} finnes ikke, eller kan ikke gis til aktører av typen {kind}")
    if kind is Aktortype.PERSON:
        return await register(request, named)
    if not request.app[MEMORY].configuration.is_offered(UUID(named), owner):
        raise NotAllowed(f"Integrasjonen {named} tilbys ikke organisasjonen")
    return who
