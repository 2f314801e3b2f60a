"""A data key in the form in which it lies on the log: encrypted under one generation of the key-encryption key."""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.crypto.segments import Tampered
from infra.randomness import random_bytes

KEY_SIZE = 32
NONCE = 12
_HEAD = struct.Struct(">BI")
_VERSION = 1
WRAPPED_SIZE = _HEAD.size + NONCE + KEY_SIZE + 16


def wrap(name: str, key: bytes, generation: int, kek: AESGCM) -> bytes:
    """The wrapped key: version, generation, nonce, ciphertext. It opens under no other name.

    AES-256-GCM with random nonces: one generation must not wrap more than 2**32 keys.
    """
    head, nonce = _HEAD.pack(_VERSION, generation), random_bytes(NONCE)
    return head + nonce + kek.encrypt(nonce, key, head + name.encode())


def generation_of(wrapped: bytes) -> int:
    """The generation that a wrapped key was wrapped with. Raises Tampered for what is no wrapped key."""
    if len(wrapped) != WRAPPED_SIZE or wrapped[0] != _VERSION:
        raise Tampered("this is no wrapped key")
    return int(_HEAD.unpack_from(wrapped)[1])


def unwrap(name: str, wrapped: bytes, kek: AESGCM) -> bytes:
    """The data key. Raises Tampered when it was not wrapped under this key and this name."""
    head, nonce = wrapped[: _HEAD.size], wrapped[_HEAD.size : _HEAD.size + NONCE]
    try:
        return kek.decrypt(nonce, wrapped[_HEAD.size + NONCE :], head + name.encode())
    except InvalidTag:
        raise Tampered(f"the key {name} was not wrapped under this key-encryption key and this name") from None
