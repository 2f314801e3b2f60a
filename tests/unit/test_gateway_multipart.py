"""Multipart bodies as clients really make them, however they are cut on the way."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.multipart import Multipart
from schemas.errors import Unreadable

KIND = 'multipart/form-data; boundary="JettyHttpClient-x"'
Part = tuple[str, str | None, str | None, bytes]


async def read(body: bytes, kind: str = KIND, cut: int = 1 << 16) -> list[Part]:
    chunks = iter([body[at : at + cut] for at in range(0, len(body), cut)])
    parts = Multipart(kind, lambda: _next(chunks))
    found = []
    while part := await parts.next_part():
        content = b"".join([chunk async for chunk in parts.content()])
        found.append((part.name, part.filename, part.charset, content))
    return found


async def _next(chunks: Iterator[bytes]) -> bytes:
    return next(chunks, b"")


def body(*parts: tuple[bytes, bytes], boundary: bytes = b"JettyHttpClient-x") -> bytes:
    made = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, content) for head, content in parts)
    return made + b"--%s--\r\n" % boundary


def named(disposition: str, encoding: str = "utf-8") -> bytes:
    return f'Content-Disposition: form-data; name="filer_0"; {disposition}'.encode(encoding)


async def test_what_the_published_client_sends() -> None:
    sent = body(
        (b'Content-Disposition: form-data; name="forsendelse"\r\nContent-Type: text/plain;charset=UTF-8', b"{}"),
        (named("filename=\"vedtak ___.pdf\"; filename*=UTF-8''vedtak%20%C3%A6%C3%B8%C3%A5.pdf"), b"pdf"),
    )

    assert await read(sent) == [
        ("forsendelse", None, "UTF-8", b"{}"),
        ("filer_0", "vedtak æøå.pdf", None, b"pdf"),
    ]


@pytest.mark.parametrize(
    ("head", "filename"),
    [
        (named('filename="å b.txt"'), "å b.txt"),
        (named('filename="å b.txt"', "latin-1"), "å b.txt"),
        (named(f'filename="{unicodedata.normalize("NFD", "å b.txt")}"'), "å b.txt"),
        (named("filename*=utf-8'nb'%C3%A5.txt; filename=\"a.txt\""), "å.txt"),
        (named("filename=\"a.txt\"; filename*=iso-8859-1''%E5.txt"), "å.txt"),
        (named("filename=\"a.txt\"; filename*=utf-7''+AOU-.txt"), "a.txt"),
        (named('filename="b"q.txt"; filename*=UTF-8\'\'b%22q.txt'), 'b"q.txt'),
        (named("filename=plain.txt"), "plain.txt"),
        (named('filename=""'), ""),
        (named(""), None),
        (b"Content-Type: application/pdf\r\n" + named('filename="a.pdf"'), "a.pdf"),
    ],
)
async def test_file_names_in_every_notation(head: bytes, filename: str | None) -> None:
    assert [name for _, name, _, _ in await read(body((head, b"x")))] == [filename]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60), st.integers(1, 40))
async def test_any_name_in_the_extended_notation_arrives_however_it_is_cut(name: str, cut: int) -> None:
    head = named(f"filename=\"_\"; filename*=UTF-8''{quote(name, safe='')}")

    assert await read(body((head, b"x")), cut=cut) == [("filer_0", unicodedata.normalize("NFC", name), None, b"x")]


@given(st.lists(st.binary(max_size=200), max_size=4), st.integers(1, 300), st.sampled_from([b"x", b"-" * 70, b"'"]))
async def test_content_arrives_whole_however_it_is_cut(contents: list[bytes], cut: int, boundary: bytes) -> None:
    contents = [one for one in contents if b"\r\n--" + boundary not in one]
    sent = body(*((named('filename="a"'), one) for one in contents), boundary=boundary)
    kind = f'multipart/form-data; boundary="{boundary.decode()}"'

    assert [content for *_, content in await read(sent, kind, cut)] == contents


@pytest.mark.parametrize(
    "kind",
    ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x", 'multipart/form-data; boundary=""'],
)
async def test_what_is_not_multipart(kind: str) -> None:
    with pytest.raises(Unreadable):
        await read(body((named('filename="a"'), b"x")), kind)


@given(st.data())
async def test_a_body_that_is_cut_off_is_never_taken_for_whole(data: st.DataObject) -> None:
    whole = body((named('filename="a"'), b"x" * 20), (named('filename="b"'), b"y"))
    length = data.draw(st.integers(0, len(whole) - len(b"--\r\n") - 1))

    with pytest.raises(Unreadable):
        await read(whole[:length])


@given(st.binary(max_size=300))
async def test_noise_is_unreadable_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(Unreadable):
        await read(noise.replace(b"--JettyHttpClient-x--", b""))


START = b"--JettyHttpClient-x"


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (b"preamble\r\n" + body((named('filename="a"'), b"x")), ["a"]),
        (b"pre" + START + b"\r\n\r\n" + body((named('filename="a"'), b"x")), ["a"]),
        (b"pre" + START + b"--\r\n", None),
        (body((named('filename="a"'), b"x")).replace(START + b"\r", START + b" \t \r"), ["a"]),
        (body((named('filename="a"'), b"x")).replace(START + b"--", START + b"-- "), ["a"]),
        (body((named('filename="a"'), b"x")).replace(START + b"\r", START + b" x\r"), None),
        (body((b"X: a\nb\r\n" + named('filename="a"'), b"x")), ["a"]),
        (body((b"X: " + b"y" * (4096 + 128 - 3) + b"\r\n" + named('filename="a"'), b"x")), ["a"]),
        (body((b"X: " + b"y" * (4096 + 128 - 2) + b"\r\n" + named('filename="a"'), b"x")), None),
        (body((b"Content-Length: 3\r\n" + named('filename="a"'), b"xyz")), ["a"]),
        (body((b"Content-Length: 2\r\n" + named('filename="a"'), b"xyz")), None),
        (body((b"Content-Length: 4\r\n" + named('filename="a"'), b"xyz")), None),
        (body((b"", b"xyz")), None),
    ],
    ids=(
        *("preamble", "inside", "only", "padded", "end", "no padding", "line", "long", "longer", "length", "short"),
        *("beyond", "headless"),
    ),
)
@pytest.mark.parametrize("cut", [1, 2, 3, 1 << 16])
async def test_what_few_clients_send_is_read_alike_however_it_is_cut(
    sent: bytes, names: list[str] | None, cut: int
) -> None:
    if names is None:
        with pytest.raises(Unreadable):
            await read(sent, cut=cut)
    else:
        assert [filename for _, filename, *_ in await read(sent, cut=cut)] == names


async def test_a_part_that_is_not_read_is_skipped() -> None:
    chunks = iter([body((named('filename="a"'), b"x" * 100), (named('filename="b"'), b"y"))])
    parts = Multipart(KIND, lambda: _next(chunks))

    assert [part.filename for part in [await parts.next_part(), await parts.next_part()] if part] == ["a", "b"]
    assert await parts.next_part() is None


async def test_a_body_is_read_to_its_end_though_its_last_part_has_ended() -> None:
    """More was promised: who sent it may have gone, and holds it for something that was not taken."""
    chunks = iter([body((named(""), b"x")), b"anything"])

    async def cut_off() -> bytes:
        try:
            return next(chunks)
        except StopIteration:
            raise Unreadable("the sender is gone") from None

    parts = Multipart(KIND, cut_off)
    assert await parts.next_part()
    with pytest.raises(Unreadable, match="gone"):
        await parts.next_part()
