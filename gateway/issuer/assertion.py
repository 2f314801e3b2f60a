"""Who made an assertion that asks for a token, as the test issuer finds out. Contract: auth.md 2.1 and 2.4."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from gateway.auth.grant import GrantHeaders
from gateway.auth.tokens import ALGORITHMS

CLIENT = re.compile(r"test-([0-9]{9})", re.ASCII)
NAMES = (NameOID.SERIAL_NUMBER, NameOID.ORGANIZATION_IDENTIFIER)
"""Where a virksomhetssertifikat names its orgnr: the older and the newer field (which says ``NTRNO-<orgnr>``)."""
GRANTS = GrantHeaders(algorithms=ALGORITHMS, strict_check_header=False)

Registered = Mapping[str, Mapping[str, RSAKey]]
"""The keys that clients have registered, by client id and key id."""


class Refused(Exception):
    """The grant is refused: an OAuth error, and what Maskinporten says of it."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.answer = {"error": error, "error_description": description}
        self.status = 401 if error == "invalid_client" else 400


class Client(NamedTuple):
    """Who asks, and how it proved that."""

    id: str
    orgnr: str
    amr: str


def prove(assertion: str, registered: Registered, now: float) -> tuple[Client, dict[str, Any]]:
    """Who made the assertion, and its claims. Raises Refused."""
    try:
        signed = jws.extract_compact(assertion.encode(), registry=GRANTS)
        claims = json.loads(signed.payload)
        client, key = _client(str(claims.get("iss")), signed.headers(), registered, now)
        if not jws.validate_compact(signed, key, registry=GRANTS):
            raise Refused("invalid_grant", "the signature does not hold (MP-124)")
    except (JoseError, ValueError, AttributeError, RecursionError) as fault:
        raise Refused("invalid_grant", "the assertion cannot be read (MP-011)") from fault
    return client, claims


def _client(client_id: str, header: Mapping[str, Any], registered: Registered, now: float) -> tuple[Client, RSAKey]:
    """Who the client says it is, and the key that must have signed."""
    known = CLIENT.fullmatch(client_id)
    if known is None:
        raise Refused("invalid_client", "client not found; test clients are called test-<orgnr> (MP-100)")
    if "x5c" in header:
        key = _key_of(_leaf(header["x5c"]), known[1], datetime.fromtimestamp(now, UTC))
        return Client(client_id, known[1], "virksomhetssertifikat"), key
    registered_key = registered.get(client_id, {}).get(str(header.get("kid")))
    if registered_key is None:
        raise Refused("invalid_grant", "neither x5c nor the kid of a registered key (MP-124)")
    return Client(client_id, known[1], "private_key_jwt"), registered_key


def _leaf(chain: Any) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
    except (TypeError, ValueError, IndexError, KeyError) as fault:
        raise Refused("invalid_grant", "x5c must hold base64 DER certificates (MP-123)") from fault


def _key_of(certificate: x509.Certificate, orgnr: str, now: datetime) -> RSAKey:
    """The key of the client's certificate."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused("invalid_grant", "the certificate is not valid now (MP-120)")
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey):
        raise Refused("invalid_grant", "the certificate's key is not RSA (MP-120)")
    named = {_orgnr_of(attribute) for oid in NAMES for attribute in certificate.subject.get_attributes_for_oid(oid)}
    if named != {orgnr}:
        raise Refused("invalid_client", "the certificate does not name the client's organisation (MP-122)")
    return RSAKey.import_key(public)


def _orgnr_of(attribute: x509.NameAttribute[str | bytes]) -> str:
    return str(attribute.value).removeprefix("NTRNO-")
