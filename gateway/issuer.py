"""A stand-in for Maskinporten, for tests and the demo alone. Contract: auth.md 2.1, 2.2 and 2.4.

The client ``test-<orgnr>`` belongs to the organisation of that number and may act for any ``consumer_org``. It proves
itself by any certificate (``x5c``; one that names an orgnr must name its own) or by a key that was put, as a JWK set,
to ``/clients/<client id>/jwks``; those keys are forgotten when the issuer ends.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.auth.assertion import Client, Refused, prove
from gateway.auth.grant import GRANT_TYPE, LONGEST
from gateway.auth.issuer_keys import signing_keys
from gateway.auth.kept import kept
from gateway.auth.tokens import ISO6523

ORGNR = re.compile(r"[0-9]{9}", re.ASCII)
SCOPE_PREFIX = "ks:"
LIFETIME = 599
SKEW = 10


class Issuer:
    """Grants access tokens in the name ``name``, signed with ``key``. ``clock`` gives seconds since 1970."""

    def __init__(self, name: str, key: RSAKey, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self._key, self._clock = key, clock
        self._registered: dict[str, dict[str, RSAKey]] = {}
        self._used: dict[str, float] = {}

    def register(self, client_id: str, key_set: dict[str, Any]) -> None:
        """From now on the client is known by these keys, and by no others that were registered."""
        self._registered[client_id] = signing_keys(key_set)

    def jwks(self) -> dict[str, Any]:
        """The public half of the key."""
        return {"keys": [self._key.as_dict(private=False) | {"use": "sig", "alg": "RS256"}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, whatever they are."""
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, dict(claims), self._key)

    def grant(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """The token response to a token request. Raises Refused."""
        if form.get("grant_type") != GRANT_TYPE:
            raise Refused("unsupported_grant_type", f"grant_type must be {GRANT_TYPE} (MP-011)")
        assertion = str(form.get("assertion"))
        client, asked = prove(assertion, self._registered, self._clock())
        self._require_fresh(asked, assertion)
        scopes = str(asked.get("scope", "")).split()
        if not scopes or not all(scope.startswith(SCOPE_PREFIX) for scope in scopes):
            raise Refused("invalid_scope", f"the client may ask for {SCOPE_PREFIX} scopes only (MP-200)")
        token = self.sign(self._claims(client, asked))
        return {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, "scope": asked["scope"]}

    def _require_fresh(self, asked: Mapping[str, Any], assertion: str) -> None:
        now, issued, expires = self._clock(), asked.get("iat"), asked.get("exp")
        if asked.get("aud") not in (self.name, [self.name]):
            raise Refused("invalid_grant", f"aud must be {self.name} (MP-110)")
        if not isinstance(issued, int) or not isinstance(expires, int) or expires - issued > LONGEST:
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
            **_parties(client.orgnr, asked.get("consumer_org")),
            **({"aud": asked["resource"]} if "resource" in asked else {}),
            **({"pid": asked["pid"]} if "pid" in asked else {}),
        }


def _parties(orgnr: str, consumer_org: Any) -> dict[str, Any]:
    """Whom the token is for: the client's organisation, or the one that it acts for."""
    if consumer_org is None:
        return {"consumer": _party(orgnr)}
    if not ORGNR.fullmatch(str(consumer_org)):
        raise Refused("invalid_grant", "consumer_org is no organisation number (MP-251)")
    source = "https://tt02.altinn.no/"
    return {"consumer": _party(consumer_org), "supplier": _party(orgnr), "delegation_source": source}


def _party(orgnr: str) -> dict[str, str]:
    return {"authority": ISO6523, "ID": f"0192:{orgnr}"}


def own_key(state: Path) -> RSAKey:
    """The key of the issuer that runs on this state folder; the same at every start."""
    made = kept(
        state / "issuer-key.json", lambda: json.dumps(RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True))
    )
    return RSAKey.import_key(json.loads(made))


def make_app(issuer: Issuer) -> web.Application:
    """The issuer's web application."""

    async def discovery(request: web.Request) -> web.Response:
        urls = {"token_endpoint": f"{issuer.name}token", "jwks_uri": f"{issuer.name}jwks"}
        return web.json_response({"issuer": issuer.name, **urls, "grant_types_supported": [GRANT_TYPE]})

    async def jwks(request: web.Request) -> web.Response:
        return web.json_response(issuer.jwks())

    async def token(request: web.Request) -> web.Response:
        try:
            return web.json_response(issuer.grant(await request.post()), headers={"Cache-Control": "no-store"})
        except Refused as refused:
            return web.json_response(refused.answer, status=refused.status)

    async def register(request: web.Request) -> web.Response:
        issuer.register(request.match_info["client_id"], await request.json())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/.well-known/oauth-authorization-server", discovery)
    app.router.add_get("/jwks", jwks)
    app.router.add_post("/token", token)
    app.router.add_put("/clients/{client_id}/jwks", register)
    return app
