"""Access tokens from Maskinporten: whether they hold, and for whom. Contract: auth.md 2.2 and 2.3."""

from __future__ import annotations

from aiohttp import ClientSession


class Tokens:
    """Verifies the access tokens of one issuer."""

    def __init__(self, issuer: str, session: ClientSession) -> None:
        self._issuer = issuer
        self._session = session
