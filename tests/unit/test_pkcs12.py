"""A PKCS#12 file that cannot be opened is told as such, whatever the reason is."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from gateway.routes.fiks_io_katalog import _pem_of
from tests.support.certificates import certificate, key


def file(passord: bytes) -> bytes:
    return serialize_key_and_certificates(b"a", key(), certificate(), None, BestAvailableEncryption(passord))


@pytest.mark.parametrize("passord", [b"feil", "blåbær".encode(), "blåbær".encode("latin-1"), b"\xff\xfe"])
def test_a_wrong_password_of_whatever_octets_opens_nothing(passord: bytes) -> None:
    """A form in ISO-8859-1, as Java's client writes headers: the library raises TypeError for what is no UTF-8."""
    assert _pem_of(file(b"riktig"), passord) is None
