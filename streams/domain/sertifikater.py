"""X.509 certificates of accounts, read and judged. Contract: fiks-io.md 1.5, 4.2, and findings fiks-io-edge.md 5.

Clients look neither at the dates nor at anything else before they encrypt, so it is for us to say which certificate may
be used: RSA of 2048 bits or more (readers do nothing else), allowed to encipher keys or data where it says what it is
for, and at a time when it is valid. Who issued it does not matter: most are signed by themselves.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.utils import CryptographyDeprecationWarning

from schemas.errors import Unreadable

LEAST_BITS = 2048
LONGEST = 32_000
"""Characters of PEM text; a certificate has a few thousand."""

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Sertifikat:
    """A certificate, ``pem`` being its text and nothing of what stood around. ``feil`` is why it can never be used."""

    pem: str
    gyldig_fra: datetime
    gyldig_til: datetime
    serienummer: str
    subjekt: str
    utsteder: str
    feil: str | None


def sertifikat(pem: str) -> Sertifikat:
    """The first certificate in a PEM text, as clients take it. Raises Unreadable, which repeats nothing of it."""
    if len(pem) > LONGEST or (found := _BLOCK.search(pem)) is None:
        raise Unreadable("Ugyldig innhold: teksten er ikke et sertifikat i PEM-format")
    try:
        read = _loaded(_decoded("".join(found[1].split())))
        return Sertifikat(
            pem=found[0],
            gyldig_fra=read.not_valid_before_utc,
            gyldig_til=read.not_valid_after_utc,
            serienummer=f"0x{read.serial_number:X}",
            subjekt=read.subject.rfc4514_string(),
            utsteder=read.issuer.rfc4514_string(),
            feil=next(_faults(read), None),
        )
    except (ValueError, TypeError, x509.InvalidVersion, CryptographyDeprecationWarning):  # TypeError: a name of bits
        raise Unreadable("Ugyldig innhold: sertifikatet kan ikke leses") from None


remembered = lru_cache(10_000)(sertifikat)
"""The same of what accounts have, and so is asked for again and again: what anybody asks about is not kept."""


def feil(judged: Sertifikat, now: datetime) -> str | None:
    """Why the certificate must not be used at ``now``, for somebody to read; None when it may."""
    if judged.feil is not None:
        return judged.feil
    if now < judged.gyldig_fra:
        return f"Sertifikatet er ikke gyldig før {judged.gyldig_fra:%Y-%m-%d %H:%M} UTC"
    if now > judged.gyldig_til:
        return f"Sertifikatet utløp {judged.gyldig_til:%Y-%m-%d %H:%M} UTC"
    return None


def _loaded(der: bytes) -> x509.Certificate:
    """The certificate; what later releases of the library refuse, such as a negative serial number, is refused now."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def _decoded(text: str) -> bytes:
    """What base64 says, which must be so exact that no client reads it otherwise. Raises ValueError."""
    der = base64.b64decode(text, validate=True)
    if base64.b64encode(der).decode() != text:
        raise ValueError("there is more than one way to write it")
    return der


def _faults(read: x509.Certificate) -> Iterator[str]:
    try:
        key = read.public_key()
    except (ValueError, UnsupportedAlgorithm):
        yield "Nøkkelen i sertifikatet kan ikke leses"
        return
    if not isinstance(key, RSAPublicKey):
        yield "Nøkkelen i sertifikatet er ikke en RSA-nøkkel"
    elif key.key_size < LEAST_BITS:
        yield f"Nøkkelen i sertifikatet er på {key.key_size} bit, og må være på minst {LEAST_BITS}"
    try:
        usage = read.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    except (ValueError, KeyError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        yield "Utvidelsene i sertifikatet kan ikke leses"
        return
    if not (usage.key_encipherment or usage.data_encipherment):
        yield "Sertifikatet er ikke ment for kryptering (keyUsage mangler keyEncipherment og dataEncipherment)"
