"""Messages of Fiks IO as others write them, whole and damaged: XML by hand, signature and envelope by OpenSSL."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from asn1crypto import cms

from tests.support.cms import KeyPair, OpenSsl, key_pair

SIGNER, RECEIVER, STRANGER = key_pair("avsender"), key_pair("mottaker"), key_pair("fremmed")

Files = Mapping[str, bytes]
FILES: Files = {"brev.pdf": b"%PDF-1.4 " + bytes(range(256)) * 70, "vedlegg æøå.txt": "Blåbærsyltetøy".encode()}
MIMETYPE = b"application/vnd.etsi.asic-e+zip"
SIGNATURE = "META-INF/signature-5f0c3c10-6a3b-4a9e-8e29-6b7f0d9b9a01.p7s"
MANIFEST, NET_MANIFEST = "META-INF/ASiCManifest.xml", "META-INF/asicmanifest.xml"
JAVA_NAMESPACE, NET_NAMESPACE = "http://uri.etsi.org/02918/v1.2.1#", "http://uri.etsi.org/2918/v1.2.1#"
JAVA_SHA_256, NET_SHA_256 = "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha256"
OASIS = b'<manifest xmlns="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
OAEP = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256")


def manifest(
    files: Files, *, namespace: str = JAVA_NAMESPACE, method: str = JAVA_SHA_256, digest: str = "sha256"
) -> bytes:
    """A manifest of the files, as KS's clients write it."""
    references = "".join(
        f'<DataObjectReference URI="{name}" MimeType="text/plain"><ds:DigestMethod Algorithm="{method}"/>'
        f"<ds:DigestValue>{base64.b64encode(hashlib.new(digest, content).digest()).decode()}</ds:DigestValue>"
        "</DataObjectReference>"
        for name, content in files.items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<ASiCManifest xmlns="{namespace}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
        f'<SigReference URI="{SIGNATURE}" MimeType="application/x-pkcs7-signature"/>{references}</ASiCManifest>'
    ).encode()


def zipped(entries: Files, method: int = ZIP_DEFLATED) -> bytes:
    """A zip of the entries, of which ``mimetype`` is stored."""
    made = BytesIO()
    with ZipFile(made, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content, ZIP_STORED if name == "mimetype" else method)
    return made.getvalue()


class Maker:
    """Makes messages. ``change`` changes the entries after all was signed."""

    def __init__(self, openssl: OpenSsl) -> None:
        self.openssl = openssl

    def entries(
        self,
        signing: tuple[str, ...] = ("-md", "sha256", "-cades"),
        written: bytes | None = None,
        files: Files = FILES,
        name: str = MANIFEST,
        oasis: bool = True,
    ) -> dict[str, bytes]:
        """What is in a container, by name."""
        content = manifest(files) if written is None else written
        signature = self.openssl.sign_apart(content, SIGNER, *signing)
        made = {"mimetype": MIMETYPE, **files, name: content, SIGNATURE: signature}
        return made | ({"META-INF/manifest.xml": OASIS} if oasis else {})

    def envelope(self, content: bytes, *arguments: str) -> bytes:
        """As the client for Java encrypts, but for the ``arguments``."""
        return self.openssl.encrypt(content, *(arguments or ("-stream", "-aes-256-cbc", *self.to(*OAEP))))

    def to(self, *options: str, pair: KeyPair = RECEIVER) -> list[str]:
        return self.openssl.to(pair, *options)

    def message(self, **how: object) -> bytes:
        return self.envelope(zipped(self.entries(**how)))  # type: ignore[arg-type]

    def changed(self, **entries: bytes | None) -> bytes:
        """A message of which these entries became something else, or nothing, after it was signed."""
        made = self.entries()
        for name, content in entries.items():
            made.pop(name, None)
            if content is not None:
                made[name] = content
        return self.envelope(zipped(made))


class Variant(NamedTuple):
    """A message, and whether a reader must take it."""

    make: Callable[[Maker], bytes]
    is_taken: bool
    is_sha1: bool = False


