"""Signatures of manifests: CAdES-BES (ETSI EN 319 122-1), detached. All cryptography is that of pyHanko."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asn1crypto import cms, core, keys
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign.general import match_issuer_serial
from pyhanko.sign.signers import SimpleSigner
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko_certvalidator.registry import CertificateStore, SimpleCertificateStore

from fiks_io.errors import Refused

STRONG = frozenset(("sha256", "sha384", "sha512"))


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs what is sent: an enterprise certificate (virksomhetssertifikat) or another, the certificates above it,
    and where time stamps come from, if there shall be any."""

    certificate: x509.Certificate
    key: RSAPrivateKey | EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    timestamper: TimeStamper | None = None


async def signed(manifest: bytes, signer: Signer) -> bytes:
    """The signature over a manifest, DER. Raises what the ``timestamper`` raises."""
    private = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificates: CertificateStore = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    certificates.register_multiple(map(_asn1, signer.chain))
    signing = SimpleSigner(
        _asn1(signer.certificate),
        keys.PrivateKeyInfo.load(private),
        certificates,
    )
    made = await signing.async_sign_general_data(
        manifest,
        "sha256",
        use_cades=True,
        timestamper=signer.timestamper,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=datetime.now(UTC)),
    )
    return bytes(made.dump())


def verified(signature: bytes, manifest: bytes, *, allow_sha1: bool) -> tuple[x509.Certificate, ...]:
    """The certificates of those who signed the manifest; none of them is judged. Raises Refused."""
    try:
        return tuple(_verified(signature, manifest, STRONG | {"sha1"} if allow_sha1 else STRONG))
    except Refused:
        raise
    except Exception as fault:  # asn1crypto decodes as it is asked, and raises whatever comes of what was sent
        raise Refused("a signature cannot be read") from fault


def _verified(signature: bytes, manifest: bytes, allowed: frozenset[str]) -> Iterator[x509.Certificate]:
    message = cms.ContentInfo.load(signature, strict=True)
    if message["content_type"].native != "signed_data":
        raise Refused("a signature is not SignedData")
    data = message["content"]
    if data["encap_content_info"]["content"].native is not None:
        raise Refused("a signature has content of its own")
    certificates = [one.chosen for one in data["certificates"] if one.name == "certificate"]
    if not data["signer_infos"]:
        raise Refused("a signature is by nobody")
    for info in data["signer_infos"]:
        if isinstance(info["signed_attrs"], core.Void):
            raise Refused("a signature has no signed attributes")
        if not allowed.issuperset(used := set(_digests(info))):
            raise Refused(f"a signature leans on {', '.join(sorted(used))}")
        certificate = _certificate(info["sid"], certificates)
        digest = hashlib.new(info["digest_algorithm"]["algorithm"].native, manifest, usedforsecurity=False).digest()
        if validate_sig_integrity(info, certificate, "data", digest) != (True, True):
            raise Refused("a signature is not over the manifest")
        yield x509.load_der_x509_certificate(certificate.dump())


def _digests(info: cms.SignerInfo) -> Iterator[str]:
    """The digests that a signature leans on. RSA by itself names none: then it is that of the message."""
    yield info["digest_algorithm"]["algorithm"].native
    if info["signature_algorithm"]["algorithm"].native != "rsassa_pkcs1v15":
        yield info["signature_algorithm"].hash_algo


def _certificate(name: cms.SignerIdentifier, certificates: list[asn1.Certificate]) -> asn1.Certificate:
    for certificate in certificates:
        if name.name == "subject_key_identifier":
            if certificate.key_identifier == name.chosen.native:
                return certificate
        elif match_issuer_serial(name.chosen, certificate):
            return certificate
    raise Refused("a signature has no certificate of who made it")


def _asn1(certificate: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(certificate.public_bytes(Encoding.DER))
