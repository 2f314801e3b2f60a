"""What the demo sends: a PDF that readers accept, in the very form in which the published client sends it."""

from __future__ import annotations

import io
import json
import re

from pypdf import PdfReader

from gateway.multipart import Multipart
from gateway.sample import CHUNK, forsendelse, multipart, pdf

FILNAVN = "vedtak på byggesøknad.pdf"


def test_the_pdf_is_one() -> None:
    content = pdf([["første (side)"], ["andre \\ side", "og en linje til"]])
    reader = PdfReader(io.BytesIO(content), strict=True)
    assert [page.extract_text().split("\n")[0] for page in reader.pages] == ["første (side)", "andre \\ side"]


async def body_of(filnavn: str, content: bytes) -> tuple[str, bytes]:
    content_type, chunks = multipart(forsendelse("310992003", filnavn, "ref"), filnavn, content)
    return content_type, b"".join([chunk async for chunk in chunks])


async def test_the_parts_have_the_headers_of_the_client_in_its_order() -> None:
    content_type, body = await body_of(FILNAVN, b"%PDF-")
    boundary = re.fullmatch(r'multipart/form-data; boundary="(JettyHttpClient-\w+)"', content_type)
    assert boundary
    first, second = body.removesuffix(f"\r\n--{boundary[1]}--\r\n".encode()).split(f"--{boundary[1]}\r\n".encode())[1:]
    assert first.partition(b"\r\n\r\n")[0].decode().splitlines() == [
        'Content-Disposition: form-data; name="forsendelse"',
        "Content-Type: text/plain;charset=UTF-8",
    ]
    assert second.decode().splitlines() == [
        'Content-Disposition: form-data; name="filer_0"; filename="vedtak p_ bygges_knad.pdf"; '
        + "filename*=UTF-8''vedtak%20p%C3%A5%20bygges%C3%B8knad.pdf",
        "Content-Type: application/octet-stream",
        "",
        "%PDF-",
    ]


async def test_an_ascii_name_has_no_extended_form() -> None:
    _, body = await body_of("a.pdf", b"x")
    assert b'filename="a.pdf"\r\n' in body


async def test_the_gateway_reads_it_back_whole() -> None:
    content = bytes(range(256)) * (3 * CHUNK // 256) + b"rest"
    content_type, body = await body_of(FILNAVN, content)
    chunks = iter([body[start : start + 1000] for start in range(0, len(body), 1000)])

    async def read() -> bytes:
        return next(chunks, b"")

    parts = Multipart(content_type, read)
    metadata = await parts.next_part()
    assert metadata is not None
    said = json.loads(b"".join([chunk async for chunk in parts.content()]))
    assert (metadata.name, said["dokumenter"][0]["filnavn"], said["lenker"]) == ("forsendelse", FILNAVN, None)
    document = await parts.next_part()
    assert document is not None
    assert (document.name, document.filename) == ("filer_0", FILNAVN)
    assert b"".join([chunk async for chunk in parts.content()]) == content
    assert await parts.next_part() is None
