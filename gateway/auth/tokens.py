"""Access tokens of the two issuers that we trust: whether they hold, and what they prove. Contract: auth.md 2.3, 3."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from aiohttp import ClientSession
from aiohttp.web import AppKey
from joserfc import jws
from joserfc.errors import JoseError

from gateway.auth.claims import AccessToken, Claims, invalid, is_over, over, read_machine, read_person
from gateway.auth.issuer_keys import IssuerKeys
from gateway.auth.remembered import Remembered
from streams.reader import or_die

ALGORITHMS = ["RS256", "RS384", "RS512"]
REMEMBERED = 20_000
PATIENCE = 10.0
"""Seconds that issuers have to tell their keys before we take calls. One that is away must not keep out those who show
a token of the other; its own are answered 503 until it is back.
"""
JWS = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
"""Header fields that are not known are passed over (RFC 7515, 4), except those named critical."""

Read = Callable[[Claims, float], AccessToken]


class Tokens:
    """Verifies access tokens: the issuer, compared exactly, decides whether a machine or a person calls.

    ``clock`` gives seconds since 1970.
    """

    def __init__(
        self, maskinporten: str, idporten: str, session: ClientSession, clock: Callable[[], float] = time.time
    ) -> None:
        if maskinporten == idporten:
            raise ValueError("one issuer cannot vouch for machines and persons: FIKS_ISSUER is FIKS_IDPORTEN_ISSUER")
        self._clock = clock
        self._trusted: dict[str, tuple[IssuerKeys, Read]] = {
            maskinporten: (IssuerKeys(maskinporten, session), read_machine),
            idporten: (IssuerKeys(idporten, session), read_person),
        }
        self._verified: Remembered[bytes, AccessToken] = Remembered(REMEMBERED)
        self._beginning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask the issuers for their keys in the background."""
        self._beginning = asyncio.create_task(or_die("the issuers' keys", self._begin()))

    async def stop(self) -> None:
        """Ask no more."""
        if self._beginning is not None:
            self._beginning.cancel()

    @property
    def ready(self) -> bool:
        """Whether both issuers have answered, or had their time to. Nobody comes in by one that has not."""
        return self._beginning is not None and self._beginning.done()

    async def _begin(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(keys.begin() for keys, _ in self._trusted.values()))

    async def verify(self, token: str) -> AccessToken:
        """What the token proves. Raises NotAuthenticated, and Unavailable when the issuer's key cannot be had."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is None:
            known = await self._read(token)
            self._verified.put(digest, known)
        elif is_over(known.expires, self._clock()):
            self._verified.forget(digest)
            raise over(known)
        return known

    async def _read(self, token: str) -> AccessToken:
        try:
            signed = jws.extract_compact(token.encode(), registry=JWS)
            claims = json.loads(signed.payload)
            keys, read = self._issuer_of(claims)
            key = await keys.key(str(signed.headers().get("kid")))
            if key is None or not jws.validate_compact(signed, key, registry=JWS):
                raise invalid("signaturen er ikke fra utstederen")
        except (JoseError, ValueError, RecursionError) as fault:
            raise invalid("det er ikke et gyldig signert token") from fault
        return read(claims, self._clock())

    def _issuer_of(self, claims: Any) -> tuple[IssuerKeys, Read]:
        """The issuer that the claims name; what else they say is not believed before its signature holds."""
        issuer = claims.get("iss") if isinstance(claims, dict) else None
        if not isinstance(issuer, str) or issuer not in self._trusted:
            raise invalid("feil utsteder")
        return self._trusted[issuer]


TOKENS = AppKey("tokens", Tokens)
"""``app[TOKENS]``: where /readyz finds them."""
