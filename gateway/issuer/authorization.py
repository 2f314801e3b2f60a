"""What a client asks of ID-porten when it sends somebody to log in, and whether it may. Pure. Contract: auth.md 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from gateway.auth.claims import LEVELS
from gateway.issuer.assertion import Refused
from gateway.issuer.clients import Clients

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Return:
    """Where the browser goes in the end: an address that the client has registered, and what it goes back with."""

    client_id: str
    redirect_uri: str
    state: str

    def address(self, **said: str) -> str:
        """The address, with what is ``said`` and the client's state, if it has one, in the query."""
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        state = {"state": self.state} if self.state else {}
        return f"{self.redirect_uri}{joint}{urlencode(said | state)}"


@dataclass(frozen=True, slots=True)
class Authorization:
    """A login that a client asks for, at ``niva`` or more."""

    back: Return
    scope: str
    nonce: str
    code_challenge: str
    niva: int
    prompt: tuple[str, ...]


def read_return(query: Mapping[str, str], clients: Clients) -> Return:
    """Where to return to. Raises Refused; then there is nowhere that the browser may be sent."""
    client = clients.find(query.get("client_id", ""))
    if client is None:
        raise Refused("invalid_client", "klienten er ikke registrert; den melder seg med PUT /clients/test-<orgnr>")
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in client.registration.redirect_uris:
        raise Refused("invalid_request", "redirect_uri er ikke registrert for klienten")
    return Return(client.id, redirect_uri, query.get("state", ""))


def read_authorization(query: Mapping[str, str], back: Return) -> Authorization:
    """The login that is asked for. Raises Refused, which the client learns at the address that it named."""
    if query.get("response_type") != "code":
        raise Refused("unsupported_response_type", "response_type must be code")
    for required in ("state", "nonce"):
        if not query.get(required):
            raise Refused("invalid_request", f"{required} is required")
    challenge = query.get("code_challenge", "")
    if query.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "PKCE with code_challenge_method S256 is required")
    scope = query.get("scope", "")
    if "openid" not in scope.split():
        raise Refused("invalid_scope", "scope must have openid")
    prompt = tuple(query.get("prompt", "").split())
    return Authorization(back, scope, query["nonce"], challenge, _niva(query.get("acr_values")), prompt)


def _niva(asked: Any) -> int:
    """The least level that will do."""
    levels = [LEVELS.get(acr) for acr in str(asked or "").split()]
    if None in levels:
        raise Refused("invalid_request", f"acr_values must be among {', '.join(LEVELS)}")
    return min((level for level in levels if level), default=3)
