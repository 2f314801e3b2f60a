"""The key of a test issuer, and what it signs with it. Knows nothing of what is granted to whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from infra.kept import kept

ALGORITHM = "RS256"


class Signer:
    """Signs with ``key``."""

    def __init__(self, key: RSAKey) -> None:
        self._key = key

    def jwks(self) -> dict[str, Any]:
        """The public half of the key."""
        return {"keys": [self._key.as_dict(private=False) | {"use": "sig", "alg": ALGORITHM}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, whatever they are."""
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, dict(claims), self._key)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token of ours, also when it has expired; None when it is not ours."""
        try:
            return jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, RecursionError):
            return None


def own_key(state: Path, name: str = "issuer") -> RSAKey:
    """The key of the issuer of that name that runs on this state folder; the same at every start."""
    made = kept(
        state / f"{name}-key.json", lambda: json.dumps(RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True))
    )
    return RSAKey.import_key(json.loads(made))
