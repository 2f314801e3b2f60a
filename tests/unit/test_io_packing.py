"""What our client writes: a container that it reads again, and that OpenSSL takes for CAdES."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fiks_io import File, Refused, Signer
from fiks_io import manifest as manifests
from fiks_io.container import container
from fiks_io.manifest import Manifest
from fiks_io.names import is_content
from fiks_io.packing import packed
from gateway.auth.grant import certificate
from tests.support.asice import SIGNER
from tests.support.cms import OpenSsl

NAMES = st.text(min_size=1, max_size=30).filter(is_content)
BY = Signer(SIGNER.certificate, SIGNER.key)


async def container_of(files: list[File], signer: Signer = BY) -> bytes:
    return b"".join([chunk async for chunk in packed(files, signer)])


@given(files=st.dictionaries(NAMES, st.binary(max_size=100_000), min_size=1, max_size=4))
@settings(max_examples=30)
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    made = asyncio.run(container_of([File(name, content) for name, content in files.items()]))
    read = container(BytesIO(made), allow_sha1=False)
    assert {name: read.read(name) for name in read.names} == files


@given(name=st.text(max_size=12))
def test_a_name_that_is_taken_stays_below_the_folder(name: str) -> None:
    assume(is_content(name))
    folder = Path("/a/b")
    assert (folder / name).is_relative_to(folder)
    assert ".." not in (folder / name).parts


@given(signature=NAMES, digests=st.dictionaries(NAMES, st.binary(min_size=32, max_size=32), max_size=5))
@example(signature="a", digests={"\u2028 \u00a0&<>'\"": b"x"})
def test_a_manifest_is_read_as_it_was_written(signature: str, digests: dict[str, bytes]) -> None:
    assert manifests.read(manifests.written(Manifest(signature, digests))) == Manifest(signature, digests)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_a_manifest_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        manifests.read(content)


async def test_each_kind_of_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 200_000)

    async def arriving() -> AsyncIterator[bytes]:
        yield b"y" * 100_000
        yield b"z"

    made = await container_of([File("a", tmp_path / "a"), File("b", arriving()), File("c", b""), File("d", b"d")])
    read = container(BytesIO(made), allow_sha1=False)
    assert [len(read.read(name)) for name in read.names] == [200_000, 100_001, 0, 1]


async def test_the_first_entry_says_what_it_is() -> None:
    """Stored, its size before it, as readers of streams and ``file`` want it."""
    made = await container_of([File("a", b"a")])
    assert made[30:69] == b"mimetypeapplication/vnd.etsi.asic-e+zip"
    with ZipFile(BytesIO(made)) as archive:
        first, *others = archive.infolist()
    assert (first.compress_type, first.flag_bits & 8, first.header_offset) == (ZIP_STORED, 0, 0)
    assert [info.flag_bits & 8 for info in others] == [8, 8, 8]


async def test_openssl_takes_the_signature_for_cades(tmp_path: Path) -> None:
    with ZipFile(BytesIO(await container_of([File("a", b"a")]))) as archive:
        archive.extractall(tmp_path)
    (signature,) = (tmp_path / "META-INF").glob("*.p7s")
    verify = ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", str(signature)]
    content = ["-content", str(tmp_path / "META-INF/ASiCManifest.xml"), "-out", str(tmp_path / "out")]
    trusted = ["-CAfile", OpenSsl(tmp_path).certificate(SIGNER), "-purpose", "any"]
    await asyncio.to_thread(subprocess.run, [*verify, *content, *trusted], check=True)


async def test_a_chain_goes_along_and_an_elliptic_key_signs() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    own = certificate(key, "310991007")  # type: ignore[arg-type]
    made = await container_of([File("a", b"a")], Signer(own, key, chain=(SIGNER.certificate,)))
    assert container(BytesIO(made), allow_sha1=False).signers == (own,)
    with ZipFile(BytesIO(made)) as archive:
        (signature,) = (archive.read(name) for name in archive.namelist() if name.endswith(".p7s"))
    assert SIGNER.certificate.public_bytes(Encoding.DER) in signature


async def test_more_than_a_stream_may_be_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiks_io.packing.MOST_OF_UNKNOWN_SIZE", 1000)

    async def arriving() -> AsyncIterator[bytes]:
        yield bytes(1001)

    with pytest.raises(ValueError, match="give a path"):
        await container_of([File("a", arriving())])


async def test_a_large_file_of_known_size_has_its_size_in_the_large_format(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**31)
    entry = [chunk async for chunk in _beginning(packed([File("a", tmp_path / "a")], BY))]
    assert b"\x2d\0" in b"".join(entry)[69:75], "version 4.5"


async def _beginning(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
        return
