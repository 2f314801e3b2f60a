"""The platform's key pairs: made once, the newest told, all of them good."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from structlog.testing import capture_logs

from fiks_cms.envelope import Encryptor
from gateway.commands import rotate_certificate
from infra.crypto.certificates import KeyFolder, key_folder
from infra.settings import Settings
from streams.domain.errors import Rejected
from tests.support.cms import decrypt, key_pair


def encrypted_for(pem: str) -> bytes:
    """As a sender does it with the certificate that it was told."""
    encryptor = Encryptor([x509.load_pem_x509_certificate(pem.encode())])
    return encryptor.update(b"innhold") + encryptor.finish()


def pem_of(name: str) -> bytes:
    pair = key_pair(name)
    private = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + pair.certificate.public_bytes(Encoding.PEM)


def test_the_first_start_makes_a_pair_and_the_next_finds_it(tmp_path: Path) -> None:
    first = KeyFolder(tmp_path / "keys").certificate()
    (file,) = (tmp_path / "keys").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert KeyFolder(tmp_path / "keys").certificate() == first
    assert decrypt(encrypted_for(first), *KeyFolder(tmp_path / "keys").pairs()) == b"innhold"


def test_it_is_told_as_the_published_clients_read_it(tmp_path: Path) -> None:
    """They take off the armour and decode the rest leniently: dokumentlager.md 6."""
    (tmp_path / "1.pem").write_bytes(pem_of("fiks"))
    lines = KeyFolder(tmp_path).certificate().strip().splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    der = base64.b64decode("".join(lines[1:-1]))
    assert x509.load_der_x509_certificate(der) == key_pair("fiks").certificate


def test_starts_at_once_make_one_pair(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        told = set(threads.map(lambda _: KeyFolder(tmp_path).certificate(), range(4)))
    assert told == {KeyFolder(tmp_path).certificate()}


def test_after_rotation_the_newest_is_told_and_the_old_one_still_deciphers(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").write_bytes(pem_of("gammel"))
    elsewhere, here = KeyFolder(tmp_path), KeyFolder(tmp_path)
    before = elsewhere.certificate()
    added = here.rotate()
    after = elsewhere.certificate()
    assert added.name == "0002.pem"
    assert after == here.certificate() == KeyFolder(tmp_path).certificate() != before
    for told in (before, after):
        assert decrypt(encrypted_for(told), *elsewhere.pairs()) == b"innhold"


def test_an_old_one_may_go(tmp_path: Path) -> None:
    for name in ("0001", "0002", "fra-oss"):
        (tmp_path / f"{name}.pem").write_bytes(pem_of(name))
    keys = KeyFolder(tmp_path)
    (tmp_path / "0001.pem").unlink()
    assert {pair.certificate for pair in keys.pairs()} == {key_pair(name).certificate for name in ("0002", "fra-oss")}
    assert keys.rotate().name == "0003.pem"


def test_what_is_damaged_while_it_serves_costs_no_caller_anything(tmp_path: Path) -> None:
    (tmp_path / "0001.pem").write_bytes(pem_of("fiks"))
    keys = KeyFolder(tmp_path)
    known = keys.pairs()
    (tmp_path / "0002.pem").write_text("halvveis")
    with capture_logs() as logs:
        assert keys.pairs() == keys.pairs() == known
    assert len(logs) == 1
    assert "0002.pem must hold" in logs[0]["fault"]
    (tmp_path / "0002.pem").write_bytes(pem_of("ny"))
    assert len(keys.pairs()) == 2
    for file in tmp_path.iterdir():
        file.unlink()
    assert len(keys.pairs()) == 2


def test_the_folder_is_the_operators_or_in_the_state(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "fiks.pem").write_bytes(pem_of("fiks"))
    named = key_folder(Settings(state=tmp_path, document_keys=tmp_path / "ours"))
    assert [pair.certificate for pair in named.pairs()] == [key_pair("fiks").certificate]
    assert key_folder(Settings(state=tmp_path)).rotate() == tmp_path / "document-keys" / "0002.pem"


def test_the_command_adds_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIKS_DOCUMENT_KEYS", str(tmp_path))
    (tmp_path / "0001.pem").write_bytes(pem_of("gammel"))
    done = CliRunner().invoke(rotate_certificate)
    assert (done.exit_code, done.output) == (0, f"New key pair: {tmp_path}/0002.pem\n")
    assert KeyFolder(tmp_path).pairs()[1].certificate == key_pair("gammel").certificate


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"ikke noe",
        key_pair("fiks").certificate.public_bytes(Encoding.PEM),
        pem_of("fiks").split(b"-----BEGIN CERT")[0],
        pem_of("fiks").split(b"-----BEGIN CERT")[0] + pem_of("annen")[-1200:],
        pem_of("fiks").split(b"-----BEGIN CERT")[0] + key_pair("annen").certificate.public_bytes(Encoding.PEM),
        key_pair("fiks").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passord"))
        + key_pair("fiks").certificate.public_bytes(Encoding.PEM),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + key_pair("fiks").certificate.public_bytes(Encoding.PEM),
    ],
    ids=["empty", "text", "no key", "no certificate", "half", "another's", "encrypted", "elliptic"],
)
def test_what_is_no_pair_is_refused_by_its_name(tmp_path: Path, pem: bytes) -> None:
    (tmp_path / "0001.pem").write_bytes(pem)
    with pytest.raises(Rejected, match=r"0001\.pem must hold"):
        KeyFolder(tmp_path)
