"""Which services and privileges there are: data, read from ``tjenester.json``. Contract: auth.md 6.4."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class Aktortype(StrEnum):
    """What kind of actor may hold a privilege."""

    PERSON = "PERSON"
    INTEGRASJON = "INTEGRASJON"


class Tjeneste(Struct, rename="camel", frozen=True):
    """A service that organisations may have."""

    kode: str
    ressurs_type: str
    navn: str
    beskrivelse: str


class Privilegium(Struct, rename="camel", frozen=True):
    """A privilege, and the types of resources that it is given on."""

    navn: str
    visningsnavn: str
    beskrivelse: str
    aktorer: tuple[Aktortype, ...]
    ressurs_typer: tuple[str, ...]


class _Catalogue(Struct, frozen=True):
    tjenester: tuple[Tjeneste, ...]
    privilegier: tuple[Privilegium, ...]


_catalogue = msgspec.json.decode(Path(__file__).with_suffix(".json").read_bytes(), type=_Catalogue)

TJENESTER = {one.kode: one for one in _catalogue.tjenester}
PRIVILEGIER = {one.navn: one for one in _catalogue.privilegier}
RESSURSTYPER = sorted({kind for one in _catalogue.privilegier for kind in one.ressurs_typer})


def privilegier_for(ressurs_type: str) -> list[dict[str, Any]]:
    """The privileges that are given on resources of a type, as the contract's ``Privilegium``."""
    return [
        {
            "navn": one.navn,
            "visningsnavn": one.visningsnavn,
            "beskrivelse": one.beskrivelse,
            "ressursType": ressurs_type,
            "aktorer": one.aktorer,
        }
        for one in _catalogue.privilegier
        if ressurs_type in one.ressurs_typer
    ]
