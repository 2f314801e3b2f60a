"""The forms of exposure as keys: what a document carries, and what a caller holds. Contract: dokumentlager.md 4.2.

A caller may have a document that carries a key which the caller holds. Which keys those are is found out elsewhere.
"""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from schemas.dokumentlager import Altinnressurs, Eksponering, EksponertFor, Matrikkelenhet


def key_of(exposed: EksponertFor) -> str:
    """The key of an exposure. Raises ValueError when a field that its type needs is not set."""
    match exposed.type:
        case Eksponering.PERSON if exposed.person:
            return person_key(exposed.person)
        case Eksponering.ORGANISASJON if exposed.orgnr:
            return organisation_key(exposed.orgnr, exposed.ressurs_type)
        case Eksponering.INTEGRASJON if exposed.integrasjon_id:
            return integration_key(exposed.integrasjon_id)
        case Eksponering.AUTORISASJON if exposed.privilegium and exposed.ressurs_id:
            return f"{Eksponering.AUTORISASJON}/{exposed.ressurs_id}/{exposed.privilegium}"
        case Eksponering.MATRIKKELENHET if exposed.matrikkelenhet:
            one = exposed.matrikkelenhet
            unit = (one.kommunenummer, one.gardsnummer, one.bruksnummer, one.festenummer, one.seksjonsnummer)
            return "/".join((Eksponering.MATRIKKELENHET, *unit))
        case _:
            raise ValueError(f"an exposure of type {exposed.type} lacks a field")


def exposure_of(key: str) -> EksponertFor:
    """The exposure of a key that ``key_of`` made. The number of a person is not in it."""
    kind, _, rest = key.partition("/")
    match Eksponering(kind):
        case Eksponering.PERSON:
            return EksponertFor(type=Eksponering.PERSON, person=rest)
        case Eksponering.ORGANISASJON:
            orgnr, _, ressurs = rest.partition("/")
            to = Altinnressurs(ressurs) if ressurs else None
            return EksponertFor(type=Eksponering.ORGANISASJON, orgnr=orgnr, ressurs_type=to)
        case Eksponering.INTEGRASJON:
            return EksponertFor(type=Eksponering.INTEGRASJON, integrasjon_id=UUID(rest))
        case Eksponering.AUTORISASJON:
            on, _, privilegium = rest.partition("/")
            return EksponertFor(type=Eksponering.AUTORISASJON, ressurs_id=UUID(on), privilegium=privilegium)
        case Eksponering.MATRIKKELENHET:
            names = Matrikkelenhet.__struct_fields__  # type: ignore[attr-defined]  # a Struct
            unit = Matrikkelenhet(**dict(zip(names, rest.split("/"), strict=True)))
            return EksponertFor(type=Eksponering.MATRIKKELENHET, matrikkelenhet=unit)
        case other:
            assert_never(other)


def person_key(person: str) -> str:
    """The key that a person holds; ``person`` is the keyed hash."""
    return f"{Eksponering.PERSON}/{person}"


def organisation_key(orgnr: str, ressurs_type: Altinnressurs | None) -> str:
    """The key that who may have such mail of the organisation holds."""
    return f"{Eksponering.ORGANISASJON}/{orgnr}/{ressurs_type or ''}"


def integration_key(integrasjon_id: UUID) -> str:
    """The key that an integration holds."""
    return f"{Eksponering.INTEGRASJON}/{integrasjon_id}"
