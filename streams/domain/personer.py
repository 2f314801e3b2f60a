"""Persons as each organisation knows them: the pure fold of what is said about them. Nothing of one tells of another.

What is said lies in a stream of the person in that organisation, sealed under a key of that stream. That it counts lies
in the organisation's stream, in log order. They may be met in any order: what counts is shown once it is met too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from schemas.konfigurasjon import (
    PersonEndret,
    PersonopplysningerEndret,
    PersonopplysningerOppgitt,
    PersonOpprettet,
    PersonRegistrert,
)

PERSON_IDS = UUID("6d1b8a52-7d7c-5f43-9a35-0c2b4a0f9e21")
"""The namespace of the streams of persons; it must never change."""

SaidEvent = PersonRegistrert | PersonEndret | PersonopplysningerOppgitt
CountsEvent = PersonOpprettet | PersonopplysningerEndret
PersonEvent = SaidEvent | CountsEvent
FIELDS = ("fnr", "navn", "tittel", "telefon", "epost")


def person_id(fiks_org_id: UUID, aktor: str) -> UUID:
    """The stream of a person in an organisation (``ROOT`` for what spans them)."""
    return uuid5(PERSON_IDS, f"{fiks_org_id}/{aktor}")


@dataclass(frozen=True, slots=True)
class Person:
    """A person as one organisation knows it. Nothing of it is ever printed.

    What is personal is as the log has it, sealed, and opened when it is shown (``schemas.personal.kept``).
    """

    fiks_org_id: UUID
    aktor: str
    fnr: str = field(repr=False)
    navn: str = field(default="", repr=False)
    tittel: str | None = field(default=None, repr=False)
    telefon: str | None = field(default=None, repr=False)
    epost: str | None = field(default=None, repr=False)

    @property
    def id(self) -> UUID:
        """Its id in that organisation."""
        return person_id(self.fiks_org_id, self.aktor)


@dataclass(slots=True)
class Personer:
    """What was met so far. Not a value: who holds it feeds it.

    ``PersonRegistrert`` and ``PersonEndret`` said what they say of no organisation. Of those only the number counts:
    an organisation that has given the person a right, but said nothing else, is shown the number it was given to.
    """

    _said: dict[tuple[UUID, str, UUID], PersonopplysningerOppgitt] = field(default_factory=dict, repr=False)
    _counts: dict[UUID, dict[str, dict[UUID, type]]] = field(default_factory=dict)
    _numbers: dict[str, str] = field(default_factory=dict, repr=False)

    def meet(self, event: PersonEvent) -> None:
        """Fold an event. One that comes again changes nothing."""
        match event:
            case PersonopplysningerOppgitt():
                self._said[event.fiks_org_id, event.aktor, event.opplysninger_id] = event
            case PersonOpprettet() | PersonopplysningerEndret():
                of = self._counts.setdefault(event.fiks_org_id, {}).setdefault(event.aktor, {})
                of.setdefault(event.opplysninger_id, type(event))
            case PersonRegistrert():
                self._numbers.setdefault(event.aktor, event.fnr)
            case PersonEndret():
                pass

    def person(self, fiks_org_id: UUID, aktor: str) -> Person | None:
        """The person as the organisation knows it; None if it has not said that it does."""
        known: dict[str, str] = {}
        for opplysninger_id, kind in self._counts.get(fiks_org_id, {}).get(aktor, {}).items():
            if (event := self._said.get((fiks_org_id, aktor, opplysninger_id))) is not None:
                said = {name: text for name in FIELDS if (text := getattr(event, name)) is not None}
                known = said | known if kind is PersonOpprettet else known | said
        return Person(fiks_org_id, aktor, **known) if "fnr" in known else None

    def known_in(self, fiks_org_id: UUID) -> Iterator[Person]:
        """All persons that the organisation knows."""
        known = (self.person(fiks_org_id, aktor) for aktor in self._counts.get(fiks_org_id, ()))
        return (one for one in known if one is not None)

    def knowing(self, aktor: str) -> Iterator[Person]:
        """The person as each organisation that knows it does."""
        known = (self.person(fiks_org_id, aktor) for fiks_org_id in self._counts)
        return (one for one in known if one is not None)

    def number(self, fiks_org_id: UUID, aktor: str) -> str | None:
        """The number of a person who holds, or held, a right in the organisation."""
        known = self.person(fiks_org_id, aktor)
        return known.fnr if known else self._numbers.get(aktor)
