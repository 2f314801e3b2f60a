"""What our client reads and what it refuses, of messages that others write; and nothing is handed out before."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from fiks_io import Refused
from fiks_io.container import Container, container
from fiks_io.payload import unsealed
from tests.support.asice import (
    FILES,
    MANIFEST,
    RECEIVER,
    SIGNATURE,
    SIGNER,
    STRANGER,
    VARIANTS,
    Files,
    Maker,
    Variant,
    flipped,
    manifest,
    twice,
    zipped,
)
from tests.support.cms import OpenSsl, pair_of


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(OpenSsl(tmp_path_factory.mktemp("openssl")))


@pytest.fixture(scope="module")
def whole(make: Maker) -> bytes:
    """A container as it should be."""
    return zipped(make.entries())


async def arriving(message: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(message), 1000):
        yield message[at : at + 1000]


def contents(container: Container) -> dict[str, bytes]:
    return {name: container.read(name) for name in container.names}


def read(content: bytes, *, allow_sha1: bool = False) -> dict[str, bytes]:
    """The files of a container. Raises Refused; anything else that is raised fails the test."""
    return contents(container(BytesIO(content), allow_sha1=allow_sha1))


# --- As others write them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
async def test_takes_what_the_client_for_java_takes_as_a_file_and_refuses_the_rest(make: Maker, name: str) -> None:
    variant: Variant = VARIANTS[name]
    message = variant.make(make)
    if variant.is_taken:
        async with unsealed(arriving(message), [STRANGER, RECEIVER], allow_sha1=variant.is_sha1) as taken:
            assert contents(taken) == FILES
            assert taken.signers == (SIGNER.certificate,)
    else:
        with pytest.raises(Refused):
            async with unsealed(arriving(message), [RECEIVER], allow_sha1=True):
                pytest.fail("it was handed out")


async def test_sha1_is_refused_where_it_is_not_allowed(make: Maker) -> None:
    message = VARIANTS["signature SHA-1"].make(make)
    with pytest.raises(Refused, match="sha1"):
        async with unsealed(arriving(message), [RECEIVER], allow_sha1=False):
            pytest.fail("it was handed out")


async def test_what_is_large_lies_in_a_file_until_it_was_read(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiks_io.payload.IN_MEMORY", 1000)
    async with unsealed(arriving(make.message()), [RECEIVER], allow_sha1=False) as taken:
        assert contents(taken) == FILES
    with pytest.raises(ValueError, match="closed"):
        taken.read("brev.pdf")


async def test_files_are_written_below_a_folder_and_over_nothing(make: Maker, tmp_path: Path) -> None:
    files = FILES | {"under/mappe/c.txt": b"c"}
    taken = container(BytesIO(zipped(make.entries(written=manifest(files), files=files))), allow_sha1=False)
    assert await taken.extract(tmp_path) == [tmp_path / name for name in files]
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    with pytest.raises(FileExistsError):
        await taken.extract(tmp_path)


def test_only_files_that_were_checked_are_opened(whole: bytes) -> None:
    taken = container(BytesIO(whole), allow_sha1=False)
    for name in (MANIFEST, SIGNATURE, "mimetype", "annet"):
        with pytest.raises(KeyError):
            taken.open(name)


def test_several_manifests_together_name_all_files(make: Maker) -> None:
    first, second = ({name: content} for name, content in FILES.items())
    other = SIGNATURE.replace("signature-", "signature-2")
    entries = make.entries(written=manifest(first))
    written = manifest(second).replace(SIGNATURE.encode(), other.encode())
    both = entries | {
        "META-INF/ASiCManifest2.xml": written,
        other: make.openssl.sign_apart(written, STRANGER, "-md", "sha256"),
    }
    taken = container(BytesIO(zipped(both)), allow_sha1=False)
    assert contents(taken) == FILES
    assert taken.signers == (SIGNER.certificate, STRANGER.certificate)
    with pytest.raises(Refused, match="nobody signed"):
        read(zipped(entries))


# --- Zips that are not plain -----------------------------------------------------------------------------------------


def signed(make: Maker, files: Files) -> dict[str, bytes]:
    return make.entries(written=manifest(files), files=files)


@pytest.mark.parametrize(
    "name",
    [
        "../ut.txt",
        "/ut.txt",
        "a/../../ut.txt",
        "C:/ut.txt",
        "a\\..\\ut.txt",
        "a//b",
        "./a",
        "mappe/",
        "a\nb",
        "meta-inf/a",
    ],
)
def test_a_name_that_leads_elsewhere(make: Maker, name: str) -> None:
    with pytest.raises(Refused, match="name"):
        read(zipped(signed(make, {name: b"x"})))


def test_a_name_that_ends_before_it_ends(make: Maker) -> None:
    made = zipped(signed(make, {"a.txtX.exe": b"x"})).replace(b"a.txtX.exe", b"a.txt\0.exe")
    with pytest.raises(Refused, match="name"):
        read(made)


def test_two_files_of_one_name(make: Maker) -> None:
    made, entries = BytesIO(), make.entries()
    with ZipFile(made, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.writestr("brev.pdf", b"en annen")
    with pytest.raises(Refused, match="same name"):
        read(made.getvalue())


def test_something_before_the_first_file(whole: bytes) -> None:
    with pytest.raises(Refused, match="before"):
        read(b"#!/bin/sh\n" + whole)


def test_files_that_lie_within_each_other(make: Maker) -> None:
    """Two entries of the directory that lead to the same octets."""
    files = {"a.txt": b"bombe" * 50, "b.txt": b"bombe" * 50}
    made = BytesIO()
    with ZipFile(made, "w", ZIP_STORED) as archive:
        for name, content in signed(make, files).items():
            archive.writestr(name, content)
        archive.getinfo("b.txt").header_offset = archive.getinfo("a.txt").header_offset
    with pytest.raises(Refused, match="within"):
        read(made.getvalue())


def test_packed_in_a_way_that_nobody_uses(make: Maker) -> None:
    with pytest.raises(Refused, match="strangely"):
        read(zipped(make.entries(), ZIP_LZMA))


def test_a_password(whole: bytes) -> None:
    changed = bytearray(whole)
    at = changed.rindex(b"PK\1\2")
    changed[at + 8] |= 1
    with pytest.raises(Refused, match="password"):
        read(bytes(changed))


def test_a_bomb(make: Maker) -> None:
    """A hundred megabytes of zeros in a tenth of one: what the directory says is enough to refuse it."""
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for name, content in make.entries().items():
            archive.writestr(name, content)
        with archive.open("nuller.bin", "w") as entry:
            for _ in range(100):
                entry.write(bytes(1_000_000))
    with pytest.raises(Refused, match="too large"):
        read(made.getvalue())


def test_a_bomb_that_says_it_is_small(make: Maker) -> None:
    """Of an entry as much is unpacked as the directory says."""
    large, made = bytes(80_000_000), BytesIO()
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(large) + packer.flush()
    with ZipFile(made, "w") as archive:
        for name, content in make.entries().items():
            archive.writestr(name, content)
        archive.writestr("nuller.bin", packed)
        info = archive.getinfo("nuller.bin")
        info.compress_type, info.file_size = ZIP_DEFLATED, 1000
    with pytest.raises(Refused, match="whole zip"):
        read(made.getvalue())


def test_a_directory_without_end(make: Maker) -> None:
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for name, content in make.entries().items():
            archive.writestr(name, content)
        for number in range(25_000):
            archive.writestr(ZipInfo(f"{number}"), b"")
    with pytest.raises(Refused, match="whole zip"):
        read(made.getvalue())


def test_a_manifest_without_end(make: Maker) -> None:
    with pytest.raises(Refused, match="too large"):
        read(zipped(make.entries(written=manifest(FILES) + b" " * 9_000_000), ZIP_STORED))


# --- Manifests and signatures that are not plain ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"<ASiCManifest", b'<!DOCTYPE a [<!ENTITY b "bb">]><ASiCManifest', "document type"),
        (b"02918/v1.2.1#", b"02918/v9#", "unknown kind"),
        (b"SigReference", b"Reference", "one signature"),
        (b'"META-INF/signature', b'"META-INF/other', "without a signature"),
        (b"brev.pdf", b"borte.pdf", "as it was signed"),
        (b"vedlegg \xc3\xa6\xc3\xb8\xc3\xa5.txt", b"brev.pdf", "twice"),
        (b"<ds:DigestValue>", b"<ds:DigestValue>!", "that is none"),
        (b"</ASiCManifest>", b"", "not XML"),
        (b'encoding="UTF-8"', b'encoding="klingon"', "not XML"),
    ],
)
def test_a_manifest_that_is_signed_but_wrong(make: Maker, old: bytes, new: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(zipped(make.entries(written=manifest(FILES).replace(old, new))))


@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        (("-md", "md5"), "md5"),
        (("-md", "sha256", "-noattr"), "signed attributes"),
        (("-md", "sha256", "-nodetach"), "content of its own"),
    ],
)
def test_a_signature_that_is_right_but_weak(make: Maker, signing: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read(zipped(make.entries(signing=signing)), allow_sha1=True)


def test_each_of_two_signatures_by_one_certificate_counts(make: Maker) -> None:
    signature = twice(make, "-md", "sha256")
    second = signature["content"]["signer_infos"][1]
    second["signature"] = flipped(second["signature"].native)
    broken = make.entries() | {SIGNATURE: signature.dump(force=True)}
    with pytest.raises(Refused, match="not over the manifest"):
        read(zipped(broken))


def test_a_signature_named_by_key_identifier(make: Maker) -> None:
    assert read(zipped(make.entries(signing=("-md", "sha256", "-keyid")))) == FILES


def test_a_signature_with_pss(make: Maker) -> None:
    assert read(zipped(make.entries(signing=("-md", "sha256", "-keyopt", "rsa_padding_mode:pss")))) == FILES


def test_a_signature_over_something_else(make: Maker) -> None:
    entries = make.entries() | {SIGNATURE: make.openssl.sign_apart(b"annet", SIGNER, "-md", "sha256")}
    with pytest.raises(Refused, match="not over the manifest"):
        read(zipped(entries))


def test_a_signature_by_another_who_shows_the_certificate_of_its_name(make: Maker, tmp_path: Path) -> None:
    name, number = SIGNER.certificate.subject, SIGNER.certificate.serial_number
    other = pair_of(STRANGER.key, name, number)
    shown = tmp_path / "shown.pem"
    shown.write_bytes(SIGNER.certificate.public_bytes(Encoding.PEM))
    made = make.openssl.sign_apart(manifest(FILES), other, "-md", "sha256", "-nocerts", "-certfile", str(shown))
    with pytest.raises(Refused, match="not over the manifest"):
        read(zipped(make.entries() | {SIGNATURE: made}))


@pytest.mark.parametrize("content", [b"", b"\x30\x80", b"tull", b"\x30\x03\x02\x01\x01"])
def test_a_signature_that_is_none(make: Maker, content: bytes) -> None:
    with pytest.raises(Refused, match="signature"):
        read(zipped(make.entries() | {SIGNATURE: content}))


# --- Damage ----------------------------------------------------------------------------------------------------------


@given(data=st.data(), bits=st.integers(min_value=1, max_value=255))
@settings(max_examples=400)
def test_a_changed_octet_changes_nothing_or_is_refused(whole: bytes, data: st.DataObject, bits: int) -> None:
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= bits
    with suppress(Refused):
        assert read(bytes(changed)) == FILES


@given(data=st.data())
@settings(max_examples=200)
def test_a_container_that_is_cut_is_refused(whole: bytes, data: st.DataObject) -> None:
    with pytest.raises(Refused):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(beginning=st.integers(0, 200), garbage=st.binary(max_size=300))
def test_garbage_is_refused(whole: bytes, beginning: int, garbage: bytes) -> None:
    with pytest.raises(Refused):
        read(whole[:beginning] + garbage)
