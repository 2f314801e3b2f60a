"""Persons as each organisation knows them: the pure fold of what is said about them. Nothing of one tells of another.

What is said lies in the person's own stream in that organisation, sealed under that stream's key; that it counts lies
in the organisation's stream, in log order. They may be met in any order: what counts is shown once it is met too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from schemas.catalogue import event_type
from schemas.konfigurasjon import (
    PersonEndret,
    PersonopplysningerEndret,
    PersonopplysningerOppgitt,
    PersonOpprettet,
    PersonRegistrert,
)
from schemas.personal import Place, Sealed

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
    """A person as an organisation knows it. ``texts`` are those of FIELDS that were said, as they lie on the log.

    Of several the first counts whose key is not destroyed: what was forgotten was never said.
    """

    fiks_org_id: UUID
    aktor: str
    texts: Mapping[str, tuple[Sealed, ...]] = field(repr=False)

    @property
    def id(self) -> UUID:
        """Its id in that organisation."""
        return person_id(self.fiks_org_id, self.aktor)


class Personer:
    """What was met so far. Not a value: who holds it feeds it.

    ``PersonRegistrert`` and ``PersonEndret`` said what they say of no organisation. Of those only the number counts:
    an organisation that has given the person a right, but said nothing else, is shown the number it was given to.
    """

    def __init__(self) -> None:
        self._said: dict[tuple[UUID, str, UUID], PersonopplysningerOppgitt] = {}
        self._counts: dict[UUID, dict[str, dict[UUID, type]]] = {}
        self._numbers: dict[str, Sealed] = {}

    def meet(self, event: PersonEvent) -> None:
        """Fold an event. One that comes again changes nothing."""
        match event:
            case PersonopplysningerOppgitt():
                self._said[event.fiks_org_id, event.aktor, event.opplysninger_id] = event
            case PersonOpprettet() | PersonopplysningerEndret():
                of = self._counts.setdefault(event.fiks_org_id, {}).setdefault(event.aktor, {})
                of.setdefault(event.opplysninger_id, type(event))
            case PersonRegistrert():
                self._numbers.setdefault(event.aktor, _sealed(event, event.person_id, "fnr", event.fnr))
            case PersonEndret():
                pass

    def person(self, fiks_org_id: UUID, aktor: str) -> Person | None:
        """The person as the organisation knows it; None if it has not said that it does."""
        texts: dict[str, tuple[Sealed, ...]] = {}
        for opplysninger_id, kind in self._counts.get(fiks_org_id, {}).get(aktor, {}).items():
            if (event := self._said.get((fiks_org_id, aktor, opplysninger_id))) is None:
                continue
            for name, text in _texts(event):
                had = texts.get(name, ())
                texts[name] = (*had, text) if kind is PersonOpprettet else (text, *had)
        return Person(fiks_org_id, aktor, texts) if "fnr" in texts else None

    def known_in(self, fiks_org_id: UUID) -> Iterator[Person]:
        """All persons that the organisation knows."""
        known = (self.person(fiks_org_id, aktor) for aktor in self._counts.get(fiks_org_id, ()))
        return (one for one in known if one is not None)

    def knowing(self, aktor: str) -> list[UUID]:
        """The organisations that know the person."""
        return [id_ for id_ in self._counts if self.person(id_, aktor) is not None]

    def with_number(self, fiks_org_id: UUID, aktor: str) -> Person | None:
        """The person, who holds or held a right in the organisation; also where nothing but the number is known."""
        if (known := self.person(fiks_org_id, aktor)) is not None:
            return known
        number = self._numbers.get(aktor)
        return number and Person(fiks_org_id, aktor, {"fnr": (number,)})


def _texts(event: PersonopplysningerOppgitt) -> Iterator[tuple[str, Sealed]]:
    said = ((name, getattr(event, name)) for name in FIELDS)
    return ((name, _sealed(event, event.person_id, name, text)) for name, text in said if text is not None)


def _sealed(event: SaidEvent, stream: UUID, path: str, text: str) -> Sealed:
    kind = event_type(event)
    return Sealed(text, Place(kind.name, kind.key_id(str(stream))), path)
