"""The public keys of a token issuer, found through its discovery document (RFC 8414, OpenID Connect) and kept.

Fetched anew after a day, and for a key id that is not known, but not more often than a stranger with made-up key ids
may make us ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from infra.logs import logger
from infra.uptime import uptime
from streams.domain.errors import Unavailable

log = logger(__name__)

MAX_AGE = 24 * 3600.0
"""Digdir's advice. While the issuer is away, older keys go on to count."""
ASK_AGAIN = 5.0
FIRST_ASK_AGAIN = 1.0
"""Seconds between two questions while we start: nobody's token makes us ask then."""
PATIENCE = ClientTimeout(total=2)
RFC8414, OPENID = ".well-known/oauth-authorization-server", ".well-known/openid-configuration"


class IssuerKeys:
    """The signing keys of one issuer. ``clock`` gives seconds."""

    def __init__(self, issuer: str, session: ClientSession, clock: Callable[[], float] = uptime) -> None:
        self._issuer, self._session, self._clock = issuer, session, clock
        self._keys: dict[str, RSAKey] = {}
        self._asked = self._fetched = float("-inf")
        self._asking = asyncio.Lock()

    async def key(self, kid: str) -> RSAKey | None:
        """The key of that id; None when the issuer has none.

        Raises Unavailable when the key is not known and the issuer did not answer when it was last asked.
        """
        if self._should_ask(kid):
            async with self._asking:
                if self._should_ask(kid):
                    await self._ask()
        if kid not in self._keys and self._fetched < self._asked:
            raise Unavailable("Utstederen av access_token svarer ikke, så tokenet kan ikke kontrolleres nå")
        return self._keys.get(kid)

    async def begin(self) -> None:
        """Ask until the issuer has answered."""
        while True:
            async with self._asking:
                if self._fetched == float("-inf"):
                    await self._ask()
            if self._fetched > float("-inf"):
                return
            await asyncio.sleep(FIRST_ASK_AGAIN)

    def _should_ask(self, kid: str) -> bool:
        now = self._clock()
        return now - self._asked >= ASK_AGAIN and (kid not in self._keys or now - self._fetched >= MAX_AGE)

    async def _ask(self) -> None:
        asked = self._clock()
        try:
            self._keys = await self._fetch()
            self._fetched = asked
        except (ClientError, TimeoutError, ValueError, KeyError, TypeError) as fault:
            log.warning("the issuer's keys could not be fetched", issuer=self._issuer, fault=repr(fault))
        self._asked = asked

    async def _fetch(self) -> dict[str, RSAKey]:
        about = await self._discover()
        if about["issuer"] != self._issuer:
            raise ValueError(
                f"it calls itself {about['issuer']!r}; FIKS_ISSUER or FIKS_IDPORTEN_ISSUER must be the very same"
            )
        return signing_keys(await self._get(about["jwks_uri"]))

    async def _discover(self) -> Any:
        base = self._issuer.rstrip("/")
        try:
            return await self._get(f"{base}/{RFC8414}")
        except (ClientResponseError, ValueError):  # a server that has one of the two may answer anything for the other
            return await self._get(f"{base}/{OPENID}")

    async def _get(self, url: str) -> Any:
        async with self._session.get(url, timeout=PATIENCE, allow_redirects=False, raise_for_status=True) as answer:
            return await answer.json(content_type=None)


def signing_keys(key_set: dict[str, Any]) -> dict[str, RSAKey]:
    """The RSA keys for signatures in a JWK set, by id; what is no such key is passed over."""
    keys = {}
    for key in key_set["keys"]:
        if isinstance(key, dict) and key.get("kty") == "RSA" and key.get("use", "sig") == "sig" and "kid" in key:
            try:
                keys[str(key["kid"])] = RSAKey.import_key(key)
            except (JoseError, ValueError) as fault:
                log.warning("the issuer publishes a key that is none", kid=key["kid"], fault=repr(fault))
    return keys
