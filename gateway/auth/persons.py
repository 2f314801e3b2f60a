"""What the log calls a person: a keyed hash, so that nobody without the key can tell who that is (rule 8)."""

from __future__ import annotations

import hmac

from aiohttp.web import AppKey


class Persons:
    """Names persons by ``key``, which is the same on all gateways for as long as the log lasts."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def actor(self, pid: str) -> str:
        """``person:<hex>`` for a fødselsnummer or d-number; always the same for the same number."""
        return f"person:{hmac.digest(self._key, pid.encode(), 'sha256').hex()}"


PERSONS = AppKey("persons", Persons)
"""``app[PERSONS]``: where handlers find it."""
