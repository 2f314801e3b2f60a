"""Kontakt- og reservasjonsregisteret: how a person can be reached digitally, and whether that is allowed.

Source: Digdir's Oppslagstjenesten REST, version 2. It keeps its token, but no answer: a reservation counts at once.

Nothing asks it yet. By the contract the channel of a letter to a person does: who is reserved gets it on paper
(svarut.md 6.2, and 8 step 4; ``ForsendelseMottatt.reservert``, which nobody sets, so that nobody counts as reserved).
Receiving a letter must not wait for a register, so asking belongs between its acceptance and the choice of a channel.
No route that is served shows what the register says (other-services.md 2, innsyn.md 8); in auth.md it is only named.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from aiohttp import ClientSession
from aiohttp.web import AppKey

from gateway.registers.asking import Refused, ask
from gateway.registers.maskinporten import KeptToken, Maskinporten
from infra.logs import logger
from streams.domain.errors import Unavailable

log = logger(__name__)

SCOPE = "krr:global/kontaktinformasjon.read"
PERSONER = "/rest/v2/personer"
MOST = 1000
"""Persons in one question."""


class Status(StrEnum):
    """Whether the register knows the person."""

    AKTIV = "AKTIV"
    SLETTET = "SLETTET"
    IKKE_REGISTRERT = "IKKE_REGISTRERT"


class _Kontaktinformasjon(msgspec.Struct, frozen=True):
    epostadresse: str | None = None
    mobiltelefonnummer: str | None = None


class _Person(msgspec.Struct, frozen=True):
    personidentifikator: str
    status: Status
    reservasjon: str | None = None
    varslingsstatus: str | None = None
    kontaktinformasjon: _Kontaktinformasjon | None = None


class _Answer(msgspec.Struct, frozen=True):
    personer: tuple[_Person, ...]


class Kontakt(msgspec.Struct, frozen=True):
    """What the register says of a person. ``kan_varsles``: its addresses are fresh enough to notify by."""

    status: Status
    reservert: bool
    kan_varsles: bool
    epost: str | None
    mobil: str | None


UKJENT = Kontakt(Status.IKKE_REGISTRERT, reservert=False, kan_varsles=False, epost=None, mobil=None)
"""What is said of somebody that the register leaves out of its answer."""


def read_kontakter(answer: object) -> dict[str, Kontakt]:
    """What an answer says, by pid. Pure. Raises msgspec.ValidationError when it is of another shape.

    Whoever is active and neither said to be reserved nor not is taken to be reserved: they did not say yes.
    """
    return {one.personidentifikator: _read(one) for one in msgspec.convert(answer, _Answer).personer}


def _read(person: _Person) -> Kontakt:
    at = person.kontaktinformasjon or _Kontaktinformasjon()
    reservert = person.reservasjon != "NEI" if person.status is Status.AKTIV else person.reservasjon == "JA"
    kan_varsles = person.varslingsstatus == "KAN_VARSLES" and not reservert
    return Kontakt(person.status, reservert, kan_varsles, at.epostadresse or None, at.mobiltelefonnummer or None)


class Krr:
    """Asks the register at ``base``."""

    def __init__(self, base: str, maskinporten: Maskinporten, session: ClientSession) -> None:
        self._url, self._session = base.rstrip("/") + PERSONER, session
        self._token = KeptToken(lambda: maskinporten.token(SCOPE))

    async def kontakter(self, pids: Iterable[str]) -> dict[str, Kontakt]:
        """How each of the persons can be reached, by pid; all that were asked for are in it. Raises Unavailable."""
        asked = list(dict.fromkeys(pids))
        found: dict[str, Kontakt] = {}
        for begin in range(0, len(asked), MOST):
            found |= await self._ask(asked[begin : begin + MOST])
        return {pid: found.get(pid, UKJENT) for pid in asked}

    async def _ask(self, pids: list[str]) -> dict[str, Kontakt]:
        headers = {"Authorization": f"Bearer {await self._token.get()}"}
        try:
            answer = await ask(self._session, "POST", self._url, headers, json={"personidentifikatorer": pids})
        except Refused:
            self._token.forget()
            raise
        try:
            return read_kontakter(answer)
        except msgspec.ValidationError as fault:
            log.error("the answer of KRR is not of the shape that we know", fault=type(fault).__name__)
            raise Unavailable("Kontaktregisteret svarer ikke slik vi venter. Prøv igjen senere") from fault


KRR = AppKey("krr", Krr)
"""``app[KRR]``: where handlers find it."""
