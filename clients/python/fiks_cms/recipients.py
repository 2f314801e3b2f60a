"""For whom a CMS envelope is: reads and writes KeyTransRecipientInfo (RFC 5652, 6.2.1) with RSA. Knows no content."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm

from fiks_cms.ber import INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET, Element, NotBer, context, encoded, oid

RSA_V15, RSA_OAEP, MASK_1 = (oid(f"1.2.840.113549.1.1.{number}") for number in (1, 7, 8))
SHA_256 = oid("2.16.840.1.101.3.4.2.1")
HASHES: dict[bytes, HashAlgorithm] = {
    oid("1.3.14.3.2.26"): SHA1(),  # noqa: S303  OAEP does not lean on collisions; it is the default of RFC 4055
    SHA_256: SHA256(),
    oid("2.16.840.1.101.3.4.2.2"): SHA384(),
    oid("2.16.840.1.101.3.4.2.3"): SHA512(),
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key, and the certificate by which senders name it."""

    certificate: x509.Certificate
    key: RSAPrivateKey


def content_key(recipients: Element, pairs: Sequence[KeyPair], size: int) -> bytes | None:
    """The key of the content, which has ``size`` octets, by the first recipient that is one of ``pairs``. None if OAEP
    shows that it was damaged; RSA PKCS#1 v1.5 never shows that.

    OAEP goes first: some senders address the same certificate in both ways. Raises NotBer, LookupError or ValueError
    when there is none.
    """
    ours = [
        (_padding(info.parts[2]), info.parts[3].as_string(OCTET_STRING), pair.key)
        for info in recipients.of(SET)
        if info.tag == SEQUENCE
        for pair in pairs
        if info.parts[1].der in _names(pair.certificate)
    ]
    padding, wrapped, key = min(ours, key=lambda recipient: isinstance(recipient[0], PKCS1v15))
    if isinstance(padding, PKCS1v15):
        return _without_telling(key, wrapped, size)
    try:
        unwrapped = key.decrypt(wrapped, padding)
    except ValueError:
        return None
    return unwrapped if len(unwrapped) == size else None


def recipient(certificate: x509.Certificate, key: bytes) -> bytes:
    """The RecipientInfo by which the holder of ``certificate`` learns the key of the content. RSAES-OAEP, SHA-256."""
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey):
        raise TypeError("Only for a certificate with an RSA key can be encrypted")
    wrapped = public.encrypt(key, OAEP(MGF1(SHA256()), SHA256(), None))
    version, content = encoded(INTEGER, b"\0"), encoded(OCTET_STRING, wrapped)
    return encoded(SEQUENCE, version, _issuer_and_serial(certificate), _oaep_sha256(), content)


def _without_telling(key: RSAPrivateKey, wrapped: bytes, size: int) -> bytes:
    """RSA PKCS#1 v1.5. Whether it was well-formed must not show (Bleichenbacher; RFC 3218, 2.3): if it was not, the
    key is another, and the content fails as it does with any wrong key."""
    another = secrets.token_bytes(size)
    try:
        unwrapped = key.decrypt(wrapped, PKCS1v15())
    except ValueError:
        return another
    return unwrapped if len(unwrapped) == size else another


def _padding(algorithm: Element) -> AsymmetricPadding:
    name, *parameters = algorithm
    if name.octets == RSA_V15:
        return PKCS1v15()
    if name.octets != RSA_OAEP:
        raise NotBer
    hash_name = mask_hash_name = oid("1.3.14.3.2.26")
    label = b""
    for part in (part for parameter in parameters for part in parameter):
        (value,) = part
        if part.tag == context(0) | 0x20:
            hash_name = value.parts[0].octets
        elif part.tag == context(1) | 0x20 and value.parts[0].octets == MASK_1:
            mask_hash_name = value.parts[1].parts[0].octets
        elif part.tag == context(2) | 0x20:
            label = value.parts[1].as_string(OCTET_STRING)
        else:
            raise NotBer
    return OAEP(MGF1(HASHES[mask_hash_name]), HASHES[hash_name], label)


def _oaep_sha256() -> bytes:
    sha256 = encoded(SEQUENCE, encoded(OID, SHA_256), encoded(NULL))
    mask = encoded(SEQUENCE, encoded(OID, MASK_1), sha256)
    return encoded(SEQUENCE, encoded(OID, RSA_OAEP), encoded(SEQUENCE, encoded(0xA0, sha256), encoded(0xA1, mask)))


def _names(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """What a RecipientIdentifier may say of the certificate."""
    return _issuer_and_serial(certificate), encoded(context(0), _subject_key_identifier(certificate))


def _issuer_and_serial(certificate: x509.Certificate) -> bytes:
    number = certificate.serial_number
    serial = encoded(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))
    return encoded(SEQUENCE, certificate.issuer.public_bytes(), serial)


def _subject_key_identifier(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
