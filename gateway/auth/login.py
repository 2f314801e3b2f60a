"""Logs a test person in at the stand-in for ID-porten, as a browser and a client together do. Contract: auth.md 3."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientResponse, ClientSession
from joserfc.util import urlsafe_b64encode

from gateway.auth.claims import ACR
from gateway.auth.grant import client_id
from streams.domain.errors import Rejected

REDIRECT_URI = "http://127.0.0.1/callback"

LOGIN = re.compile(r'name="login" value="([^"]+)"')
ALERT = re.compile(r'role="alert"><strong>([^<]*)')


async def person_token(issuer: str, pid: str, niva: int, orgnr: str, scope: str = "ks:fiks") -> str:
    """An access token for ``pid``, who has logged in at ``niva`` with a public client of ``orgnr``.

    Raises Rejected when the issuer refuses, aiohttp.ClientError when it does not answer.
    """
    async with ClientSession() as session:
        return str((await tokens(session, issuer, pid, niva, orgnr, scope))["access_token"])


async def tokens(
    session: ClientSession, issuer: str, pid: str, niva: int, orgnr: str, scope: str = "ks:fiks"
) -> dict[str, Any]:
    """The whole token response. Raises as ``person_token``."""
    client, verifier = f"{client_id(orgnr)}-login", secrets.token_urlsafe(48)
    registration = {"redirect_uris": [REDIRECT_URI]}
    async with session.put(f"{issuer}/clients/{client}", json=registration, raise_for_status=True):
        pass
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": REDIRECT_URI,
        "scope": f"openid {scope}",
        "state": secrets.token_urlsafe(16),
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).decode(),
        "code_challenge_method": "S256",
        "acr_values": ACR[niva],
        "prompt": "login",
    }
    form = {"grant_type": "authorization_code", "client_id": client, "redirect_uri": REDIRECT_URI}
    code = await _code(session, issuer, asked, {"pid": pid, "niva": str(niva)})
    async with session.post(f"{issuer}/token", data=form | {"code": code, "code_verifier": verifier}) as answer:
        said: dict[str, Any] = await answer.json()
    if "access_token" not in said:
        raise Rejected(f"{issuer} refuses: {said['error_description']}")
    return said


async def _code(session: ClientSession, issuer: str, asked: Mapping[str, str], picked: Mapping[str, str]) -> str:
    async with session.get(f"{issuer}/authorize", params=asked, allow_redirects=False) as answer:
        page = await answer.text()
        if (login := LOGIN.search(page)) is None:
            raise Rejected(f"{issuer} refuses: {_reason(answer, page)}")
    form = {"login": login[1], **picked}
    async with session.post(f"{issuer}/login", data=form, allow_redirects=False) as answer:
        page = await answer.text()
        if answer.status != 303:
            raise Rejected(f"{issuer} refuses: {_reason(answer, page)}")
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def _reason(answer: ClientResponse, page: str) -> str:
    said = parse_qs(urlsplit(answer.headers.get("Location", "")).query).get("error_description")
    shown = ALERT.search(page)
    return said[0] if said else shown[1] if shown else str(answer.status)
