"""Asks a test issuer for an access token as a vendor asks Maskinporten (RFC 7523). Contract: auth.md 2.1."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiohttp import ClientSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from streams.domain.errors import Rejected

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LONGEST = 120
"""Seconds from ``iat`` to ``exp`` at most."""


class GrantHeaders(JWSRegistry):
    """A JWS header that has room for a certificate."""

    max_header_length = 32_000


def client_id(orgnr: str) -> str:
    """The rule of the test issuer: this client belongs to that organisation."""
    return f"test-{orgnr}"


def claims(orgnr: str, audience: str, scope: str, **more: object) -> dict[str, object]:
    """The claims of an assertion that is made now, with ``more`` or other ones."""
    now = int(time.time())
    made = {"aud": audience, "scope": scope, "iss": client_id(orgnr), "iat": now, "exp": now + LONGEST}
    return made | {"jti": str(uuid4())} | more


def assertion(about: dict[str, object], key: RSAKey, **header: object) -> str:
    """The signed assertion. ``header`` holds ``x5c`` or ``kid``."""
    return jwt.encode({"alg": "RS256"} | header, about, key, registry=GrantHeaders(algorithms=["RS256"]))


def x5c(certificate: x509.Certificate) -> list[str]:
    """The certificate as KS clients show it: the leaf alone."""
    return [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]


def certificate(key: RSAPrivateKey, orgnr: str) -> x509.Certificate:
    """A stand-in for a virksomhetssertifikat, signed by itself, valid for a day around now."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NO"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Test {orgnr}"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, orgnr),
        ]
    )
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = unsigned.not_valid_before(now - timedelta(hours=12)).not_valid_after(now + timedelta(hours=12))
    return dated.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256())


async def token_for(issuer: str, orgnr: str, scope: str = "ks:fiks", **more: object) -> str:
    """An access token for ``orgnr`` from the test issuer, asked for with a key and certificate made for the purpose.

    Raises Rejected when the issuer refuses, aiohttp.ClientError when it does not answer.
    """
    key = RSAKey.generate_key(2048)
    assert key.private_key is not None
    signed = assertion(claims(orgnr, issuer, scope, **more), key, x5c=x5c(certificate(key.private_key, orgnr)))
    form = {"grant_type": GRANT_TYPE, "assertion": signed}
    async with ClientSession() as session, session.post(f"{issuer}token", data=form) as answer:
        said: dict[str, str] = await answer.json()
    if "access_token" not in said:
        raise Rejected(f"{issuer} refuses: {said['error_description']}")
    return said["access_token"]
