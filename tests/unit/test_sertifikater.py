"""Which certificates may be used for content, and that what was uploaded comes back as it was."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Unreadable
from streams.domain.sertifikater import LONGEST, feil, sertifikat
from tests.support.certificates import BEGIN, END, certificate, elliptic, key, pem, used_for

NOW = datetime(2026, 3, 11, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def fault_of(made: x509.Certificate, now: datetime = NOW) -> str | None:
    return feil(sertifikat(pem(made)), now)


def test_what_is_told_of_a_certificate() -> None:
    read = sertifikat(pem())
    name = "CN=Fagsystem,OU=Arkiv,O=Testvik kommune,L=Testvik,C=NO"
    assert (read.subjekt, read.utsteder, read.serienummer) == (name, name, "0x523DC4FE")
    assert (read.gyldig_fra, read.gyldig_til, read.feil) == (BEGIN, END, None)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_long_keys_may_be_used(bits: int) -> None:
    assert fault_of(certificate(key(bits))) is None


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: certificate(key(1024)), "er på 1024 bit, og må være på minst 2048"),
        (lambda: certificate(elliptic()), "ikke en RSA-nøkkel"),
        (lambda: certificate(usage=used_for("digital_signature", "content_commitment")), "keyUsage"),
    ],
    ids=["short", "elliptic", "for signatures"],
)
def test_some_can_never_be_used(made: object, why: str) -> None:
    assert why in (fault_of(made()) or "")  # type: ignore[operator]


@pytest.mark.parametrize("purpose", ["key_encipherment", "data_encipherment"])
def test_a_certificate_that_says_what_it_is_for_must_be_for_enciphering(purpose: str) -> None:
    assert fault_of(certificate(usage=used_for(purpose, "digital_signature"))) is None


def test_a_certificate_may_be_used_from_its_first_second_to_its_last() -> None:
    begin, end = NOW, NOW + timedelta(days=30)
    made = certificate(begin=begin, end=end)
    assert [fault_of(made, at) for at in (begin, end)] == [None, None]
    assert fault_of(made, begin - SECOND) == "Sertifikatet er ikke gyldig før 2026-03-11 09:30 UTC"
    assert fault_of(made, end + SECOND) == "Sertifikatet utløp 2026-04-10 09:30 UTC"


white = st.text(" \t\r\n", max_size=3)
around = st.text(max_size=40).filter(lambda text: "-----BEGIN" not in text)


@given(around, around, st.lists(white, min_size=5, max_size=200), st.integers(10, 5000))
def test_it_is_found_wherever_it_stands_and_kept_as_it_stood(
    before: str, after: str, gaps: list[str], width: int
) -> None:
    """In lines of any length, with any line ends, behind other text and before other certificates."""
    text = base64.b64encode(certificate().public_bytes(Encoding.DER)).decode()
    lines = re.findall(f".{{1,{width}}}", text)
    body = "".join(line + gaps[number % len(gaps)] for number, line in enumerate(lines))
    block = f"-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----"
    read = sertifikat(f"{before}\n{block}\n{after}{pem(certificate(elliptic()))}")
    assert read.pem == block
    assert read.serienummer == "0x523DC4FE" and read.feil is None


def test_a_private_key_that_came_with_it_is_not_kept() -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    assert "PRIVATE" not in sertifikat(secret + pem() + secret).pem


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ikke noe",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
        pem().replace("-----END", "=-----END"),
        pem()[:-40] + "-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        " " * LONGEST + pem(),
    ],
    ids=["empty", "text", "nothing in it", "no base64", "too much", "cut", "bare key", "long"],
)
def test_what_is_no_certificate_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable, match="Ugyldig innhold"):
        sertifikat(text)


@pytest.mark.parametrize(
    ("was", "now"),
    [(b"\x0c\x09Fagsystem", b"\x03\x09Fagsystem"), (b"\x02\x04\x52\x3d", b"\x02\x04\xd2\x3d")],
    ids=["a name of bits", "a negative serial"],
)
def test_what_other_readers_may_stumble_over_is_unreadable(was: bytes, now: bytes) -> None:
    der = certificate().public_bytes(Encoding.DER)
    assert was in der
    text = base64.b64encode(der.replace(was, now)).decode()
    with pytest.raises(Unreadable):
        sertifikat(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----")


@given(st.integers(0, 700), st.binary(min_size=1, max_size=3))
def test_a_damaged_certificate_is_read_or_unreadable_and_nothing_else(at: int, other: bytes) -> None:
    der = bytearray(certificate().public_bytes(Encoding.DER))
    der[at % len(der) : at % len(der) + len(other)] = other
    text = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----"
    try:
        assert sertifikat(text).pem == text
    except Unreadable as fault:
        assert text not in str(fault)
