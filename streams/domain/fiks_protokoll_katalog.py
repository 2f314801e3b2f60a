"""Which protocols there are, their parts, and the types of message that these send: data, beside this file.

Where it comes from: other-services.md 5 and, for Fiks Arkiv, the message types of its published specification
(``meldingstyper.json`` of V1), with the answers that this leaves out and the misspelt one that senders may have copied
from it (trap 1). Its payload criteria are said there; of other protocols none is, so content is optional. Plan and
Politisk behandling are told by pattern: their types are many, and the published lists wrong in places (trap 2). Names
of parts are public for Fiks Arkiv alone; the others follow its pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
from msgspec import Struct


class Payloadkriterie(StrEnum):
    """Whether a message of a type has content."""

    NEVER = "NEVER"
    REQUIRED = "REQUIRED"
    OPTIONAL = "OPTIONAL"


class Protokollstatus(StrEnum):
    """Whether a protocol can be used."""

    AKTIV = "AKTIV"
    DEAKTIVERT = "DEAKTIVERT"


class Meldingstype(Struct, frozen=True):
    """A type of message. ``*`` in its name stands for anything."""

    navn: str
    payload: Payloadkriterie
    er_svar: bool
    er_feilmelding: bool


class Part(Struct, frozen=True):
    """A part of a protocol: what it sends and receives, and with which other parts."""

    navn: str
    beskrivelse: str
    avsender: frozenset[str]
    mottaker: frozenset[str]
    stotter: frozenset[str]


class Protokoll(Struct, frozen=True):
    """A version of a protocol."""

    navn: str
    versjon: str
    beskrivelse: str
    status: Protokollstatus
    meldingstyper: tuple[Meldingstype, ...]
    parter: Mapping[str, Part]

    def meldingstype(self, navn: str) -> Meldingstype | None:
        """What the protocol says of messages of that type. Errors and answers go before requests."""
        return next((one for one in self.meldingstyper if fnmatchcase(navn, one.navn)), None)


class _Gruppe(Struct, frozen=True):
    foresporsler: dict[str, Payloadkriterie]
    svar: dict[str, Payloadkriterie]


class _Part(Struct, frozen=True):
    """``spor`` and ``sporres`` are the groups whose requests it sends, and answers. Answers may be errors."""

    navn: str
    beskrivelse: str
    spor: tuple[str, ...]
    sporres: tuple[str, ...]
    stotter: frozenset[str]


class _Protokoll(Struct, frozen=True):
    navn: str
    versjon: str
    beskrivelse: str
    status: Protokollstatus
    grupper: dict[str, _Gruppe]
    feilmeldinger: dict[str, Payloadkriterie]
    parter: tuple[_Part, ...]


class _Katalog(Struct, frozen=True):
    protokoller: tuple[_Protokoll, ...]


def _read(said: _Protokoll) -> Protokoll:
    parter = {one.navn: _part(said, one) for one in said.parter}
    return Protokoll(said.navn, said.versjon, said.beskrivelse, said.status, tuple(_meldingstyper(said)), parter)


def _meldingstyper(said: _Protokoll) -> Iterator[Meldingstype]:
    for navn, payload in said.feilmeldinger.items():
        yield Meldingstype(_whole(said, navn), payload, er_svar=True, er_feilmelding=True)
    for gruppe in said.grupper.values():
        for navn, payload in gruppe.svar.items():
            yield Meldingstype(_whole(said, navn), payload, er_svar=True, er_feilmelding=False)
    for gruppe in said.grupper.values():
        for navn, payload in gruppe.foresporsler.items():
            yield Meldingstype(_whole(said, navn), payload, er_svar=False, er_feilmelding=False)


def _part(said: _Protokoll, part: _Part) -> Part:
    def typer(asking: Iterable[str], answering: Iterable[str]) -> frozenset[str]:
        requests = [navn for one in asking for navn in said.grupper[one].foresporsler]
        answers = [navn for one in answering for navn in (*said.grupper[one].svar, *said.feilmeldinger)]
        return frozenset(_whole(said, navn) for navn in (*requests, *answers))

    return Part(
        part.navn,
        part.beskrivelse,
        avsender=typer(part.spor, part.sporres),
        mottaker=typer(part.sporres, part.spor),
        stotter=part.stotter,
    )


def _whole(said: _Protokoll, navn: str) -> str:
    return navn if navn.startswith("no.") else f"{said.navn}.{said.versjon}.{navn}"


_katalog = msgspec.json.decode(Path(__file__).with_suffix(".json").read_bytes(), type=_Katalog)

PROTOKOLLER = {(one.navn, one.versjon): _read(one) for one in _katalog.protokoller}
"""Every protocol, by name and version."""
