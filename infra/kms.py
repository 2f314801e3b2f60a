"""Where the key-encryption keys are kept secret: Vault Transit or AWS KMS, each over its own HTTP API.

Only generations of key-encryption keys come here, at a start and at a rotation; never a data key. FIKS_KMS names it:
``vault+https://vault.example.no:8200/transit/fiks`` (mount and key; the token stands in FIKS_KMS_TOKEN_FILE) or
``aws+https://kms.eu-north-1.amazonaws.com/alias/fiks`` (credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_SESSION_TOKEN; the region in AWS_REGION, or in such a host).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from infra.ends import Ends
from infra.keks import InTheClear, Keks, Kms
from infra.settings import Settings
from schemas.topics import NOKKEL
from streams.domain.errors import Rejected, Unavailable

TIMEOUT = ClientTimeout(total=10)
CONTEXT = {"fiks": "kek"}
"""What AWS KMS binds the ciphertext to, and what its audit log shows."""
_AMAZON = re.compile(r"(?:^|\.)kms(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$")
THROTTLED = ("Throttling", "LimitExceeded", "KMSInternal", "DependencyTimeout", "KeyUnavailable")


class Vault:
    """The Transit engine of HashiCorp Vault or OpenBao. Needs a policy to update ``<mount>/{en,de}crypt/<key>``."""

    name = "vault"

    def __init__(self, url: SplitResult, token: Callable[[], str]) -> None:
        mount, _, self._key = url.path.strip("/").rpartition("/")
        self._base, self._token = f"{_scheme(url)}://{url.netloc}/v1/{mount}", token

    async def encrypt(self, key: bytes) -> str:
        """``vault:v1:…``"""
        return str((await self._ask("encrypt", plaintext=base64.b64encode(key).decode()))["ciphertext"])

    async def decrypt(self, text: str) -> bytes:
        """The key in that."""
        return base64.b64decode((await self._ask("decrypt", ciphertext=text))["plaintext"])

    async def _ask(self, action: str, **said: str) -> Any:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        status, answer = await _post(f"{self._base}/{action}/{self._key}", msgspec.json.encode(said), headers)
        if status == 200:
            return answer["data"]
        raise _fault("Vault", status, "; ".join(answer.get("errors", ())), passing=status >= 500 or status == 429)


class AwsKms:
    """AWS KMS. Needs kms:Encrypt and kms:Decrypt on the key. Raises Rejected when nothing names the region."""

    name = "aws"

    def __init__(self, url: SplitResult, environment: Mapping[str, str]) -> None:
        self._url, self._key, self._environment = f"{_scheme(url)}://{url.netloc}/", url.path.strip("/"), environment
        self._region = environment.get("AWS_REGION") or _region_in(url.hostname or "")

    async def encrypt(self, key: bytes) -> str:
        """A CiphertextBlob, in base64 as it travels."""
        said = {"KeyId": self._key, "Plaintext": base64.b64encode(key).decode(), "EncryptionContext": CONTEXT}
        return str((await self._ask("Encrypt", said))["CiphertextBlob"])

    async def decrypt(self, text: str) -> bytes:
        """The key in that."""
        said = {"KeyId": self._key, "CiphertextBlob": text, "EncryptionContext": CONTEXT}
        return base64.b64decode((await self._ask("Decrypt", said))["Plaintext"])

    async def _ask(self, action: str, said: Mapping[str, Any]) -> Any:
        body = msgspec.json.encode(said)
        target = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{action}"}
        headers = signed(self._url, body, target, self._region, self._environment, datetime.now(UTC))
        status, answer = await _post(self._url, body, headers)
        if status == 200:
            return answer
        kind = str(answer.get("__type", "")).rpartition("#")[2]
        raise _fault("AWS KMS", status, kind, passing=status >= 500 or kind.startswith(THROTTLED))


def signed(
    url: str, body: bytes, headers: Mapping[str, str], region: str, environment: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """The headers of a POST to the root of AWS KMS, with Signature Version 4. Raises Rejected without credentials."""
    try:
        who, secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    except KeyError as fault:
        raise Rejected(f"AWS KMS needs {fault.args[0]} in the environment") from None
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "Host": urlsplit(url).netloc, "X-Amz-Date": stamp}
    if token := environment.get("AWS_SESSION_TOKEN"):
        sent["X-Amz-Security-Token"] = token
    lines = sorted((name.lower(), value.strip()) for name, value in sent.items())
    names, scope = ";".join(name for name, _ in lines), f"{stamp[:8]}/{region}/kms/aws4_request"
    canonical = ["POST", "/", "", *(f"{name}:{value}" for name, value in lines), "", names, _sha256(body)]
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, _sha256("\n".join(canonical).encode())])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={who}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**sent, "Authorization": authorization}


def kms(settings: Settings) -> Kms:
    """The KMS that the settings name; without one, none."""
    if not settings.kms:
        return InTheClear()
    url = urlsplit(settings.kms)
    if url.scheme.startswith("aws"):
        return AwsKms(url, os.environ)
    return Vault(url, lambda: _token(settings.kms_token_file))


def keks(settings: Settings) -> Keks:
    """The key-encryption keys of this system. They are made once, before it has its first data key."""

    async def is_new() -> bool:
        return not any((await Ends(settings.kafka, NOKKEL).now()).values())

    return Keks(settings.kek_file or settings.state / "keks.json", kms(settings), is_new)


def _token(file: Path | None) -> str:
    """Read each time: whatever renews the token writes it anew."""
    if file is None:
        raise Rejected("Vault needs a token: name the file that holds it in FIKS_KMS_TOKEN_FILE")
    return file.read_text().strip()


def _region_in(host: str) -> str:
    """The region that the host of a KMS of Amazon names. Raises Rejected when it is another's."""
    if found := _AMAZON.search(host):
        return found[1]
    raise Rejected("FIKS_KMS: its host names no region (kms.REGION.amazonaws.com): set AWS_REGION")


def _scheme(url: SplitResult) -> str:
    return url.scheme.partition("+")[2] or "https"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
    try:
        async with ClientSession(timeout=TIMEOUT) as session, session.post(url, data=body, headers=headers) as answer:
            content = await answer.read()
            return answer.status, msgspec.json.decode(content) if content else {}
    except (ClientError, TimeoutError, msgspec.DecodeError) as fault:
        raise Unavailable(f"The KMS does not answer: {fault!r}") from fault


def _fault(who: str, status: int, why: str, *, passing: bool) -> Exception:
    text = f"{who} answered {status}: {why or 'no reason given'}"
    return Unavailable(text) if passing else Rejected(f"{text}; may we use this key?")
