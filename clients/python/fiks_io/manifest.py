"""ASiCManifest (ETSI TS 102 918): which files a signature is over, and their SHA-256."""

from __future__ import annotations

import base64
import mimetypes
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser
from xml.sax.saxutils import quoteattr

from fiks_io.errors import Refused

ASIC = "http://uri.etsi.org/02918/v1.2.1#"
ALSO_ASIC = (
    "http://uri.etsi.org/2918/v1.2.1#",
    "http://uri.etsi.org/02918/v1.1.1#",
    "http://uri.etsi.org/2918/v1.1.1#",
)
"""What is read besides: the client for .NET writes the first."""
XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"
SHA_256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ALSO_SHA_256 = f"{XMLDSIG}sha256"
"""What the client for .NET calls it."""
SIGNATURE_TYPE = "application/x-pkcs7-signature"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The name of the signature, and the SHA-256 of each file."""

    signature: str
    digests: Mapping[str, bytes]


class _Tree(TreeBuilder):
    """Elements alone: no document type, so no entities."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise Refused("the manifest has a document type")


def written(manifest: Manifest) -> bytes:
    """The manifest as XML. The first file is the root file."""
    references = "".join(
        _reference(name, digest, is_root=number == 0) for number, (name, digest) in enumerate(manifest.digests.items())
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{XMLDSIG}">'
        f'<asic:SigReference URI={quoteattr(manifest.signature)} MimeType="{SIGNATURE_TYPE}"/>'
        f"{references}</asic:ASiCManifest>"
    ).encode()


def _reference(name: str, digest: bytes, *, is_root: bool) -> str:
    rootfile = ' Rootfile="true"' if is_root else ""
    return (
        f"<asic:DataObjectReference URI={quoteattr(name)} MimeType={quoteattr(_mime_type(name))}{rootfile}>"
        f'<ds:DigestMethod Algorithm="{SHA_256}"/>'
        f"<ds:DigestValue>{base64.b64encode(digest).decode()}</ds:DigestValue>"
        "</asic:DataObjectReference>"
    )


def read(content: bytes) -> Manifest:
    """The manifest that the XML says. Raises Refused."""
    root = _parsed(content)
    namespace = root.tag.removeprefix("{").removesuffix("}ASiCManifest")
    if namespace not in (ASIC, *ALSO_ASIC):
        raise Refused("the manifest is of an unknown kind")
    signatures = [element.get("URI", "") for element in root.iterfind(f"{{{namespace}}}SigReference")]
    if len(signatures) != 1:
        raise Refused("the manifest must name one signature")
    digests: dict[str, bytes] = {}
    for reference in root.iterfind(f"{{{namespace}}}DataObjectReference"):
        name = reference.get("URI", "")
        if name in digests:
            raise Refused("the manifest names a file twice")
        digests[name] = _digest(reference)
    return Manifest(signatures[0], digests)


def _parsed(content: bytes) -> Element:
    parser = XMLParser(target=_Tree())  # noqa: S314  a document type is refused, and without one there are no entities
    try:
        parser.feed(content)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as fault:
        raise Refused("the manifest is not XML") from fault
    return root


def _digest(reference: Element) -> bytes:
    method = reference.find(f"{{{XMLDSIG}}}DigestMethod")
    if method is None or method.get("Algorithm") not in (SHA_256, ALSO_SHA_256):
        raise Refused("the manifest has a file without SHA-256")
    value = reference.findtext(f"{{{XMLDSIG}}}DigestValue", "")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (NotBase64, ValueError) as fault:
        raise Refused("the manifest has a digest that is none") from fault


def _mime_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
