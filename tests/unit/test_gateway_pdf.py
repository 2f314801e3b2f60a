"""PDFs that open without a password, those that do not, and what is no PDF."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from gateway.pdf import inspect
from schemas.svarut import Feilkode

KILO = 1024


def check(content: bytes, ends: int = 2 * KILO, highest: int = 1) -> Feilkode | None:
    inspection = inspect(len(content), content[:ends], content[-ends:], highest)
    try:
        offset, length = next(inspection)
        while True:
            offset, length = inspection.send(content[offset : offset + length])
    except StopIteration as end:
        fault: Feilkode | None = end.value
        return fault


def asked_of(content: bytes) -> list[tuple[int, int]]:
    """The ranges that are asked for to inspect it."""
    inspection = inspect(len(content), content[:KILO], content[-KILO:])
    asked = [next(inspection)]
    with pytest.raises(StopIteration):
        while True:
            offset, length = asked[-1]
            asked.append(inspection.send(content[offset : offset + length]))
    return asked


def pdf(pages: int = 2, password: str | None = None, algorithm: str = "AES-256", **writing: str) -> bytes:
    writer = PdfWriter()
    for number in range(pages):
        writer.add_blank_page(200, 200)
        writer.add_outline_item(title=f"(side) {number} \\", page_number=number)
    if password is not None:
        writer.encrypt(password, algorithm=algorithm)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def with_xref_stream(trailer: bytes = b"") -> bytes:
    """The smallest file whose cross-reference table is a stream (ISO 32000-1, 7.5.8)."""
    head = b"%PDF-1.5\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
    at = len(head)
    return head + (
        b"2 0 obj\n<< /Type /XRef /Size 3 /W [1 2 1] /Root 1 0 R %s /Length 12 >>\nstream\n%s\nendstream\nendobj\n"
        b"startxref\n%d\n%%%%EOF\n" % (trailer, b"\0" * 12, at)
    )


def compressed(pages: int, *, predicted: bool = True) -> bytes:
    """A file whose catalog and page tree stand in an object stream, as most writers of today make it (7.5.7, 7.5.8)."""
    catalog, tree = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count %d>>" % pages
    numbers = b"1 0 2 %d " % len(catalog)
    objects = zlib.compress(numbers + catalog + tree)
    head = b"%PDF-1.5\n"
    content = head + b"3 0 obj\n<</Type/ObjStm/N 2/First %d/Filter/FlateDecode/Length %d>>stream\r\n%b\nendstream\n" % (
        len(numbers),
        len(objects),
        objects,
    )
    rows = [bytes((0, 0, 0, 0)), bytes((2, 0, 3, 0)), bytes((2, 0, 3, 1)), bytes((1, 0, len(head), 0))]
    above = [bytes(4), *rows[:-1]]
    up = [
        b"\2" + bytes((a - b) & 255 for a, b in zip(row, over, strict=True))
        for row, over in zip(rows, above, strict=True)
    ]
    table = zlib.compress(b"".join(up if predicted else rows))
    parameters = b"/DecodeParms<</Columns 4/Predictor 12>>" if predicted else b""
    return content + (
        b"4 0 obj\n<</Type/XRef/Size 4/W[1 2 1]/Root 1 0 R/Filter/FlateDecode%b/Length %d>>stream\n%b\nendstream\n"
        b"startxref\n%d\n%%%%EOF\n" % (parameters, len(table), table, len(content))
    )


def updated(content: bytes, *, trailer: bytes) -> bytes:
    """The file with an incremental update, as an editor appends it."""
    previous = re.findall(rb"startxref\s+(\d+)", content)[-1]
    at = len(content) + 1
    return content + (
        b"\nxref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 9 /Prev %s %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (previous, trailer, at)
    )


PLAIN = pdf()
LONG = pdf(pages=1000)
"""Its cross-reference table does not fit into one window."""


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        LONG,
        b"\xef\xbb\xbf junk before \n" + PLAIN,
        PLAIN + b"\r\n\r\n" + b"\0" * 500,
        PLAIN.replace(b"\nxref", b"\r\nxref") if b"\r\n" in PLAIN else PLAIN,
        with_xref_stream(),
        with_xref_stream(b"/Encrypt null"),
        with_xref_stream(b"/Info << /Encrypt 5 0 R >> /Title (/Encrypt 5 0 R \\) >> ) /A [/Encrypt 5 0 R]"),
        updated(PLAIN, trailer=b"/Root 1 0 R"),
        updated(updated(PLAIN, trailer=b""), trailer=b"% /Encrypt 5 0 R\n"),
        updated(PLAIN, trailer=b"/Prev 99999999"),
    ],
    ids=range(11),
)
def test_what_opens_without_a_password(content: bytes) -> None:
    assert check(content) is None
    assert check(content, ends=1 << 20) is None


@pytest.mark.parametrize(
    "content",
    [
        *(pdf(password="hemmelig", algorithm=one) for one in ("RC4-40", "RC4-128", "AES-128", "AES-256")),
        pdf(pages=1000, password=""),
        with_xref_stream(b"/Encrypt 5 0 R"),
        with_xref_stream(b"/#45ncrypt << /V 1 >>"),
        updated(pdf(password="hemmelig"), trailer=b"/Root 1 0 R"),
        updated(PLAIN, trailer=b"/Encrypt<</V 1>>"),
    ],
    ids=range(9),
)
def test_what_needs_a_password(content: bytes) -> None:
    assert check(content) is Feilkode.PASSORDBESKYTTET_PDF


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7",
        b"<html>%PDF-1.7</html>",
        b"PK\x03\x04" + b"\0" * 2000,
        PLAIN[5:],
        PLAIN[:-40],
        PLAIN[: len(PLAIN) // 2],
        b" " * 1025 + PLAIN,
        PLAIN + b" " * 1025,
        b"%PDF-1.7\nstartxref\n3\n%%EOF",
        b"%PDF-1.7\nstartxref\n999999999999\n%%EOF",
        b"%PDF-1.7\nxref\ntrailer\n<< /Root 1 0 R\nstartxref\n9\n%%EOF",
        with_xref_stream().replace(b"/XRef", b"/Xref"),
    ],
    ids=range(13),
)
def test_what_is_no_pdf(content: bytes) -> None:
    assert check(content) is Feilkode.UGYLDIG_PDF


MADE = {
    "a table": pdf,
    "a table, the header later": lambda pages: b"junk\n" + pdf(pages),
    "an update": lambda pages: updated(pdf(pages), trailer=b"/Root %d 0 R" % root_of(pdf(pages))),
    "object streams": compressed,
    "object streams without a predictor": lambda pages: compressed(pages, predicted=False),
}


def root_of(content: bytes) -> int:
    return int(re.findall(rb"/Root (\d+) 0 R", content)[-1])


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_the_pages_that_are_spoken_of_are_there(make: Callable[[int], bytes]) -> None:
    assert check(make(0)) is Feilkode.UGYLDIG_PDF
    assert check(make(1)) is None
    assert check(make(3), highest=3) is None
    assert check(make(3), highest=4) is Feilkode.KAN_IKKE_SKRIVES_UT
    assert check(make(300), highest=301) is Feilkode.KAN_IKKE_SKRIVES_UT


@pytest.mark.parametrize(
    "content",
    [
        with_xref_stream(),
        pdf(3).replace(b"/Count 3", b"/Cound 3"),
        pdf(3).replace(b"/Count 3", b"/Count x"),
        re.sub(rb"\d{10}( 00000 n)", rb"0000000009\1", pdf(3)),
        compressed(3).replace(b"/FlateDecode", b"/Unknown1234"),
        compressed(3).replace(b"/N 2/First", b"/N 2/Last1"),
    ],
    ids=range(6),
)
def test_pages_that_cannot_be_counted_are_no_fault(content: bytes) -> None:
    assert check(content, highest=9) is None


def test_counting_pages_ends_however_much_there_is_to_read() -> None:
    table = b"7000 1\n0000000000 65535 f \n" * 10_000
    content = b"%%PDF-1.7\nxref\n%btrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%%%EOF" % table

    assert len(asked_of(content)) < 600


@given(st.data())
def test_a_mutated_file_is_judged_and_nothing_else(data: st.DataObject) -> None:
    whole = [PLAIN, pdf(password="a"), with_xref_stream(), updated(PLAIN, trailer=b""), compressed(3), compressed(0)]
    content = bytearray(data.draw(st.sampled_from(whole)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
        content = content or bytearray(b" ")

    assert check(bytes(content)) in (None, Feilkode.UGYLDIG_PDF, Feilkode.PASSORDBESKYTTET_PDF)


@given(
    st.binary(max_size=80),
    st.lists(st.integers(-2, 9) | st.integers(), max_size=4),
    st.just([0, 9]) | st.lists(st.integers(-2, 9) | st.integers(), max_size=4),
    st.sampled_from([b"", b"/Filter/FlateDecode", b"/Filter/FlateDecode/DecodeParms<</Predictor 12>>"]),
)
def test_hostile_tables_of_objects_end(rows: bytes, widths: list[int], index: list[int], how: bytes) -> None:
    packed = zlib.compress(rows) if how else rows
    said = b"/W%b/Index%b" % (str(widths).replace(",", "").encode(), str(index).replace(",", "").encode())
    head = b"%%PDF-1.7\n4 0 obj\n<</Type/XRef/Root 1 0 R%b%b>>stream\n" % (said, how)
    content = head + packed + b"\nstartxref\n9\n%%EOF"

    assert check(content) in (None, Feilkode.UGYLDIG_PDF)


@given(st.binary(max_size=300))
def test_hostile_cross_references_end(middle: bytes) -> None:
    loops = b"%PDF-1.7\nxref\n0 0\ntrailer\n<< /Prev 9 " + middle + b" >>\nstartxref\n9\n%%EOF"

    assert check(loops) in (None, Feilkode.UGYLDIG_PDF, Feilkode.PASSORDBESKYTTET_PDF)


@pytest.mark.parametrize("password", [None, "hemmelig"])
def test_agrees_with_a_reader_that_really_opens_it(password: str | None) -> None:
    content = pdf(password=password)

    assert PdfReader(BytesIO(content)).is_encrypted == (check(content) is Feilkode.PASSORDBESKYTTET_PDF)


def test_never_asks_for_more_than_a_window() -> None:
    asked = asked_of(LONG)

    assert len(asked) > 2
    assert max(length for _, length in asked) <= 1 << 16
