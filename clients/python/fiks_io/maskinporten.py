"""Tokens from Maskinporten: the JWT-bearer grant (RFC 7523) of an enterprise certificate, or of a registered key."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from fiks_io.errors import HttpError, Unavailable

Token: TypeAlias = Callable[[], Awaitable[str]]
"""Gives an access token that can be used now."""

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 120
"""Seconds of what we show; Maskinporten takes no more."""
MARGIN = 10
"""Seconds before its end from which a token is not used any more."""
TIMEOUT = ClientTimeout(total=30)


class _Headers(JWSRegistry):
    """A header of a JWS that has room for a certificate."""

    max_header_length = 32_000


class Maskinporten:
    """A source of tokens. A token is used again until ten seconds before its end.

    ``issuer`` is how Maskinporten names itself, with the slash: ``https://maskinporten.no/``. Of ``certificate`` and
    ``kid``, the id of a key that was registered there, one must be given, else ValueError is raised.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        key: RSAPrivateKey,
        *,
        certificate: x509.Certificate | None = None,
        kid: str | None = None,
        scope: str = "ks:fiks",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if (certificate is None) == (kid is None):
            raise ValueError("Maskinporten knows a client by a certificate or by a kid: give one of them")
        self._issuer, self._client_id, self._scope, self._tls = issuer, client_id, scope, tls
        self._key = RSAKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._shown = {"x5c": [_x5c(certificate)]} if certificate else {"kid": kid}
        self._token, self._until = "", 0.0
        self._one = asyncio.Lock()

    async def __call__(self) -> str:
        """A token. Raises HttpError when it is refused, Unavailable when nobody answers."""
        async with self._one:
            if time.monotonic() >= self._until:
                asked_at = time.monotonic()
                self._token, lifetime = await self._ask()
                self._until = asked_at + lifetime - MARGIN
            return self._token

    async def _ask(self) -> tuple[str, float]:
        """A new token, and the seconds it lasts."""
        form = {"grant_type": GRANT_TYPE, "assertion": self._assertion()}
        connector = TCPConnector(ssl=self._tls or True)
        try:
            async with (
                ClientSession(connector=connector, timeout=TIMEOUT) as session,
                session.post(f"{self._issuer}token", data=form, allow_redirects=False) as response,
            ):
                status, body = response.status, await response.text(errors="replace")
        except (ClientError, TimeoutError) as fault:
            raise Unavailable(f"{self._issuer} does not answer: {fault}") from fault
        if status != 200:
            raise HttpError(status, body)
        try:
            said = json.loads(body)
            return str(said["access_token"]), float(said["expires_in"])
        except (ValueError, LookupError, TypeError):
            raise HttpError(status, "no token") from None

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {
            "aud": self._issuer,
            "iss": self._client_id,
            "scope": self._scope,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": str(uuid4()),
        }
        return jwt.encode({"alg": "RS256"} | self._shown, claims, self._key, registry=_Headers(algorithms=["RS256"]))


def _x5c(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
