"""A stand-in for Maskinporten. Contract: auth.md 2.1, 2.2 and 2.4.

The client ``test-<orgnr>`` belongs to the organisation of that number and may act for any ``consumer_org``. It proves
itself by a certificate that names that orgnr (``x5c``; whoever issued it) or by a key that was registered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, TypeGuard
from uuid import NAMESPACE_URL, uuid4, uuid5

from joserfc.jwk import RSAKey

from gateway.auth.claims import ISO6523
from gateway.auth.grant import GRANT_TYPE, LONGEST
from gateway.auth.issuer_keys import signing_keys
from gateway.issuer.assertion import Client, Refused, prove
from gateway.issuer.signing import Signer

ORGNR = re.compile(r"[0-9]{9}", re.ASCII)
SCOPE_PREFIXES = ("ks:", "altinn:accessmanagement/", "krr:global/")
LIFETIME = 599
SKEW = 10


class Maskinporten(Signer):
    """Grants access tokens in the name ``name``, signed with ``key``. ``clock`` gives seconds since 1970."""

    def __init__(self, name: str, key: RSAKey, clock: Callable[[], float] = time.time) -> None:
        super().__init__(key)
        self.name = name
        self._clock = clock
        self._registered: dict[str, dict[str, RSAKey]] = {}
        self._used: dict[str, float] = {}

    def register(self, client_id: str, key_set: dict[str, Any]) -> None:
        """From now on the client is known by these keys, and by no others that were registered."""
        self._registered[client_id] = signing_keys(key_set)

    def grant(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """The token response to a token request. Raises Refused."""
        if form.get("grant_type") != GRANT_TYPE:
            raise Refused("unsupported_grant_type", f"grant_type must be {GRANT_TYPE} (MP-011)")
        assertion = str(form.get("assertion"))
        client, asked = prove(assertion, self._registered, self._clock())
        self._require_fresh(asked, assertion)
        scopes = str(asked.get("scope", "")).split()
        if not scopes or not all(scope.startswith(SCOPE_PREFIXES) for scope in scopes):
            raise Refused("invalid_scope", f"the client may ask for {', '.join(SCOPE_PREFIXES)} scopes only (MP-200)")
        token = self.sign(self._claims(client, asked))
        return {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": asked["scope"]}

    def _require_fresh(self, asked: Mapping[str, Any], assertion: str) -> None:
        now, issued, expires = self._clock(), asked.get("iat"), asked.get("exp")
        if asked.get("aud") not in (self.name, [self.name]):
            raise Refused("invalid_grant", f"aud must be {self.name} (MP-110)")
        if not _is_time(issued) or not _is_time(expires) or expires - issued > LONGEST:
            raise Refused("invalid_grant", f"iat and exp must be at most {LONGEST} seconds apart (MP-011)")
        if abs(now - issued) > SKEW or expires <= now:
            raise Refused("invalid_grant", "the assertion is not of now: look at your clock (MP-130)")
        self._used = {use: until for use, until in self._used.items() if until > now}
        use = sha256(f"{asked['iss']} {asked.get('jti', assertion)}".encode()).hexdigest()
        if use in self._used:
            raise Refused("invalid_grant", "the assertion was used before (MP-012)")
        self._used[use] = expires

    def _claims(self, client: Client, asked: Mapping[str, Any]) -> dict[str, Any]:
        now = int(self._clock())
        return {
            "iss": self.name,
            "client_id": client.id,
            "client_amr": client.amr,
            "scope": asked["scope"],
            "token_type": "Bearer",
            "iat": now,
            "exp": now + LIFETIME,
            "jti": str(uuid4()),
            **_parties(client.orgnr, asked),
            **_system_user(asked),
            **({"aud": asked["resource"]} if "resource" in asked else {}),
            **({"pid": asked["pid"]} if "pid" in asked else {}),
        }


def _is_time(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _parties(orgnr: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whom the token is for: the client's organisation, or the one that it acts for, as delegated in Altinn or, the
    older way, by ``iss_onbehalfof``. Raises Refused.
    """
    named = [name for name in ("consumer_org", "iss_onbehalfof") if asked.get(name) is not None]
    if not named:
        return {"consumer": party(orgnr)}
    if len(named) > 1:
        raise Refused("invalid_grant", "consumer_org and iss_onbehalfof exclude each other (MP-011)")
    if not ORGNR.fullmatch(str(consumer := asked[named[0]])):
        raise Refused("invalid_grant", f"{named[0]} is no organisation number (MP-251)")
    source = {"delegation_source": "https://tt02.altinn.no/"} if named == ["consumer_org"] else {}
    return {"consumer": party(consumer), "supplier": party(orgnr), **source}


def _system_user(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The system user that a token is for, where one is asked for: the vendor stays its consumer. Raises Refused."""
    if (details := asked.get("authorization_details")) is None:
        return {}
    match details:
        case [{"type": "urn:altinn:systemuser", "systemuser_org": {"authority": str(), "ID": str()} as of}]:
            user = {"systemuser_id": [str(uuid5(NAMESPACE_URL, of["ID"]))], "systemuser_org": of, "system_id": "test"}
            return {"authorization_details": [{"type": "urn:altinn:systemuser", **user}]}
    raise Refused("invalid_authorization_details", "there must be one, of an organisation's system user (MP-301)")


def party(orgnr: str) -> dict[str, str]:
    """An organisation as a claim."""
    return {"authority": ISO6523, "ID": f"0192:{orgnr}"}
