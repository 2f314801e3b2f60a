"""Actors as callers name them, by fnr or id of an integration, and as the log does: ``person:…``, ``integrasjon:…``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from aiohttp import web

from gateway.auth.memory import MEMORY
from gateway.auth.persons import PERSONS
from gateway.digital_id import Kind, kind_of
from gateway.lookups import looked_up
from gateway.personer import register
from gateway.tjenester import PRIVILEGIER, RESSURSTYPER, Aktortype
from schemas.errors import Unreadable
from streams.domain.errors import NotAllowed, Rejected
from streams.domain.konfigurasjon import integrasjon_aktor
from streams.domain.rettigheter import ADMIN

FNR = re.compile(r"[0-9]{11}")


def aktor(request: web.Request, named: str) -> str:
    """The actor on the log whom a caller means. Raises Unreadable, which never repeats what was said.

    Check digits do not matter here: what was given to a wrong number can be asked for and taken back.
    """
    if FNR.fullmatch(named):
        return request.app[PERSONS].actor(named)
    try:
        return integrasjon_aktor(UUID(named))
    except ValueError:
        raise Unreadable("Aktøren må være et fødselsnummer eller id-en til en integrasjon") from None


def named(request: web.Request, known: str, of: UUID) -> str:
    """How callers name an actor of the log. A person whose number nobody said to ``of`` keeps that name."""
    kind, _, id_ = known.partition(":")
    if kind == "integrasjon":
        return id_
    return request.app[MEMORY].configuration.personer.number(of, known) or known


async def in_words(request: web.Request, tjeneste: str, known: Iterable[str | None], of: UUID) -> dict[str | None, str]:
    """Those actors of the log for somebody to read: the id of an integration, the name of a person as the organisation
    ``of`` has it, else ourselves. Persons who are named are told to be looked up; raises Unavailable.
    """
    configuration = request.app[MEMORY].configuration
    aktorer = set(known)
    names = {one.aktor: one.navn for each in aktorer if (one := configuration.person(of, each or "")) and one.navn}
    await looked_up(request, tjeneste, "hendelser", names, owner=of)
    return {one: names.get(one or "") or _unnamed(one or "") for one in aktorer}


def _unnamed(known: str) -> str:
    kind, _, id_ = known.partition(":")
    return id_ if kind == "integrasjon" else "Innlogget person" if kind == "person" else "Fiks"


async def receiver(request: web.Request, named: str, privilegium: str, owner: UUID, on: UUID, ressurs_type: str) -> str:
    """The actor who is to hold a privilege on ``on`` in ``owner``, a person made known there if need be.

    Raises Unreadable for a number that nobody can have, Rejected for a privilege that does not exist or is not for such
    resources or actors, NotAllowed for an integration that is neither the organisation's own nor offered to all;
    whether it exists is not told.
    """
    who = aktor(request, named)
    kind = Aktortype.PERSON if who.startswith("person:") else Aktortype.INTEGRASJON
    must_be_given_on(privilegium, ressurs_type)
    if kind not in PRIVILEGIER[privilegium].aktorer:
        raise Rejected(f"Privilegiet {privilegium} kan ikke gis til aktører av typen {kind}")
    if kind is Aktortype.PERSON:
        if kind_of(named) is not Kind.PERSON:
            raise Unreadable("Aktøren er ikke et gyldig fødselsnummer eller d-nummer")
        return await register(request, owner, named, on=on)
    if not request.app[MEMORY].configuration.is_offered(UUID(named), owner):
        raise NotAllowed(f"Integrasjonen {UUID(named)} tilbys ikke organisasjonen")
    return who


def switched(request: web.Request, named: str, of: UUID) -> str:
    """The actor who is to be switched on or off in the organisation ``of``.

    Raises Rejected for an integration that it may not use and that holds nothing there; whether it exists is not told.
    """
    who, configuration = aktor(request, named), request.app[MEMORY].configuration
    virksomhet = configuration.virksomhet(of)
    there = who in virksomhet.inaktive or who in virksomhet.rettigheter or who in virksomhet.typerettigheter
    if who.startswith("integrasjon:") and not there and not configuration.is_offered(UUID(named), of):
        missing = "Integrasjonen finnes ikke"
        raise Rejected(missing) from NotAllowed(missing)  # a refusal, which is on the record as such
    return who


def must_exist(privilegium: str) -> None:
    """Raises Rejected for a privilege that is not in the catalogue."""
    if privilegium not in PRIVILEGIER:
        raise Rejected("Privilegiet finnes ikke. De som finnes, står under /konfigurasjon/api/v1/privilegier")


def must_be_given_on(privilegium: str, ressurs_type: str) -> None:
    """Raises Rejected for a privilege that is not given on resources of the type. ADMIN is given on all, ROOT too."""
    must_exist(privilegium)
    if privilegium != ADMIN and ressurs_type not in PRIVILEGIER[privilegium].ressurs_typer:
        raise Rejected(f"Privilegiet {privilegium} kan ikke gis på ressurser av typen {ressurs_type}")


def must_be_type(ressurs_type: str) -> None:
    """Raises Unreadable for a type of resource that is not in the catalogue."""
    if ressurs_type not in RESSURSTYPER:
        raise Unreadable("Ressurstypen finnes ikke. De som finnes, er " + ", ".join(RESSURSTYPER))
