"""A forsendelse to show the system with: a real PDF, and the body in which the published client 4.8.0 sends it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote
from uuid import uuid4

CLIENT_HEADERS = {"Accept-Encoding": "gzip", "User-Agent": "Jetty/12.1.9"}
CHUNK = 16 * 1024
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf(pages: Sequence[Sequence[str]]) -> bytes:
    """A PDF 1.4 of A4 pages with these lines of text. ISO 32000-1, 7.5."""
    numbers = range(4, 4 + 2 * len(pages), 2)
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(pages)),
        FONT,
    ]
    for number, lines in zip(numbers, pages, strict=True):
        shown = b"".join(b"(%b) Tj T* " % _escaped(line) for line in lines)
        stream = b"BT /F 12 Tf 72 770 Td 18 TL %bET" % shown
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            b"/Resources << /Font << /F 3 0 R >> >> /Contents %d 0 R >>" % (number + 1)
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream))
    return _file(objects)


def _escaped(line: str) -> bytes:
    return line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    """Header, objects, cross-reference table and trailer."""
    content, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return content + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(content))
    )


def forsendelse(orgnr: str, filnavn: str, ekstern_referanse: str) -> dict[str, Any]:
    """The metadata as the client's classes write them for an organisation: unset fields null, booleans false."""
    unset = (
        *("eksponertFor", "avgivendeSystemAktor", "konteringskode", "utskriftskonfigurasjon", "svarSendesTil"),
        *("metadataFraAvleverendeSystem", "metadataForImport", "svarPaForsendelse", "lenker", "forsendelsestype"),
        *("korrelasjonsid", "signeringUtloper", "signaturType"),
    )
    flags = ("kunDigitalLevering", "kryptert", "krevNiva4Innlogging", "svarPaForsendelseLink", "taushetsbelagtPost")
    mottaker = {"navn": "Prøvdal kommune", "digitalId": orgnr, "adresselinje1": "Rådhusgata 1"}
    dokument = {"filnavn": filnavn, "mimeType": "application/pdf", "skalSigneres": False, "dokumentType": None}
    return {
        "tittel": "Vedtak om byggesøknad i Prøvdal",
        "mottaker": mottaker | {"postnummer": "9999", "poststed": "Prøvdal", "land": None},
        "avgivendeSystem": "fiks demo",
        "eksternReferanse": ekstern_referanse,
        "dokumenter": [dokument | {"giroarkSider": None, "skalEkskluderesFraUtskrift": False, "ekstraMetadata": None}],
        **dict.fromkeys(unset),
        **dict.fromkeys(flags, False),
    }


def multipart(metadata: dict[str, Any], filnavn: str, content: bytes) -> tuple[str, AsyncIterator[bytes]]:
    """Content-Type and body, which has no known length and is sent in chunks, as Jetty writes them for v2."""
    boundary = f"JettyHttpClient-{uuid4().hex[:16]}"
    ascii_name = "".join(letter if letter.isascii() else "_" for letter in filnavn)
    extended = "" if filnavn.isascii() else f"; filename*=UTF-8''{quote(filnavn)}"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="forsendelse"\r\n'
        f"Content-Type: text/plain;charset=UTF-8\r\n\r\n{json.dumps(metadata, ensure_ascii=False)}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="filer_0"; filename="{ascii_name}"{extended}\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n"
    ).encode()

    async def body() -> AsyncIterator[bytes]:
        yield head
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]
        yield f"\r\n--{boundary}--\r\n".encode()

    return f'multipart/form-data; boundary="{boundary}"', body()
