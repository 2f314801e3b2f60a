"""KS's own library kryptering 2.2.0 (BouncyCastle), unchanged, reads what we envelope, and we what it envelopes."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from fiks_cms.envelope import Encryptor
from infra.local.requirements import Missing
from tests.support.cms import OpenSsl, decrypt, encrypt, key_pair
from tests.support.published_client import JAVA, libraries

SIZES = [0, 1, 15, 16, 999, 1000, 1001, 65_536, 700_001, 20_000_000]


async def test_both_ways(tmp_path: Path) -> None:
    pair, files = key_pair(), OpenSsl(tmp_path)
    contents = {str(size): random.Random(size).randbytes(size) for size in SIZES}
    jobs: list[str] = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"{name}.ours").write_bytes(encrypt(content, pair))
        jobs += ["encrypt", files.certificate(pair), str(tmp_path / name), str(tmp_path / f"{name}.theirs")]
        jobs += ["decrypt", files.key(pair), str(tmp_path / f"{name}.ours"), str(tmp_path / f"{name}.read")]
    await _kryptering(jobs, tmp_path)
    for name, content in contents.items():
        theirs = (tmp_path / f"{name}.theirs").read_bytes()
        assert theirs.startswith(bytes.fromhex("3080 0609 2a864886f70d010703 a080 3080 020100 3182")), "as described"
        assert decrypt(theirs, pair, cuts=range(0, len(theirs), 65_536)) == content
        assert (tmp_path / f"{name}.read").read_bytes() == content


async def test_we_begin_as_it_does(tmp_path: Path) -> None:
    """Up to the wrapped key, octet for octet: a reader that takes ours as theirs meets nothing new."""
    pair, files = key_pair(), OpenSsl(tmp_path)
    (tmp_path / "x").write_bytes(b"x")
    await _kryptering(["encrypt", files.certificate(pair), str(tmp_path / "x"), str(tmp_path / "y")], tmp_path)
    ours, theirs = Encryptor([pair.certificate]).update(b""), (tmp_path / "y").read_bytes()
    wrapped = ours.index(b"\x04\x82\x01\x00")
    assert theirs[: wrapped + 4] == ours[: wrapped + 4]


async def _kryptering(jobs: list[str], folder: Path) -> None:
    log = folder / "log"
    try:
        class_path = await libraries("kryptering.xml", "kryptering")
    except Missing as fault:
        pytest.skip(str(fault))
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *("java", "-XX:+UseSerialGC", "-Xmx64m", "-cp", f"{class_path}/*", str(JAVA / "Kryptering.java"), *jobs),
            stdout=errors,
            stderr=errors,
        )
        await process.wait()
    assert process.returncode == 0, log.read_text()
