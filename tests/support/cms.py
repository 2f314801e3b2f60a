"""Key pairs, envelopes in shapes that we do not write ourselves, and the CMS of OpenSSL's command line."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fiks_cms.ber import CONSTRUCTED, DEEPEST, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context, encoded, oid
from fiks_cms.content import AUTH_ENVELOPED_DATA, ENVELOPED_DATA
from fiks_cms.envelope import AES_256_CBC, DATA, EXPLICIT, Decryptor, Encryptor
from fiks_cms.recipients import KeyPair, recipient


@cache
def key_pair(name: str = "mottaker", bits: int = 2048, serial: int | None = None) -> KeyPair:
    """A key pair; always the same for the same arguments."""
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
    return pair_of(rsa.generate_private_key(public_exponent=65537, key_size=bits), subject, serial)


def pair_of(key: rsa.RSAPrivateKey, subject: x509.Name, serial: int | None = None) -> KeyPair:
    """The key with a certificate that it has signed itself."""
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(serial or x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return KeyPair(made.sign(key, SHA256()), key)


def encrypt(content: bytes, *pairs: KeyPair) -> bytes:
    """As our Encryptor does it."""
    encryptor = Encryptor([pair.certificate for pair in pairs])
    return encryptor.update(content) + encryptor.finish()


def decrypt(message: bytes, *pairs: KeyPair, cuts: Iterable[int] = ()) -> bytes:
    """As our Decryptor does it, fed in chunks that end at ``cuts``. Raises NotReadable."""
    decryptor = Decryptor(pairs)
    return b"".join(map(decryptor.update, chunks(message, cuts))) + decryptor.finish()


def chunks(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in order, cut at these places."""
    places = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


def envelope(
    content: bytes,
    *pairs: KeyPair,
    part: int | None = None,
    deep: int = 0,
    is_open: bool = False,
    gcm: bool = False,
    recipients: Sequence[bytes] = (),
) -> bytes:
    """An envelope in any shape: parts of so many octets or none, within so many strings; lengths indefinite or not.

    ``recipients`` are RecipientInfos to put before those of ``pairs``; they do not know the key.
    """
    key, initial = secrets.token_bytes(32), secrets.token_bytes(12 if gcm else 16)
    encrypted, tag = _gcm(key, initial, content) if gcm else (_cbc(key, initial, content), b"")
    name = oid("2.16.840.1.101.3.4.1.46") if gcm else AES_256_CBC
    parameters = encoded(OCTET_STRING, initial)
    if gcm:
        parameters = encoded(SEQUENCE, parameters, encoded(INTEGER, b"\x10"))
    infos = [*recipients, *(recipient(pair.certificate, key) for pair in pairs)]
    kind = AUTH_ENVELOPED_DATA if gcm else ENVELOPED_DATA
    inner = _element(
        is_open,
        SEQUENCE,
        encoded(OID, DATA),
        _element(is_open, SEQUENCE, encoded(OID, name), parameters),
        _string(encrypted, part, deep, is_open),
    )
    data = _element(
        is_open,
        SEQUENCE,
        encoded(INTEGER, b"\0"),
        _element(is_open, SET, *infos),
        inner,
        *([encoded(OCTET_STRING, tag)] if gcm else []),
    )
    return _element(is_open, SEQUENCE, encoded(OID, kind), _element(is_open, EXPLICIT, data))


def _string(content: bytes, part: int | None, deep: int, is_open: bool) -> bytes:
    if part is None:
        return encoded(context(0), content)
    parts = [encoded(OCTET_STRING, content[at : at + part]) for at in range(0, len(content), part)]
    for _ in range(deep):
        parts = [_element(is_open, OCTET_STRING | CONSTRUCTED, *parts)]
    return _element(is_open, context(0) | CONSTRUCTED, *parts)


def _element(is_open: bool, tag: int, *contents: bytes) -> bytes:
    return b"".join((bytes((tag, 0x80)), *contents, b"\0\0")) if is_open else encoded(tag, *contents)


def _cbc(key: bytes, initial: bytes, content: bytes) -> bytes:
    padder, cipher = PKCS7(128).padder(), Cipher(AES(key), CBC(initial)).encryptor()
    return cipher.update(padder.update(content) + padder.finalize()) + cipher.finalize()


def _gcm(key: bytes, nonce: bytes, content: bytes) -> tuple[bytes, bytes]:
    sealed = AESGCM(key).encrypt(nonce, content, None)
    return sealed[:-16], sealed[-16:]


def is_whole(message: bytes) -> bool:
    """Whether its lengths add up, by a reader that has all of it at hand."""
    try:
        return _end(message, 0, len(message), DEEPEST) == len(message)
    except (IndexError, ValueError):
        return False


def _end(message: bytes, at: int, limit: int, deep: int) -> int:
    """Where the element ends that begins at ``at``. Raises IndexError or ValueError where it does not."""
    tag, first, at = message[at], message[at + 1], at + 2
    if tag == 0 or tag & 0x1F == 0x1F or not deep:
        raise ValueError
    if first > 0x80:
        told = first & 0x7F
        if told > 8 or at + told > limit:
            raise ValueError
        first, at = int.from_bytes(message[at : at + told]), at + told
    elif first == 0x80:
        if not tag & CONSTRUCTED:
            raise ValueError
        while message[at : min(at + 2, limit)] != b"\0\0":
            at = _end(message, at, limit, deep - 1)
        return at + 2
    end = at + first
    if end > limit:
        raise ValueError
    while tag & CONSTRUCTED and at < end:
        at = _end(message, at, end, deep - 1)
    return end


class OpenSsl:
    """``openssl cms`` with its files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def encrypt(self, content: bytes, *arguments: str) -> bytes:
        """DER of an envelope; ``-stream`` among the arguments makes it BER with indefinite lengths."""
        return self._run(content, "-encrypt", "-binary", "-outform", "DER", *arguments)

    def decrypt(self, message: bytes, pair: KeyPair) -> bytes:
        """What OpenSSL reads."""
        return self._run(message, "-decrypt", "-binary", "-inform", "DER", "-inkey", self.key(pair))

    def sign(self, content: bytes, pair: KeyPair) -> bytes:
        """SignedData, which is no envelope."""
        return self._run(
            content,
            "-sign",
            "-outform",
            "DER",
            "-nodetach",
            "-signer",
            self.certificate(pair),
            "-inkey",
            self.key(pair),
        )

    def sign_apart(self, content: bytes, pair: KeyPair, *arguments: str) -> bytes:
        """SignedData over content that it does not have."""
        who = ("-signer", self.certificate(pair), "-inkey", self.key(pair))
        return self._run(content, "-sign", "-binary", "-outform", "DER", *who, *arguments)

    def to(self, pair: KeyPair, *options: str) -> list[str]:
        """Arguments that address the pair, with these options of the key, such as ``rsa_padding_mode:oaep``."""
        return ["-recip", self.certificate(pair), *(word for option in options for word in ("-keyopt", option))]

    def certificate(self, pair: KeyPair) -> str:
        return self._file(f"{pair.certificate.serial_number}.crt", pair.certificate.public_bytes(Encoding.PEM))

    def key(self, pair: KeyPair) -> str:
        pem = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self._file(f"{pair.certificate.serial_number}.key", pem)

    def _file(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)

    def _run(self, stdin: bytes, *arguments: str) -> bytes:
        read, written = self._file("in", stdin), self._folder / "out"
        subprocess.run(["openssl", "cms", *arguments[:1], "-in", read, "-out", written, *arguments[1:]], check=True)
        return written.read_bytes()
