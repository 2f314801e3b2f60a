"""A certificate with extensions that the library does not know is judged, or refused: it is no bug of ours."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from schemas.errors import Unreadable
from streams.domain.sertifikater import sertifikat
from tests.support.certificates import BEGIN, END, key

EXTENSIONS = {
    "an alternative name of the kind x400Address": ("2.5.29.17", bytes.fromhex("3004a3023000")),
    "an alternative name of the kind ediPartyName": ("2.5.29.17", bytes.fromhex("3006a50430028100")),
    "a TLS feature that nobody has named": ("1.3.6.1.5.5.7.1.24", bytes.fromhex("3003020163")),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_extension_that_the_library_does_not_know_is_no_bug_of_ours(name: str) -> None:
    """PUT .../offentligNokkel, .../verifiser: UnsupportedGeneralNameType and KeyError are answered 500."""
    oid, raw = EXTENSIONS[name]
    of = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fagsystem")])
    made = x509.CertificateBuilder().subject_name(of).issuer_name(of).public_key(key().public_key()).serial_number(5)
    made = made.not_valid_before(BEGIN).not_valid_after(END)
    made = made.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), raw), critical=False)
    with suppress(Unreadable):
        sertifikat(made.sign(key(), SHA256()).public_bytes(Encoding.PEM).decode())
