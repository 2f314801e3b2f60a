"""Whom a register lets ask: a token of Maskinporten with its scope. The issuer is the test issuer."""

from __future__ import annotations

import json
import time

from aiohttp import ClientSession, web
from joserfc import jws
from joserfc.errors import JoseError

from gateway.auth.issuer_keys import IssuerKeys
from gateway.auth.tokens import JWS


class Door:
    """Checks tokens of ``issuer``."""

    def __init__(self, issuer: str, session: ClientSession) -> None:
        self._issuer, self._keys = issuer, IssuerKeys(issuer, session)

    async def require(self, request: web.Request, scope: str) -> None:
        """Raises HTTPUnauthorized or HTTPForbidden when the request shows no token of the issuer with that scope."""
        try:
            signed = jws.extract_compact(bearer(request).encode(), registry=JWS)
            key = await self._keys.key(str(signed.headers().get("kid")))
            claims = json.loads(signed.payload)
            held = key is not None and jws.validate_compact(signed, key, registry=JWS)
        except (JoseError, ValueError, RecursionError):
            raise web.HTTPUnauthorized from None
        if not held or claims.get("iss") != self._issuer or claims.get("exp", 0) <= time.time():
            raise web.HTTPUnauthorized
        if scope not in str(claims.get("scope")).split():
            raise web.HTTPForbidden


def bearer(request: web.Request) -> str:
    """The token of the request; empty when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""
