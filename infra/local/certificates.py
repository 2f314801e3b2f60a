"""The certificate by which the local system shows who it is over TLS, from a certificate authority of its own.

``python -m infra.local.certificates FOLDER`` makes it in a folder.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=825)
"""As long as clients take; it is renewed when a third of it is left."""


class Tls(NamedTuple):
    """Files in PEM: the authority that clients must trust, the server's certificate, and its key."""

    authority: Path
    certificate: Path
    key: Path


def local_tls(folder: Path) -> Tls:
    """The files in the folder, made where there are none or where they are about to expire. For ``localhost``."""
    found = Tls(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    if not _holds(found):
        folder.mkdir(parents=True, exist_ok=True)
        _make(found)
    return found


def _holds(files: Tls) -> bool:
    if not all(file.exists() for file in files):
        return False
    until = x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc
    return until - datetime.now(UTC) > LIFETIME / 3


def _make(files: Tls) -> None:
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Fiks backbone, local authority")
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    root = (
        _begun(issuer, issuer, authority.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, SHA256())
    )
    server = (
        _begun(_name("localhost"), issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    files.certificate.write_bytes(server.public_bytes(Encoding.PEM))
    files.authority.write_bytes(root.public_bytes(Encoding.PEM))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


if __name__ == "__main__":
    local_tls(Path(sys.argv[1]))
