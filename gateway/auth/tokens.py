"""Access tokens from Maskinporten: whether they hold, and for whom. Contract: auth.md 2.2 and 2.3.

Never asks for ``aud`` (ordinary tokens have none), never looks at ``client_id``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from typing import Any

from aiohttp import ClientSession
from joserfc import jws
from joserfc.errors import JoseError

from gateway.auth.issuer_keys import IssuerKeys
from gateway.auth.remembered import Remembered
from streams.domain.errors import NotAuthenticated

SCOPE = "ks:fiks"
LEEWAY = 10.0
ALGORITHMS = ["RS256", "RS384", "RS512"]
REMEMBERED = 20_000
JWS = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
"""Header fields that are not known are passed over (RFC 7515, 4), except those named critical."""

ISO6523 = "iso6523-actorid-upis"
ORGNR = re.compile(r"0192:([0-9]{9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token proves: the organisation ``consumer`` (orgnr) calls, through ``supplier`` where it was delegated."""

    consumer: str
    supplier: str | None
    expires: float


class Tokens:
    """Verifies the access tokens of one issuer. ``clock`` gives seconds since 1970."""

    def __init__(self, issuer: str, session: ClientSession, clock: Callable[[], float] = time.time) -> None:
        self._issuer, self._clock = issuer, clock
        self._keys = IssuerKeys(issuer, session)
        self._verified: Remembered[bytes, AccessToken] = Remembered(REMEMBERED)

    async def verify(self, token: str) -> AccessToken:
        """What the token proves. Raises NotAuthenticated, and Unavailable when the issuer's key cannot be had."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is None:
            known = read_claims(await self._claims(token), self._issuer, self._clock())
            self._verified.put(digest, known)
        elif _over(known.expires, self._clock()):
            self._verified.forget(digest)
            raise _invalid("tokenet er utløpt")
        return known

    async def _claims(self, token: str) -> Any:
        try:
            signed = jws.extract_compact(token.encode(), registry=JWS)
            key = await self._keys.key(str(signed.headers().get("kid")))
            if key is None or not jws.validate_compact(signed, key, registry=JWS):
                raise _invalid("signaturen er ikke fra utstederen")
            return json.loads(signed.payload)
        except (JoseError, ValueError) as fault:
            raise _invalid("det er ikke et gyldig signert token") from fault


def read_claims(claims: Any, issuer: str, now: float) -> AccessToken:
    """What the claims of a token, whose signature holds, prove at ``now``. Raises NotAuthenticated."""
    if not isinstance(claims, dict) or claims.get("iss") != issuer:
        raise _invalid("feil utsteder")
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if _over(expires, now):
        raise _invalid("tokenet er utløpt")
    if issued > now + LEEWAY or ("nbf" in claims and _time(claims, "nbf") > now + LEEWAY):
        raise _invalid("tokenet gjelder ikke ennå")
    scope = claims.get("scope")
    if not isinstance(scope, str) or SCOPE not in scope.split(" "):
        raise _invalid(f"mangler scope {SCOPE}")
    supplier = _orgnr(claims["supplier"]) if "supplier" in claims else None
    return AccessToken(_orgnr(claims.get("consumer")), supplier, expires)


def _over(expires: float, now: float) -> bool:
    return now >= expires + LEEWAY


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _invalid(f"mangler {name}")
    return value


def _orgnr(party: Any) -> str:
    """The orgnr of a ``consumer`` or ``supplier``. Other authorities and forms are refused."""
    if isinstance(party, dict) and party.get("authority") == ISO6523 and isinstance(party.get("ID"), str):
        found = ORGNR.fullmatch(party["ID"])
        if found:
            return found[1]
    raise _invalid("ukjent form på organisasjonen i tokenet")


def _invalid(reason: str) -> NotAuthenticated:
    return NotAuthenticated(f"Klarte ikke å validere access_token: {reason}")
