"""Whether a password is an integration's own. Knows nothing of tokens or organisations.

Only a slow hash is kept (Argon2id). A password that was proved once is remembered by a hash keyed with a secret of this
process, together with the slow hash that it was proved against: a new password makes the old proof worthless. All who
come with the same while it is being proved wait for that one proof.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from hashlib import blake2b

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.auth.remembered import Remembered
from infra.logs import logger
from streams.domain.errors import Unavailable
from streams.domain.konfigurasjon import Integrasjon

log = logger(__name__)

REMEMBERED = 50_000
MOST_PROVING = 100
"""Proofs that may wait or run for each that runs at a time: who would wait longer is told to try again. One takes some
20 ms of a core, which others want too, and clients wait for five seconds.
"""
ARGON2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP Password Storage Cheat Sheet, the least that it takes for Argon2id; our passwords are random, not chosen."""


def new_password() -> str:
    """A password for an integration: 256 random bits, ASCII, since clients send other letters in two encodings."""
    return secrets.token_urlsafe(32)


def hashed(passord: str) -> str:
    """The Argon2id hash of a password, in PHC form. Slow by intent."""
    return ARGON2.hash(_octets(passord))


class Passwords:
    """Verifies passwords, at most ``at_once`` at a time and never in the event loop."""

    def __init__(self, at_once: int = os.cpu_count() or 1) -> None:
        self._at_once, self._turn = at_once, asyncio.Semaphore(at_once)
        self._key = secrets.token_bytes(32)
        self._proven: Remembered[bytes, bool] = Remembered(REMEMBERED)
        self._proving: dict[tuple[str, bytes], asyncio.Task[bool]] = {}
        self._nobodys = hashed(new_password())

    async def verify(self, integrasjon: Integrasjon | None, passord: str, claim: str = "") -> bool:
        """Whether it is the integration's password. For None it is not, found out by as much work as a wrong one.

        ``claim`` is who the caller says it is: only who says the same waits for the same proof, be there such an
        integration or not. What has begun is proved to its end, whoever still waits for it: the client's next attempt
        is answered at once. Raises Unavailable where too many proofs are under way.
        """
        known = self._nobodys if integrasjon is None else integrasjon.passord_hash
        proof = blake2b(_octets(passord), key=self._key, salt=blake2b(known.encode(), digest_size=16).digest()).digest()
        if self._proven.get(proof):
            return True
        key = (claim, proof)
        if (proving := self._proving.get(key)) is None:
            if len(self._proving) >= MOST_PROVING * self._at_once:
                raise Unavailable("Mange logger inn samtidig: prøv igjen")
            proving = self._proving[key] = asyncio.create_task(self._prove(known, passord, proof))
            proving.add_done_callback(lambda _: self._proving.pop(key))
        return await asyncio.shield(proving)

    async def _prove(self, known: str, passord: str, proof: bytes) -> bool:
        async with self._turn:
            right = await asyncio.to_thread(matches, known, passord)
        if right:
            self._proven.put(proof, True)
        return right


def matches(known: str, passord: str) -> bool:
    """Whether the password is that of the Argon2 hash ``known``. Slow by intent."""
    try:
        return ARGON2.verify(known, _octets(passord))
    except InvalidHashError:
        log.exception("an integration's password hash on the log is no Argon2 hash; nobody can use it")
        return False
    except VerificationError:
        return False


def _octets(passord: str) -> bytes:
    """What was sent: aiohttp keeps octets that are no UTF-8 as surrogates."""
    return passord.encode("utf-8", "surrogateescape")
