"""Our own access tokens from Maskinporten, with which the gateway asks registers. Contract: auth.md 2.1 and 2.2."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from aiohttp import ClientSession
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from gateway.auth.grant import GRANT_TYPE, LONGEST, assertion, certificate, client_id, x5c
from gateway.registers.asking import ask
from infra.logs import logger
from infra.settings import Settings
from infra.uptime import uptime
from streams.domain.errors import Unavailable

log = logger(__name__)

TEST_ORGNR = "310991007"
"""Whose client the gateway is in test mode."""
MARGIN = 10.0
"""Seconds before its end in which a token is not used any more."""


class Client(NamedTuple):
    """Our client at Maskinporten: its key signs, and ``header`` (``kid`` or ``x5c``) says which key that is."""

    id: str
    key: RSAKey
    header: dict[str, Any]


def client(settings: Settings) -> Client:
    """The client of FIKS_MASKINPORTEN_CLIENT; in test mode one that is made for the purpose, where none is named.

    Raises Unavailable when there is none: without it no register can be asked.
    """
    if settings.maskinporten_client is not None:
        return _read(settings.maskinporten_client)
    if not settings.test_mode:
        raise Unavailable(
            "Ingen klient hos Maskinporten er satt opp (FIKS_MASKINPORTEN_CLIENT), så registre kan ikke spørres"
        )
    key = RSAKey.generate_key(2048)
    assert key.private_key is not None
    return Client(client_id(TEST_ORGNR), key, {"x5c": x5c(certificate(key.private_key, TEST_ORGNR))})


def _read(file: Path) -> Client:
    try:
        told = json.loads(file.read_text())
        key = told["key"]
        header = {"x5c": key["x5c"]} if "x5c" in key else {"kid": key["kid"]}
        return Client(str(told["clientId"]), RSAKey.import_key(key), header)
    except (OSError, ValueError, KeyError, TypeError, JoseError) as fault:
        log.error(
            "FIKS_MASKINPORTEN_CLIENT must be a JSON file {clientId, key: a JWK with kid or x5c}", fault=repr(fault)
        )
        raise Unavailable("Klienten hos Maskinporten kan ikke leses, så registre kan ikke spørres") from fault


class Token(NamedTuple):
    """An access token, and how many seconds it lasts from the answer on."""

    text: str
    lasts: float


class Maskinporten:
    """Asks the issuer for tokens. ``made`` gives our client, anew for each token: keys are changed while we run."""

    def __init__(self, issuer: str, session: ClientSession, made: Callable[[], Client]) -> None:
        self._issuer, self._session, self._made = issuer, session, made

    async def token(self, scope: str) -> Token:
        """A new token with that scope. Raises Unavailable."""
        ours, now = self._made(), int(time.time())
        claims = {"aud": self._issuer, "iss": ours.id, "scope": scope, "iat": now, "exp": now + LONGEST}
        signed = assertion(claims | {"jti": str(uuid4())}, ours.key, **ours.header)
        form = {"grant_type": GRANT_TYPE, "assertion": signed}
        said = await ask(self._session, "POST", f"{self._issuer}token", {}, data=form)
        try:
            return Token(str(said["access_token"]), float(said["expires_in"]))
        except (KeyError, TypeError, ValueError) as fault:
            log.warning("the answer of Maskinporten has no token that we can read", fault=repr(fault))
            raise Unavailable("Maskinporten svarer ikke slik vi venter. Prøv igjen") from fault


class KeptToken:
    """One token that is asked for when it is needed, kept while it lasts. ``clock`` gives seconds."""

    def __init__(self, fetch: Callable[[], Awaitable[Token]], clock: Callable[[], float] = uptime) -> None:
        self._fetch, self._clock = fetch, clock
        self._text, self._until = "", float("-inf")
        self._fetching = asyncio.Lock()

    async def get(self) -> str:
        """The token. Raises Unavailable."""
        async with self._fetching:
            asked = self._clock()
            if asked >= self._until:
                self._text, lasts = await self._fetch()
                self._until = asked + lasts - MARGIN
            return self._text

    def forget(self) -> None:
        """The token was not accepted: ask for a new one next time."""
        self._until = float("-inf")
