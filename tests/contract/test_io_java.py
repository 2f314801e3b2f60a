"""KS's own library for containers and envelopes, unchanged, reads what our client writes, and the other way round."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest
import pytest_asyncio
from asn1crypto import keys
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from fiks_io import File, Refused, Signer
from fiks_io.container import Container
from fiks_io.payload import sealed, unsealed
from infra.local.requirements import Missing
from tests.support.asice import FILES, RECEIVER, SIGNER, VARIANTS, Maker
from tests.support.cms import KeyPair, OpenSsl
from tests.support.published_client import JAVA, PASSWORD, libraries

LARGE = {"stor.bin": random.Random(1).randbytes(6_000_000), "tom.txt": b"", "mange ord.txt": b"ord og " * 200_000}
SENT = {"plain": FILES, "large": LARGE, "in folders": {"a/b.txt": b"b", "a/c.txt": b"c"}}


@dataclass(frozen=True)
class Exchanged:
    """The folder in which ``*.ours`` became ``*.read`` where Java took it, and Java wrote ``*.theirs``."""

    folder: Path

    def read(self, name: str) -> dict[str, bytes] | None:
        """The files that Java read, None if it did not take the message."""
        path = self.folder / f"{name}.read"
        if not path.exists():
            return None
        with ZipFile(path) as archive:
            names = [one for one in archive.namelist() if one != "mimetype" and not one.startswith("META-INF/")]
            return {one: archive.read(one) for one in names}


@pytest_asyncio.fixture(scope="module")
async def exchanged(tmp_path_factory: pytest.TempPathFactory) -> Exchanged:
    """All messages, either way, by one JVM: it takes its time to start."""
    try:
        class_path = await libraries("asice.xml", "asice")
    except Missing as fault:
        pytest.skip(str(fault))
    folder = tmp_path_factory.mktemp("asice")
    (folder / "files").mkdir()
    openssl = OpenSsl(folder / "files")
    made = {name: variant.make(Maker(openssl)) for name, variant in VARIANTS.items()}
    for name, files in SENT.items():
        made[name] = await written(files, Signer(SIGNER.certificate, SIGNER.key))
    made["time-stamped"] = await written(FILES, stamping(SIGNER))
    jobs = []
    for name, message in made.items():
        (folder / f"{name}.ours").write_bytes(message)
        jobs += ["read", str(folder / f"{name}.ours"), str(folder / f"{name}.read")]
    for name in ("plain", "large"):
        (folder / name).mkdir()
        for file, content in SENT[name].items():
            (folder / name / file).write_bytes(content)
        jobs += ["write", str(folder / name), str(folder / f"{name}.theirs")]
    signer = folder / "signer.p12"
    secret = BestAvailableEncryption(PASSWORD.encode())
    signer.write_bytes(pkcs12.serialize_key_and_certificates(b"virk", SIGNER.key, SIGNER.certificate, None, secret))
    receiver = (openssl.key(RECEIVER), openssl.certificate(RECEIVER))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("java", "-XX:+UseSerialGC", "-cp", f"{class_path}/*", str(JAVA / "Asice.java")),
            *(str(signer), PASSWORD, *receiver, *jobs),
            stdout=log,
            stderr=log,
        )
        await process.wait()
    assert process.returncode == 0, (folder / "log").read_text()
    return Exchanged(folder)


async def written(files: dict[str, bytes], signer: Signer) -> bytes:
    """As our client writes it."""
    chunks = sealed([File(name, content) for name, content in files.items()], signer, RECEIVER.certificate)
    return b"".join([chunk async for chunk in chunks])


def stamping(pair: KeyPair) -> Signer:
    """A signer with time stamps, which it makes itself."""
    private = pair.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = asn1.Certificate.load(pair.certificate.public_bytes(Encoding.DER))
    return Signer(
        pair.certificate, pair.key, timestamper=DummyTimeStamper(certificate, keys.PrivateKeyInfo.load(private))
    )


async def pieces(message: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(message), 10_000):
        yield message[at : at + 10_000]


def contents(container: Container) -> dict[str, bytes]:
    return {name: container.read(name) for name in container.names}


@pytest.mark.parametrize("name", VARIANTS)
def test_java_takes_what_a_reader_must_take(exchanged: Exchanged, name: str) -> None:
    """So the table by which our reader is judged is that of the published client. (Its BouncyCastle does not come to
    the end of AuthEnvelopedData.)"""
    assert exchanged.read(name) == (FILES if VARIANTS[name].is_taken and name != "AES-256-GCM" else None)


@pytest.mark.parametrize("name", SENT)
def test_java_reads_what_we_write(exchanged: Exchanged, name: str) -> None:
    assert exchanged.read(name) == SENT[name]


def test_java_reads_what_is_time_stamped(exchanged: Exchanged) -> None:
    assert exchanged.read("time-stamped") == FILES


@pytest.mark.parametrize("name", ["plain", "large"])
async def test_we_read_what_java_writes(exchanged: Exchanged, name: str) -> None:
    message = (exchanged.folder / f"{name}.theirs").read_bytes()
    async with unsealed(pieces(message), [RECEIVER], allow_sha1=True) as container:
        assert contents(container) == SENT[name]
        assert container.signers == (SIGNER.certificate,)


async def test_we_read_what_java_writes_only_where_sha1_is_allowed(exchanged: Exchanged) -> None:
    with pytest.raises(Refused, match="sha1"):
        async with unsealed(pieces((exchanged.folder / "plain.theirs").read_bytes()), [RECEIVER], allow_sha1=False):
            pass
