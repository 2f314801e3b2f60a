"""The headers of resumable uploads against TUS 1.0.0."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway import tus
from gateway.tus import CONTENT_TYPE, Checksum, Creation, Patch, Refused
from tests.fuzz.checks import NAMES

LARGEST = 5 << 30
RESUMABLE = {"Tus-Resumable": "1.0.0"}
PATCH = {"Content-Type": CONTENT_TYPE, "Upload-Offset": "70"}


def refused(status: int) -> object:
    return pytest.raises(Refused, check=lambda fault: fault.status == status)


@pytest.mark.parametrize("headers", [{}, {"Tus-Resumable": "0.2.2"}, {"Tus-Resumable": "1.0"}, {"Tus-Resumable": ""}])
def test_another_version_is_told_ours(headers: dict[str, str]) -> None:
    with pytest.raises(Refused) as told:
        tus.check_version(headers)
    assert (told.value.status, told.value.headers) == (412, {"Tus-Version": "1.0.0"})


def test_this_version() -> None:
    tus.check_version(CIMultiDict({"tus-resumable": "1.0.0"}))


@pytest.mark.parametrize(
    ("headers", "created"),
    [
        ({"Upload-Length": "100"}, Creation(100)),
        ({"Upload-Length": "0"}, Creation(0)),
        ({"Upload-Length": str(LARGEST)}, Creation(LARGEST)),
        ({"Upload-Defer-Length": "1"}, Creation(None)),
        ({"Upload-Length": "1", "Upload-Metadata": ""}, Creation(1)),
        (
            {
                "Upload-Length": "100",
                "Upload-Metadata": "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential",
            },
            Creation(100, {"filename": b"world_domination_plan.pdf", "is_confidential": b""}),
        ),
        ({"Upload-Length": "1", "Upload-Metadata": "a , b eA=="}, Creation(1, {"a": b"", "b": b"x"})),
    ],
)
def test_creation(headers: dict[str, str], created: Creation) -> None:
    assert tus.creation(CIMultiDict(headers), LARGEST) == created


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload-Length": "1", "Upload-Defer-Length": "1"}, 400),
        ({"Upload-Defer-Length": "0"}, 400),
        ({"Upload-Length": "1", "Upload-Defer-Length": "0"}, 400),
        ({"Upload-Length": str(LARGEST + 1)}, 413),
        ({"Upload-Length": "9" * 5000}, 400),
        *(
            ({"Upload-Length": number}, 400)
            for number in ("", "-1", "+1", "1.0", "1e3", " 1", "1\n", "٣", "0x1", "1_0")
        ),
        *(
            ({"Upload-Length": "1", "Upload-Metadata": said}, 400)
            for said in ("a,a", ",a", "a eA==,", "a  eA==", "a e", "a eA= =", "å eA==", "a æ", "a\tb eA==")
        ),
    ],
)
def test_creation_refused(headers: dict[str, str], status: int) -> None:
    with refused(status):
        tus.creation(headers, LARGEST)


@pytest.mark.parametrize(
    ("headers", "length", "patch"),
    [
        ({}, 100, Patch(100, 30, None)),
        ({}, None, Patch(None, LARGEST - 70, None)),
        ({"Upload-Length": "100"}, None, Patch(100, 30, None)),
        ({"Upload-Length": "100"}, 100, Patch(100, 30, None)),
        ({"Upload-Length": "70", "Content-Length": "0"}, None, Patch(70, 0, None)),
        ({"Content-Length": "30"}, 100, Patch(100, 30, None)),
        ({"Content-Type": "Application/Offset+Octet-Stream; x=y"}, 100, Patch(100, 30, None)),
        (
            {"Upload-Checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="},
            100,
            Patch(100, 30, Checksum("sha1", hashlib.sha1(b"hello world").digest())),
        ),
    ],
)
def test_patch(headers: dict[str, str], length: int | None, patch: Patch) -> None:
    assert tus.patch(CIMultiDict(PATCH | headers), offset=70, length=length, largest=LARGEST) == patch


@pytest.mark.parametrize(
    ("headers", "length", "status"),
    [
        ({"Content-Type": "application/octet-stream"}, 100, 415),
        ({"Content-Type": ""}, 100, 415),
        ({"Upload-Offset": "69"}, 100, 409),
        ({"Upload-Offset": "71"}, 100, 409),
        ({"Upload-Offset": "-70"}, 100, 400),
        ({"Upload-Length": "101"}, 100, 400),
        ({"Upload-Length": "69"}, None, 400),
        ({"Upload-Length": str(LARGEST + 1)}, None, 413),
        ({"Content-Length": "31"}, 100, 413),
        ({"Content-Length": "31", "Upload-Length": "100"}, None, 413),
        ({"Content-Length": str(LARGEST)}, None, 413),
        ({"Upload-Checksum": ""}, 100, 400),
        ({"Upload-Checksum": "sha1"}, 100, 400),
        ({"Upload-Checksum": "sha1 !"}, 100, 400),
        ({"Upload-Checksum": "sha1 eA=="}, 100, 400),
        ({"Upload-Checksum": "crc32 AAAAAA=="}, 100, 400),
    ],
)
def test_patch_refused(headers: dict[str, str], length: int | None, status: int) -> None:
    with refused(status):
        tus.patch(PATCH | headers, offset=70, length=length, largest=LARGEST)


def test_patch_without_offset_or_type() -> None:
    with refused(400):
        tus.patch({"Content-Type": CONTENT_TYPE}, offset=0, length=1, largest=LARGEST)
    with refused(415):
        tus.patch({"Upload-Offset": "0"}, offset=0, length=1, largest=LARGEST)


@pytest.mark.parametrize("algorithm", tus.ALGORITHMS)
def test_checksum(algorithm: str) -> None:
    digest = base64.b64encode(hashlib.new(algorithm, b"innhold").digest()).decode()
    said = {"Content-Type": CONTENT_TYPE, "Upload-Offset": "0", "Upload-Checksum": f"{algorithm} {digest}"}
    checksum = tus.patch(said, offset=0, length=7, largest=7).checksum
    assert checksum is not None
    summed, other = checksum.begin(), checksum.begin()
    summed.update(b"inn")
    summed.update(b"hold")
    other.update(b"Innhold")
    checksum.check(summed)
    with refused(460):
        checksum.check(other)


def test_what_is_offered() -> None:
    assert tus.offered(1073741824) == {
        "Tus-Resumable": "1.0.0",
        "Tus-Version": "1.0.0",
        "Tus-Max-Size": "1073741824",
        "Tus-Extension": "creation,creation-defer-length,expiration,checksum,termination",
        "Tus-Checksum-Algorithm": "sha256,sha1,md5",
    }


def test_what_is_shown() -> None:
    expires = datetime(2026, 6, 25, 16, 0, tzinfo=UTC)
    assert tus.shown(70, 100, "a eA==", expires) == {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "70",
        "Upload-Length": "100",
        "Upload-Metadata": "a eA==",
        "Upload-Expires": "Thu, 25 Jun 2026 16:00:00 GMT",
        "Cache-Control": "no-store",
    }
    assert tus.shown(0, None, "", None) == {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Upload-Defer-Length": "1",
        "Cache-Control": "no-store",
    }


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1, max_size=10)


@given(metadata=st.dictionaries(KEYS, st.binary(max_size=40), max_size=6), is_bare=st.booleans())
def test_any_metadata_is_read_as_it_was_meant(metadata: dict[str, bytes], is_bare: bool) -> None:
    pairs = [f"{key} {base64.b64encode(value).decode()}" for key, value in metadata.items()]
    said = ",".join(pair.strip() if is_bare else pair for pair in pairs)
    assert tus.creation({"Upload-Length": "0", "Upload-Metadata": said}, 0).metadata == metadata


VALUES = st.text(max_size=20) | st.from_regex(r"\A(sha1|a|1)?[ ,0-9A-Za-z+/=]*\Z") | st.integers(-2, 100).map(str)
HEADERS = st.dictionaries(st.sampled_from(NAMES), VALUES)


@given(headers=HEADERS, offset=st.integers(0, 50), more=st.none() | st.integers(0, 50))
def test_any_headers_have_an_answer(headers: dict[str, str], offset: int, more: int | None) -> None:
    """And what is let through keeps within its bounds."""
    length = None if more is None else offset + more
    try:
        assert (tus.creation(headers, 100).length or 0) <= 100
    except Refused as fault:
        assert fault.status in {400, 413}
    try:
        found = tus.patch(headers | {"Content-Type": CONTENT_TYPE}, offset=offset, length=length, largest=100)
    except Refused as fault:
        assert fault.status in {400, 409, 413}
    else:
        assert offset + found.most == (100 if found.length is None else found.length) <= 100
        assert int(headers["Upload-Offset"]) == offset
        assert length in {None, found.length}
