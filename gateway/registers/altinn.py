"""Altinn 3: whom a person may act for. Contract: auth.md 5. It keeps its token, but no answer."""

from __future__ import annotations

from typing import Protocol

import msgspec
from aiohttp import ClientSession

from gateway.registers.asking import Refused, ask
from gateway.registers.maskinporten import KeptToken, Maskinporten, Token
from gateway.registers.parties import Party, read_parties
from infra.logs import logger
from streams.domain.errors import Unavailable

log = logger(__name__)

SCOPE = "altinn:accessmanagement/authorizedparties.resourceowner"
EXCHANGE = "/authentication/api/v1/exchange/maskinporten"
PARTIES = "/accessmanagement/api/v1/resourceowner/authorizedparties?includeAltinn2=true"
PERSON = "urn:altinn:person:identifier-no"
SUBSCRIPTION = "Ocp-Apim-Subscription-Key"


class AuthorizedParties(Protocol):
    """Whoever knows whom a person may act for."""

    async def parties(self, pid: str) -> dict[str, Party]:
        """The parties that the person has access to, by orgnr or pid. Raises Unavailable."""
        ...


class Altinn:
    """Asks Altinn at ``base``, with the subscription ``key`` of its API, where it demands one."""

    def __init__(self, base: str, key: str | None, maskinporten: Maskinporten, session: ClientSession) -> None:
        self._base, self._session, self._maskinporten = base.rstrip("/"), session, maskinporten
        self._subscription = {SUBSCRIPTION: key} if key else {}
        self._token = KeptToken(self._exchanged)

    async def parties(self, pid: str) -> dict[str, Party]:
        """The parties that the person has access to, by orgnr or pid. Raises Unavailable."""
        question = {"type": PERSON, "value": pid}
        headers = self._subscription | {"Authorization": f"Bearer {await self._token.get()}"}
        try:
            answer = await ask(self._session, "POST", self._base + PARTIES, headers, json=question)
        except Refused:
            self._token.forget()
            raise
        try:
            return read_parties(answer)
        except (msgspec.ValidationError, RecursionError) as fault:
            log.error("the answer of Altinn is not of the shape that we know", fault=type(fault).__name__)
            raise Unavailable("Altinn svarer ikke slik vi venter. Prøv igjen senere") from fault

    async def _exchanged(self) -> Token:
        """Altinn's own token for one of Maskinporten. It lasts longer than that; ours to keep as long as that one."""
        token = await self._maskinporten.token(SCOPE)
        headers = {"Authorization": f"Bearer {token.text}"}
        answer = await ask(self._session, "GET", self._base + EXCHANGE, headers)
        if not isinstance(answer, str) or not answer:
            log.error("the answer of Altinn to a token is none")
            raise Unavailable("Altinn svarer ikke slik vi venter. Prøv igjen senere")
        return Token(answer, token.lasts)
