"""The ciphers of the content in a CMS envelope: AES in CBC (RFC 3565) and GCM (RFC 5084), deciphered as it passes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, GCM
from cryptography.hazmat.primitives.padding import PKCS7

from fiks_cms.ber import CONSTRUCTED, INTEGER, OCTET_STRING, SEQUENCE, Element, NotBer, context, oid
from fiks_cms.recipients import KeyPair, content_key

ENVELOPED_DATA, AUTH_ENVELOPED_DATA = oid("1.2.840.113549.1.7.3"), oid("1.2.840.113549.1.9.16.1.23")
AES_CBC = {oid(f"2.16.840.1.101.3.4.1.{number}"): size for number, size in ((2, 16), (22, 24), (42, 32))}
AES_GCM = {oid(f"2.16.840.1.101.3.4.1.{number}"): size for number, size in ((6, 16), (26, 24), (46, 32))}
ATTRIBUTES, UNAUTHENTICATED = context(1) | CONSTRUCTED, context(2) | CONSTRUCTED


class Content(Protocol):
    """A cipher that deciphers. ``finish`` gets what stands behind the content in the message."""

    def update(self, data: bytes) -> bytes: ...

    def finish(self, tail: Sequence[Element]) -> bytes: ...


class _Cbc:
    def __init__(self, key: bytes, parameters: Element) -> None:
        self._cipher = Cipher(AES(key), CBC(parameters.as_string(OCTET_STRING))).decryptor()
        self._unpadder = PKCS7(AES.block_size).unpadder()

    def update(self, data: bytes) -> bytes:
        return self._unpadder.update(self._cipher.update(data))

    def finish(self, tail: Sequence[Element]) -> bytes:
        _check([element.tag for element in tail] in ([], [ATTRIBUTES]))
        return self._unpadder.update(self._cipher.finalize()) + self._unpadder.finalize()


class _Gcm:
    def __init__(self, key: bytes, parameters: Element) -> None:
        nonce, *length = parameters.of(SEQUENCE)
        self._tag_length = int.from_bytes(length[0].of(INTEGER).octets) if length else 12
        _check(12 <= self._tag_length <= 16)
        mode = GCM(nonce.as_string(OCTET_STRING), min_tag_length=self._tag_length)
        self._cipher = Cipher(AES(key), mode).decryptor()

    def update(self, data: bytes) -> bytes:
        return self._cipher.update(data)

    def finish(self, tail: Sequence[Element]) -> bytes:
        # Authenticated attributes stand behind the content but count before it: not to be checked as a stream.
        _check([element.tag for element in tail] in ([OCTET_STRING], [OCTET_STRING, UNAUTHENTICATED]))
        _check(len(tail[0].octets) == self._tag_length)
        return self._cipher.finalize_with_tag(tail[0].octets)


class _Lost:
    """Deciphers with a key that is none, and fails at the end: a damaged key shows where damaged content does, so that
    neither an answer nor when it comes tells the two apart.
    """

    def __init__(self, content: Content) -> None:
        self._content = content

    def update(self, data: bytes) -> bytes:
        return self._content.update(data)

    def finish(self, tail: Sequence[Element]) -> bytes:
        self._content.finish(tail)
        raise NotBer


def content(kind: bytes, algorithm: Element, recipients: Element, pairs: Sequence[KeyPair]) -> Content:
    name, parameters = algorithm
    _check(kind in (ENVELOPED_DATA, AUTH_ENVELOPED_DATA))
    size, cipher = (AES_CBC[name.octets], _Cbc) if kind == ENVELOPED_DATA else (AES_GCM[name.octets], _Gcm)
    key = content_key(recipients, pairs, size)
    return cipher(key, parameters) if key else _Lost(cipher(secrets.token_bytes(size), parameters))


def _check(holds: bool) -> None:
    if not holds:
        raise NotBer
