"""From what an uploader said of a document to what the log says. Contract: dokumentlager.md 4. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, assert_never
from uuid import UUID

from msgspec import Meta, Struct

from gateway.digital_id import Kind, kind_of
from gateway.metadata import Fnr, Int64, Kode, Orgnr, Time, must_be_in_the_calendar
from gateway.tjenester import PRIVILEGIER
from schemas.dokumentlager import Altinnressurs, Eksponering, EksponertFor
from schemas.dokumentlager import Matrikkelenhet as Enhet
from schemas.errors import Unreadable
from streams.domain.eksponering import key_of

MOST_EXPOSED = 5000
"""Ours: no limit is published. It keeps the event well below what the log takes."""
HIGHEST_NIVA = 4

_TOKEN = r"[A-Za-z0-9!#$&^_.+\-]{1,127}"  # noqa: S105  RFC 6838, 4.2: names of types, no secret
_QUOTED = r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
Mimetype = Annotated[
    str, Meta(pattern=rf"\A{_TOKEN}/{_TOKEN}(?:\s*;(?:[\x20-\x21\x23-\x7e]|{_QUOTED})*)?\Z", max_length=255)
]
"""What follows on the type may be of any form, but what is quoted ends."""
Dokumentnavn = Annotated[str, Meta(pattern=r"\A(?=.*\S)[^\x00-\x1f\x7f]+\Z", max_length=1000)]
Number = Annotated[str, Meta(pattern=r"\A[0-9]{1,5}\Z")]
Named = Callable[[str], str]


class Person(Struct, frozen=True, tag_field="type", tag="PERSON"):
    """Whoever has that number."""

    fnr: Fnr

    def __post_init__(self) -> None:
        _must_be(Kind.PERSON, self.fnr)


class Organisasjon(Struct, frozen=True, rename="camel", tag_field="type", tag="ORGANISASJON"):
    """Whoever may have mail of the organisation."""

    orgnr: Orgnr
    ressurs_type: Altinnressurs | None = None

    def __post_init__(self) -> None:
        _must_be(Kind.ORGANISASJON, self.orgnr)


class Integrasjon(Struct, frozen=True, tag_field="type", tag="INTEGRASJON"):
    """That integration."""

    id: UUID


class Autorisasjon(Struct, frozen=True, tag_field="type", tag="AUTORISASJON"):
    """Whoever holds the privilege on the resource."""

    privilegium: Kode
    ressurs: UUID

    def __post_init__(self) -> None:
        if self.privilegium not in PRIVILEGIER:
            raise ValueError("there is no such privilege: nobody would ever see the document")


class Matrikkelnummer(Struct, frozen=True):
    """A property unit."""

    kommunenummer: Annotated[str, Meta(pattern=r"\A[0-9]{4}\Z")]
    gardsnummer: Number
    bruksnummer: Number
    festenummer: Number = "0"
    seksjonsnummer: Number = "0"


class Matrikkelenhet(Struct, frozen=True, tag_field="type", tag="MATRIKKELENHET"):
    """Whoever owns the property unit when it is read."""

    matrikkelenhet: Matrikkelnummer


Eksponert = Person | Organisasjon | Integrasjon | Autorisasjon | Matrikkelenhet


class Tilgjengelighet(Struct, rename="camel", frozen=True):
    """Until when a document is available: ``ttl`` seconds from now, negative for ever, or a moment."""

    ttl: Int64 | None = None
    tilgjengelig_til: Time | None = None

    def __post_init__(self) -> None:
        must_be_in_the_calendar(self.tilgjengelig_til)


class Metadata(Tilgjengelighet, rename="camel", frozen=True, kw_only=True):
    """The metadata part of an upload. No level is the lowest (contract 6, first line of the table), and no exposure is
    one too: the contract's set has no least size, and who owns the document can still count and delete it.
    """

    dokumentnavn: Dokumentnavn
    mimetype: Mimetype
    eksponert_for: Annotated[tuple[Eksponert, ...], Meta(max_length=MOST_EXPOSED)]
    sikkerhetsniva: Literal[3, 4] = 3
    korrelasjonsid: UUID | None = None
    ikke_lagre_dokument_lastet_ned: bool = False


def until(said: Tilgjengelighet, now: datetime) -> datetime | None:
    """The moment until which it is available, None for ever. Raises Unreadable when that cannot be."""
    if (said.ttl is None) is (said.tilgjengelig_til is None):
        raise Unreadable("Ugyldig innhold: oppgi enten ttl eller tilgjengeligTil, og ikke begge")
    if said.ttl is not None and said.ttl < 0:
        return None
    try:
        moment = said.tilgjengelig_til or now + timedelta(seconds=said.ttl or 0)
    except OverflowError:
        raise Unreadable("Ugyldig innhold: ttl er for stor. Bruk -1 for et dokument som aldri slettes") from None
    if moment <= now:
        raise Unreadable("Ugyldig innhold: dokumentet må være tilgjengelig til et tidspunkt som ikke er passert")
    return moment.astimezone(UTC)


def must_be_encrypted_at_the_highest_level(said: Metadata, kryptert: bool) -> None:
    """Raises Unreadable for a document of level 4 that its sender has not encrypted (contract, trap 17)."""
    if said.sikkerhetsniva == HIGHEST_NIVA and not kryptert:
        raise Unreadable("Ugyldig innhold: et dokument med sikkerhetsniva 4 må krypteres av avsender (kryptert=true)")


def exposures(said: Iterable[Eksponert], named: Named) -> tuple[EksponertFor, ...]:
    """To whom it is exposed, each once. ``named`` gives the keyed hash of a number."""
    return tuple({key_of(one): one for one in (_exposure(each, named) for each in said)}.values())


def _must_be(kind: Kind, number: str) -> None:
    """Raises ValueError for a number that nobody can have: nobody would ever see the document."""
    if kind_of(number) is not kind:
        raise ValueError("the check digits are wrong")


def _exposure(said: Eksponert, named: Named) -> EksponertFor:
    match said:
        case Person():
            return EksponertFor(type=Eksponering.PERSON, person=named(said.fnr), fnr=said.fnr)
        case Organisasjon():
            return EksponertFor(type=Eksponering.ORGANISASJON, orgnr=said.orgnr, ressurs_type=said.ressurs_type)
        case Integrasjon():
            return EksponertFor(type=Eksponering.INTEGRASJON, integrasjon_id=said.id)
        case Autorisasjon():
            return EksponertFor(type=Eksponering.AUTORISASJON, privilegium=said.privilegium, ressurs_id=said.ressurs)
        case Matrikkelenhet():
            return EksponertFor(type=Eksponering.MATRIKKELENHET, matrikkelenhet=_unit(said.matrikkelenhet))
        case _:
            assert_never(said)


def _unit(said: Matrikkelnummer) -> Enhet:
    """The unit, its numbers without leading zeros, so that it is the same however it is written."""
    kommunenummer, *rest = (getattr(said, name) for name in Matrikkelnummer.__struct_fields__)
    gardsnummer, bruksnummer, festenummer, seksjonsnummer = (str(int(number)) for number in rest)
    return Enhet(
        kommunenummer=kommunenummer,
        gardsnummer=gardsnummer,
        bruksnummer=bruksnummer,
        festenummer=festenummer,
        seksjonsnummer=seksjonsnummer,
    )
