"""What the log calls a person: a keyed hash, so that nobody without the key can tell who that is (rule 8)."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from aiohttp.web import AppKey

from infra.kept import kept
from infra.settings import Settings
from streams.domain.errors import Rejected

SHORTEST = 32
KEPT = "person-key"
"""The file of the state folder that keeps the key where no other is named."""


class Persons:
    """Names persons by ``key``, which is the same on all gateways for as long as the log lasts."""

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST:
            raise ValueError(f"the key that names persons must have at least {SHORTEST} octets")
        self._key = key

    def actor(self, pid: str) -> str:
        """``person:<hex>`` for a fødselsnummer or d-number; always the same for the same number."""
        return f"person:{hmac.digest(self._key, pid.encode(), 'sha256').hex()}"


def persons(settings: Settings) -> Persons:
    """Those of this system: by the key in FIKS_PERSON_KEY_FILE, or by one that the state folder keeps.

    Raises Rejected when the file holds no such key, OSError when it cannot be read.
    """
    if settings.person_key_file is None:
        return Persons(bytes.fromhex(kept(settings.state / KEPT, lambda: secrets.token_hex(SHORTEST))))
    return Persons(_read(settings.person_key_file))


def _read(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text())
    except ValueError:
        key = b""
    if len(key) < SHORTEST:
        raise Rejected(f"{file} must hold at least {2 * SHORTEST} hex digits and no more: openssl rand -hex {SHORTEST}")
    return key


PERSONS = AppKey("persons", Persons)
"""``app[PERSONS]``: where handlers find it."""
