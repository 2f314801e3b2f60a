"""What OpenSSL's command line envelopes we read, and the other way round. And the sample that KS publishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from fiks_cms.envelope import Decryptor, NotReadable
from infra.crypto.cms_structure import NotWhole, Structure
from tests.support.cms import OpenSsl, decrypt, encrypt, key_pair, pair_of

SAMPLE = Path(__file__).parent / "dekrypter"
CONTENT = bytes(range(256)) * 2000 + b"og litt til"
OAEP = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256")


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    return OpenSsl(tmp_path)


@pytest.mark.parametrize("stream", [["-stream"], []], ids=["BER", "DER"])
@pytest.mark.parametrize(
    "options",
    [
        OAEP,
        ("rsa_padding_mode:oaep",),
        ("rsa_padding_mode:oaep", "rsa_oaep_md:sha1"),
        ("rsa_padding_mode:oaep", "rsa_oaep_md:sha512", "rsa_mgf1_md:sha256"),
        (*OAEP, "rsa_oaep_label:6d657267"),
        (),
    ],
    ids=["oaep-sha256", "oaep", "oaep-sha1", "oaep-sha512-mgf-sha256", "oaep-label", "v1.5"],
)
@pytest.mark.parametrize(
    "cipher", ["aes-256-cbc", "aes-192-cbc", "aes-128-cbc", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"]
)
def test_reads_what_openssl_writes(openssl: OpenSsl, stream: list[str], options: tuple[str, ...], cipher: str) -> None:
    pair = key_pair()
    message = openssl.encrypt(CONTENT, f"-{cipher}", *stream, *openssl.to(pair, *options))
    assert decrypt(message, pair, cuts=range(0, len(message), 1009)) == CONTENT


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 16, CONTENT], ids=len)
def test_openssl_reads_what_we_write(openssl: OpenSsl, content: bytes) -> None:
    pair, other = key_pair(), key_pair("annen")
    assert openssl.decrypt(encrypt(content, pair), pair) == content
    assert openssl.decrypt(encrypt(content, other, pair), pair) == content


@pytest.mark.parametrize("how", [[], ["-keyid"]], ids=["issuer and serial", "subject key identifier"])
def test_several_recipients(openssl: OpenSsl, how: list[str]) -> None:
    """Each reads it with its own key, whatever the others are called; a key that is not meant does not."""
    first, second, third = key_pair(), key_pair("annen", 3072), key_pair("tredje")
    to = [*openssl.to(first, *OAEP), *openssl.to(second)]
    message = openssl.encrypt(CONTENT, "-stream", "-aes-256-cbc", *how, *to)
    for pairs in ((first,), (second,), (third, second), (third, first, second)):
        assert decrypt(message, *pairs) == CONTENT
    with pytest.raises(NotReadable):
        decrypt(message, third)


def test_the_same_certificate_in_both_ways(openssl: OpenSsl) -> None:
    """As the .NET client of KS does it."""
    pair = key_pair()
    message = openssl.encrypt(CONTENT, "-aes-256-cbc", *openssl.to(pair), *openssl.to(pair, *OAEP))
    assert decrypt(message, pair) == CONTENT


def test_the_sample_of_ks() -> None:
    """Written by BouncyCastle: kryptert.pdf.crypt of github.com/ks-no/dekrypter, cb9d1eb. MIT, see LICENSE.txt."""
    key = load_pem_private_key((SAMPLE / "privatekey.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    printable = _ASN1Type.PrintableString
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "no"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Hordaland", printable),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Bergen", printable),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Grafisk Digital", printable),
            x509.NameAttribute(NameOID.COMMON_NAME, "gd", printable),
        ]
    )
    pair = pair_of(key, issuer, 0x85237A2E1F9D120D)
    message = (SAMPLE / "kryptert.pdf.crypt").read_bytes()
    for size in (1, 7, 1000, 1004, len(message)):
        content = decrypt(message, pair, cuts=range(0, len(message), size))
        assert content.startswith(b"%PDF-1.4")
        assert content.rstrip().endswith(b"%%EOF")


def test_nothing_that_is_no_envelope_is_read(openssl: OpenSsl) -> None:
    pair = key_pair()
    signed = openssl.sign(CONTENT, pair)
    for message in (signed, b"", b"%PDF-1.4", CONTENT):
        with pytest.raises(NotReadable):
            decrypt(message, pair)


def test_without_a_key_nothing_is_read() -> None:
    with pytest.raises(NotReadable):
        Decryptor([]).update(encrypt(CONTENT, key_pair()))


@pytest.mark.parametrize("stream", [["-stream"], []], ids=["BER", "DER"])
@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_what_openssl_envelopes_is_whole_and_any_part_of_it_is_not(
    openssl: OpenSsl, stream: list[str], cipher: str
) -> None:
    message = openssl.encrypt(CONTENT[:5000], f"-{cipher}", *stream, *openssl.to(key_pair(), *OAEP))
    assert is_whole(message)
    assert not any(is_whole(message[:end]) for end in range(20, len(message), 7))
    assert not is_whole(message + b"\0")


def test_what_openssl_signs_is_whole_and_any_part_of_it_is_not(openssl: OpenSsl) -> None:
    message = openssl.sign(CONTENT[:5000], key_pair())
    assert is_whole(message)
    assert not any(is_whole(message[:end]) for end in range(20, len(message), 7))


def is_whole(message: bytes) -> bool:
    structure = Structure()
    try:
        for at in range(0, len(message), 1009):
            structure.update(message[at : at + 1009])
        structure.finish()
    except NotWhole:
        return False
    return True
