"""Real PDF files to send, made by pypdf."""

from io import BytesIO

from pypdf import PdfWriter

A4 = (595.0, 842.0)


def pdf(pages: int, password: str | None = None) -> bytes:
    """A PDF of so many empty A4 pages; with a password it can be opened with that alone."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(*A4)
    if password:
        writer.encrypt(password, algorithm="AES-256")
    content = BytesIO()
    writer.write(content)
    return content.getvalue()
