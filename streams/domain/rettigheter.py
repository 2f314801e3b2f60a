"""Who may what, given what was granted: inheritance from above, rights on types, and ADMIN. Contract: auth.md 6.3."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from schemas.konfigurasjon import ROOT
from streams.domain.konfigurasjon import Ressurs, Virksomhet

ADMIN = "ADMIN"
"""The privilege that contains every other, on the resource that it is held on and on all below."""


def holds(virksomhet: Virksomhet, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
    """Whether the actor holds the privilege on a resource by the organisation's own grants, inherited ones included."""
    held = virksomhet.rettigheter.get(aktor)
    if held is None or aktor in virksomhet.inaktive:
        return False
    ressurs = virksomhet.ressurser.get(ressurs_id)
    return any(_contains(held.get(one), privilegium) for one in (ressurs.sti if ressurs else (ressurs_id,)))


def holds_by_root(rot: Virksomhet, virksomhet: Virksomhet, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
    """Whether the actor holds it by the stream of ROOT: a grant on ROOT itself, or a right on a type on the way up."""
    if aktor in virksomhet.inaktive or aktor in rot.inaktive:
        return False
    if holds(rot, aktor, privilegium, ROOT):
        return True
    ressurs = virksomhet.ressurser.get(ressurs_id)
    return ressurs is not None and any(
        _contains(held, privilegium) for _, held in held_by_type(rot, virksomhet, aktor, ressurs)
    )


def held_by_type(
    rot: Virksomhet, virksomhet: Virksomhet, aktor: str, ressurs: Ressurs
) -> Iterator[tuple[int, frozenset[str]]]:
    """What the actor holds on a resource by rights on types: the privileges, and how many steps up lies the resource
    that is of the type.
    """
    given = rot.typerettigheter.get(aktor)
    if given is None or aktor in virksomhet.inaktive or aktor in rot.inaktive:
        return
    for up, id_ in enumerate(ressurs.sti):
        if (one := virksomhet.ressurser.get(id_)) is not None and (held := given.get(one.type)):
            yield up, held


def administrators(virksomhet: Virksomhet, ressurs_id: UUID) -> frozenset[str]:
    """The persons who hold ADMIN by a grant on the resource itself. Only persons can give rights."""
    return frozenset(
        aktor
        for aktor, held in virksomhet.rettigheter.items()
        if ADMIN in held.get(ressurs_id, ()) and aktor.startswith("person:") and aktor not in virksomhet.inaktive
    )


def administrates_something(virksomhet: Virksomhet, aktor: str) -> bool:
    """Whether the actor holds ADMIN on anything by the organisation's own grants, and so may give rights there."""
    held = virksomhet.rettigheter.get(aktor, {})
    return aktor not in virksomhet.inaktive and any(ADMIN in privilegier for privilegier in held.values())


def administrates_person(virksomhet: Virksomhet, fiks_org_id: UUID, aktor: str, person: str) -> bool:
    """Whether what the organisation says about ``person`` is for the actor to read and change.

    It is for administrators of the organisation, and of something in it on which that person holds a right.
    """
    on = (fiks_org_id, *virksomhet.rettigheter.get(person, ()))
    return any(holds(virksomhet, aktor, ADMIN, one) for one in on)


def _contains(held: frozenset[str] | None, privilegium: str) -> bool:
    return held is not None and (privilegium in held or ADMIN in held)
