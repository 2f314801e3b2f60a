"""The envelope in which vendors send and get content: CMS EnvelopedData and AuthEnvelopedData (RFC 5652, 5083), read
and written as the content passes, in constant memory. Knows bytes alone: no files, no network, no documents.

What is written is what the KS clients read: AES-256-CBC for RSAES-OAEP with SHA-256. Read are also AES with 128 and 192
bits, GCM, RSA PKCS#1 v1.5 and other hashes in OAEP, with definite or indefinite lengths.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cryptography import x509
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from fiks_cms.ber import (
    CONSTRUCTED,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    Element,
    NotBer,
    Reader,
    Reading,
    context,
    encoded,
    oid,
    opening,
)
from fiks_cms.content import ENVELOPED_DATA, Content, content
from fiks_cms.recipients import KeyPair, recipient

SEGMENT = 256 * 1024
"""Octets of content in each part that is written. BouncyCastle reads 20 MB of them within a heap of 64 MB."""

DATA, AES_256_CBC = oid("1.2.840.113549.1.7.1"), oid("2.16.840.1.101.3.4.1.42")
EXPLICIT = context(0) | CONSTRUCTED
OPEN, CLOSED = b"\x80", b"\0\0"

_FAULTS = (NotBer, LookupError, ValueError, InvalidTag, UnsupportedAlgorithm)


class NotReadable(Exception):
    """The content cannot be deciphered. Why is not told, to nobody: every reason has this text."""

    def __init__(self) -> None:
        super().__init__("The message cannot be deciphered")


class Decryptor:
    """Deciphers what was enveloped for one of ``pairs``.

    Nothing that ``update`` returned may count before ``finish`` has returned: only then the message is known to be
    whole and, with GCM, to be what the sender wrote. A caller must be able to take back all it did with it. (CBC
    never shows whether the content was changed under way.) Both raise NotReadable, and so does every call after that.
    """

    def __init__(self, pairs: Sequence[KeyPair]) -> None:
        self._pairs = pairs
        self._reader = Reader()
        self._pieces: list[bytes] = []
        self._content: Content | None = None
        self._tail: list[Element] | None = None
        self._reading = self._message()
        self._is_broken = False

    def update(self, data: bytes) -> bytes:
        """The next part of the message; returns what can be deciphered by now, often nothing."""
        with self._one_fault():
            self._reader.feed(data)
            next(self._reading, None)
            if self._tail is not None and not self._reader.at_end_of_input:
                raise NotBer
            plain = self._content.update(b"".join(self._pieces)) if self._content else b""
            self._pieces.clear()
            return plain

    def finish(self) -> bytes:
        """The end of the message has come; returns the last of the content."""
        with self._one_fault():
            if self._content is None or self._tail is None:
                raise NotBer
            return self._content.finish(self._tail)

    def _message(self) -> Reading[None]:
        """ContentInfo. The octets of the content go to ``_pieces``."""
        reader = self._reader
        yield from reader.enter(SEQUENCE)
        kind = (yield from reader.element()).of(OID).octets
        yield from reader.enter(EXPLICIT)
        yield from reader.enter(SEQUENCE)
        (yield from reader.element()).of(INTEGER)
        recipients = yield from reader.element()
        if recipients.tag == EXPLICIT:  # certificates of the sender, for ways of encryption that are not ours
            recipients = yield from reader.element()
        yield from reader.enter(SEQUENCE)
        (yield from reader.element()).of(OID)
        algorithm = (yield from reader.element()).of(SEQUENCE)
        self._content = content(kind, algorithm, recipients, self._pairs)
        yield from reader.string(context(0), self._pieces)
        yield from reader.leave()
        reader.forget()
        tail = []
        while (yield from reader.more()):
            tail.append((yield from reader.element()))
        yield from reader.leave()
        yield from reader.leave()
        self._tail = tail

    @contextmanager
    def _one_fault(self) -> Iterator[None]:
        try:
            if self._is_broken:
                raise NotBer
            yield
        except _FAULTS:
            self._is_broken = True
            raise NotReadable from None


class Encryptor:
    """Envelopes content for the holders of ``certificates``, each of which must have an RSA key (else TypeError).

    Content may be given in any parts; the message is what all calls return, in order.
    """

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        key, initial = secrets.token_bytes(32), secrets.token_bytes(16)
        self._out = _beginning([recipient(certificate, key) for certificate in certificates], initial)
        self._segment = bytearray()
        self._cipher = Cipher(AES(key), CBC(initial)).encryptor()
        self._padder = PKCS7(AES.block_size).padder()

    def update(self, data: bytes) -> bytes:
        """The next part of the content."""
        self._segment += self._cipher.update(self._padder.update(data))
        while len(self._segment) >= SEGMENT:
            self._write(SEGMENT)
        return self._written()

    def finish(self) -> bytes:
        """The content has ended; returns the last of the message."""
        self._segment += self._cipher.update(self._padder.finalize()) + self._cipher.finalize()
        self._write(len(self._segment))
        self._out += 5 * CLOSED
        return self._written()

    def _write(self, octets: int) -> None:
        self._out += opening(OCTET_STRING, octets) + self._segment[:octets]
        del self._segment[:octets]

    def _written(self) -> bytes:
        out, self._out = self._out, bytearray()
        return bytes(out)


def _beginning(recipients: Sequence[bytes], initial: bytes) -> bytearray:
    """The message before its content, with indefinite lengths, for nobody knows how much will come."""
    algorithm = encoded(SEQUENCE, encoded(OID, AES_256_CBC), encoded(OCTET_STRING, initial))
    return bytearray().join(
        (
            *(bytes((SEQUENCE,)), OPEN, encoded(OID, ENVELOPED_DATA)),
            *(bytes((EXPLICIT,)), OPEN),
            *(bytes((SEQUENCE,)), OPEN, encoded(INTEGER, b"\0"), encoded(SET, *sorted(recipients))),
            *(bytes((SEQUENCE,)), OPEN, encoded(OID, DATA), algorithm),
            *(bytes((EXPLICIT,)), OPEN),
        )
    )