def twice(make: Maker, *signing: str) -> cms.ContentInfo:
    """The signature over the files, by the same certificate once more, which OpenSSL does not do by itself."""
    one, other = (
        cms.ContentInfo.load(make.openssl.sign_apart(manifest(FILES), SIGNER, "-cades", *signing)) for _ in range(2)
    )
    one["content"]["signer_infos"].append(other["content"]["signer_infos"][0])
    return one


def flipped(content: bytes) -> bytes:
    """One bit in the middle is another."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


VARIANTS = {
    "BER": Variant(Maker.message, True),
    "DER": Variant(lambda make: make.envelope(zipped(make.entries()), "-aes-256-cbc", *make.to(*OAEP)), True),
    "OAEP-SHA1": Variant(
        lambda make: make.envelope(zipped(make.entries()), "-aes-256-cbc", *make.to("rsa_padding_mode:oaep")), True
    ),
    "PKCS 1 v1.5": Variant(lambda make: make.envelope(zipped(make.entries()), "-aes-256-cbc", *make.to()), True),
    "two recipients": Variant(
        lambda make: make.envelope(zipped(make.entries()), "-aes-256-cbc", *make.to(), *make.to(*OAEP)), True
    ),
    "AES-128": Variant(lambda make: make.envelope(zipped(make.entries()), "-aes-128-cbc", *make.to(*OAEP)), True),
    "AES-256-GCM": Variant(lambda make: make.envelope(zipped(make.entries()), "-aes-256-gcm", *make.to(*OAEP)), True),
    "signature SHA-1": Variant(lambda make: make.message(signing=("-md", "sha1")), True, is_sha1=True),
    "signature SHA-256": Variant(lambda make: make.message(signing=("-md", "sha256")), True),
    "signature SHA-512": Variant(lambda make: make.message(signing=("-md", "sha512")), True),
    "as .NET": Variant(
        lambda make: make.message(
            signing=("-md", "sha256"),
            written=manifest(FILES, namespace=NET_NAMESPACE, method=NET_SHA_256),
            name=NET_MANIFEST,
            oasis=False,
        ),
        True,
    ),
    "two signatures by one certificate, as .NET": Variant(
        lambda make: make.changed(**{SIGNATURE: twice(make, "-md", "sha256").dump(force=True)}), True
    ),
    "no mimetype": Variant(lambda make: make.changed(mimetype=None), True),
    "all stored": Variant(lambda make: make.envelope(zipped(make.entries(), ZIP_STORED)), True),
    "no OASIS manifest": Variant(lambda make: make.message(oasis=False), True),
    "for another": Variant(
        lambda make: make.envelope(zipped(make.entries()), "-aes-256-cbc", *make.to(*OAEP, pair=STRANGER)), False
    ),
    "not a zip": Variant(lambda make: make.envelope(b"Hei"), False),
    "nothing": Variant(lambda make: make.envelope(b""), False),
    "not CMS": Variant(lambda make: zipped(make.entries()), False),
    "cut in the middle": Variant(lambda make: (whole := make.message())[: len(whole) // 2], False),
    "cut at the end": Variant(lambda make: make.message()[:-10], False),
    "a bit is another": Variant(lambda make: flipped(make.message()), False),
    "file is another": Variant(lambda make: make.changed(**{"brev.pdf": b"%PDF-1.4 noe annet"}), False),
    "manifest is another": Variant(
        lambda make: make.changed(**{MANIFEST: manifest(FILES).replace(b"text/plain", b"text/other")}), False
    ),
    "no signature": Variant(lambda make: make.changed(**{SIGNATURE: None}), False),
    "no certificate": Variant(lambda make: make.message(signing=("-md", "sha256", "-nocerts")), False),
    "digest SHA-512": Variant(
        lambda make: make.message(
            written=manifest(FILES, method="http://www.w3.org/2001/04/xmlenc#sha512", digest="sha512")
        ),
        False,
    ),
    "unlisted file": Variant(lambda make: make.changed(**{"til.txt": b"usignert"}), False),
    "strange file in META-INF": Variant(lambda make: make.changed(**{"META-INF/noe.txt": b"usignert"}), False),
}
"""What KS's client for Java was shown; the last of them it hands out by its stream, and refuses by its file."""
