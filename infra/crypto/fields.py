"""Encryption of short texts: AES-256-GCM whose nonce follows from what is said, so that the same is sealed the same.

A nonce is a keyed hash (BLAKE2b, RFC 7693) of the text and all that surrounds it (a synthetic IV): two texts share one
only when they, their place and their event are the same.
"""

from __future__ import annotations

import binascii
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.crypto.segments import Tampered

NONCE = 12


class FieldCipher:
    """Seals and opens texts under one data key."""

    __slots__ = ("_aes", "_key")

    def __init__(self, key: bytes) -> None:
        self._key, self._aes = key, AESGCM(key)

    def seal(self, text: str, bound_to: bytes, within: str) -> str:
        """The text as base64 of nonce and ciphertext. ``within`` is the event: other events show nothing alike."""
        plain = text.encode()
        said = b"%d:%b%d:%b%b" % _framed(bound_to, within.encode(), plain)
        nonce = blake2b(said, key=self._key, digest_size=NONCE).digest()
        return binascii.b2a_base64(nonce + self._aes.encrypt(nonce, plain, bound_to), newline=False).decode()

    def open(self, sealed: str, bound_to: bytes) -> str:
        """The text. Raises Tampered when it was not sealed under this key for this place."""
        try:
            raw = binascii.a2b_base64(sealed, strict_mode=True)
            return self._aes.decrypt(raw[:NONCE], raw[NONCE:], bound_to).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise Tampered("a sealed text is not as it was sealed") from None


def _framed(bound_to: bytes, within: bytes, plain: bytes) -> tuple[int, bytes, int, bytes, bytes]:
    return len(bound_to), bound_to, len(within), within, plain
