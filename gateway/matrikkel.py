"""Who owns a property unit, asked when that decides: a port, and the answer where nobody is connected to it.

Contract: innsyn.md 4 and 7. Its adapter is in ``gateway.registers.matrikkel``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from aiohttp.web import AppKey

from schemas.dokumentlager import Matrikkelenhet


class Eiertype(StrEnum):
    """What an owner is: its number is that of a person, or of an organisation."""

    FYSISK_PERSON = "FYSISK_PERSON"
    JURIDISK_PERSON = "JURIDISK_PERSON"


class Eier(NamedTuple):
    """An owner. ``type`` is an Eiertype, or one that we do not know; ``nummer`` a pid or an orgnr."""

    type: str
    nummer: str


class Eiere(Protocol):
    """Whoever can tell the owners of property units."""

    async def eiere(self, enheter: Sequence[Matrikkelenhet]) -> frozenset[Eier]:
        """Who owns one of the units now, alone or with others. Raises Unavailable while that cannot be known."""
        ...


class UkjenteEiere:
    """Knows of no owner, so nobody is let in as one."""

    async def eiere(self, enheter: Sequence[Matrikkelenhet]) -> frozenset[Eier]:
        """Nobody."""
        return frozenset()


EIERE: AppKey[Eiere] = AppKey("eiere")
"""``app[EIERE]``: where handlers find it."""
