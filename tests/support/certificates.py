"""Certificates as accounts of Fiks IO have them, and as they should not have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NAME = (
    (NameOID.COUNTRY_NAME, "NO"),
    (NameOID.LOCALITY_NAME, "Testvik"),
    (NameOID.ORGANIZATION_NAME, "Testvik kommune"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "Arkiv"),
    (NameOID.COMMON_NAME, "Fagsystem"),
)
SERIAL = 0x523DC4FE
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@cache
def key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """An RSA key; one for each number."""
    return rsa.generate_private_key(65537, bits)


@cache
def elliptic() -> ec.EllipticCurvePrivateKey:
    """A key that nothing can be encrypted for here."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    usage: x509.KeyUsage | None = None,
) -> x509.Certificate:
    """A certificate signed by itself, by default of a key of 2048 bits that says nothing of what it is for."""
    private = private or key()
    name = x509.Name([x509.NameAttribute(of, value) for of, value in NAME])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    made = made.serial_number(SERIAL).not_valid_before(begin).not_valid_after(end)
    if usage is not None:
        made = made.add_extension(usage, critical=True)
    return made.sign(private, SHA256())


def used_for(*purposes: str) -> x509.KeyUsage:
    """A key usage of these purposes and no others."""
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{one: one in purposes for one in every})


def pem(made: x509.Certificate | None = None) -> str:
    """The text of a certificate."""
    return (made or certificate()).public_bytes(Encoding.PEM).decode()


def expired() -> x509.Certificate:
    """One whose time is over."""
    now = datetime.now(UTC)
    return certificate(begin=now - timedelta(days=2), end=now - timedelta(days=1))
