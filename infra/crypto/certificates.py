"""The key pairs by which vendors encrypt documents for the platform: a folder of PEM files, the newest of which is told
to senders while all of them decipher. Knows no document.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from fiks_cms import KeyPair
from infra.kept import kept
from infra.logs import logger
from infra.settings import Settings
from streams.domain.errors import Rejected

log = logger(__name__)

BITS = 3072
LIFETIME = timedelta(days=5 * 365)
"""Of a certificate that is made here. Senders use it for as long as it is told; no client looks at the dates."""


class KeyFolder:
    """The key pairs in ``folder``: files ``*.pem``, each with a private RSA key (PKCS#8, not encrypted) and its X.509
    certificate. The first pair is made if there is none. A file that is added counts at once, in every process.

    At the start it raises Rejected when a file is not such a pair, and OSError when it cannot be read; later, where
    callers would hear of it, what was known before counts on, and the log has what is wrong.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: list[tuple[Path, int]] = []
        self._pairs: tuple[KeyPair, ...] = ()
        if not self.pairs():
            kept(folder / "0001.pem", _new_pair)

    def pairs(self) -> tuple[KeyPair, ...]:
        """All of them, the newest first."""
        try:
            seen = sorted((path, path.stat().st_mtime_ns) for path in self._folder.glob("*.pem"))
            if seen == self._seen:
                return self._pairs
            self._seen = seen
            pairs = [_pair(path) for path, _ in reversed(seen)]
            if not pairs and self._pairs:
                raise Rejected(f"{self._folder} has no key pair any more")
        except (Rejected, OSError) as fault:
            if not self._pairs:
                raise
            log.error("the key pairs of documents cannot be read anew; those known before count", fault=str(fault))
        else:
            self._pairs = tuple(sorted(pairs, key=lambda pair: pair.certificate.not_valid_before_utc, reverse=True))
        return self._pairs

    def certificate(self) -> str:
        """The one that senders shall use, PEM."""
        return self.pairs()[0].certificate.public_bytes(Encoding.PEM).decode()

    def rotate(self) -> Path:
        """Adds a pair, which is the newest from now on; the file that holds it. Old ones may go when no document that
        was encrypted for them can arrive any more. Of processes that rotate at once, one does."""
        numbers = (int(path.stem) for path in self._folder.glob("*.pem") if path.stem.isdecimal())
        path = self._folder / f"{max(numbers, default=0) + 1:04}.pem"
        kept(path, _new_pair)
        return path


def key_folder(settings: Settings) -> KeyFolder:
    """That of this system: FIKS_DOCUMENT_KEYS, or one that the state folder keeps. Raises as KeyFolder."""
    return KeyFolder(settings.document_keys or settings.state / "document-keys")


def _new_pair() -> str:
    key = generate_private_key(public_exponent=65537, key_size=BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fiks dokumentkryptering")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (private + certificate.public_bytes(Encoding.PEM)).decode()


def _pair(path: Path) -> KeyPair:
    pem = path.read_bytes()
    try:
        key, certificate = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    except (ValueError, TypeError) as fault:
        raise Rejected(f"{path} must hold a private key (PKCS#8, not encrypted) and its certificate, PEM") from fault
    if not isinstance(key, RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise Rejected(f"{path} must hold an RSA key and the certificate of that very key")
    return KeyPair(certificate, key)
