"""Fiks Matrikkel: who owns property units. Contract: innsyn.md 7, openapi/matrikkel-eier.derived.json.

We ask as an integration that holds MATRIKKEL.QUERY. It is asked anew each time, and nothing of an answer is kept or
logged: who has sold a unit is out at once, and an answer names persons who have not called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from aiohttp import ClientSession
from msgspec import Meta

from gateway.auth.claims import SCOPE
from gateway.auth.integrations import ID, PASSORD
from gateway.matrikkel import Eier, Eiere, UkjenteEiere
from gateway.registers.asking import Refused, ask
from gateway.registers.maskinporten import KeptToken, Maskinporten
from infra.logs import logger
from infra.settings import Settings
from schemas.dokumentlager import Matrikkelenhet
from streams.domain.errors import Unavailable

log = logger(__name__)

FINN_EIERE = "/finn-eiere"

Number = Annotated[str, Meta(pattern=r"\A[0-9]{0,9}\Z")]


class Matrikkelnummer(msgspec.Struct, frozen=True):
    """The number of a unit on the wire. The contract lets each part be empty and begin with zeros."""

    kommunenummer: Number
    gardsnummer: Number
    bruksnummer: Number
    festenummer: Number
    seksjonsnummer: Number


class _Eier(msgspec.Struct, frozen=True):
    type: str = ""
    verdi: str = ""


class _EnhetResultat(msgspec.Struct, frozen=True):
    matrikkelnummer: Matrikkelnummer | None = None
    eiere: tuple[_Eier, ...] | None = None


class _Sokeresultat(msgspec.Struct, rename="camel", frozen=True):
    enhet_resultater: tuple[_EnhetResultat, ...]


def read_eiere(answer: object, enheter: Iterable[Matrikkelenhet]) -> frozenset[Eier]:
    """The owners that an answer names of one of these units, and of no other. Pure.

    Raises msgspec.ValidationError when the answer is of another shape.
    """
    asked = {_parts(enhet) for enhet in enheter}
    return frozenset(
        Eier(eier.type, eier.verdi)
        for one in msgspec.convert(answer, _Sokeresultat).enhet_resultater
        if one.matrikkelnummer and _parts(one.matrikkelnummer) in asked
        for eier in one.eiere or ()
    )


def _parts(enhet: Matrikkelenhet | Matrikkelnummer) -> tuple[int, ...]:
    """The unit, however its numbers are written (innsyn.md, trap 10)."""
    return tuple(int(getattr(enhet, part) or 0) for part in Matrikkelnummer.__struct_fields__)


class Matrikkel:
    """Asks at ``base``, which names our organisation, as the integration of that id and password."""

    def __init__(
        self, base: str, integrasjon_id: str, passord: str, maskinporten: Maskinporten, session: ClientSession
    ) -> None:
        self._url, self._session = base.rstrip("/") + FINN_EIERE, session
        self._ours = {ID: integrasjon_id, PASSORD: passord}
        self._token = KeptToken(lambda: maskinporten.token(SCOPE))

    async def eiere(self, enheter: Sequence[Matrikkelenhet]) -> frozenset[Eier]:
        """Who owns one of the units now, alone or with others. Raises Unavailable."""
        headers = self._ours | {"Authorization": f"Bearer {await self._token.get()}"}
        try:
            answer = await ask(self._session, "POST", self._url, headers, json=msgspec.to_builtins(enheter))
        except Refused:
            self._token.forget()
            raise
        try:
            return read_eiere(answer, enheter)
        except msgspec.ValidationError as fault:
            log.error("the answer of Fiks Matrikkel is not of the shape that we know", fault=type(fault).__name__)
            raise Unavailable("Fiks Matrikkel svarer ikke slik vi venter. Prøv igjen senere") from fault


def connected(settings: Settings, maskinporten: Maskinporten, session: ClientSession) -> Eiere:
    """Whoever can tell owners by these settings. Raises ValueError where they say whom to ask, and not as whom."""
    if settings.matrikkel is None:
        return UkjenteEiere()
    if settings.matrikkel_integrasjon is None or settings.matrikkel_passord is None:
        raise ValueError("FIKS_MATRIKKEL is set: set FIKS_MATRIKKEL_INTEGRASJON and FIKS_MATRIKKEL_PASSORD too")
    integrasjon_id = str(settings.matrikkel_integrasjon)
    return Matrikkel(settings.matrikkel, integrasjon_id, settings.matrikkel_passord, maskinporten, session)
