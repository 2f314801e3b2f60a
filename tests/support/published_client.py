"""Runs a published Java client of KS, unchanged, by a program of tests/contract/java that takes and gives JSON lines.

The jar of the SvarUt client is in no registry: FIKS_CLIENT_JARS names the folder that has it; by default
../shared/clients of the checkout.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from gateway.auth.grant import certificate
from infra.local.cache import cached
from infra.local.processes import run
from infra.local.requirements import provide_java
from tests.support.local_system import System

ROOT = Path(__file__).parent.parent.parent
JAVA = ROOT / "tests" / "contract" / "java"
PASSWORD = "changeit"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of tests/contract/java, the pom that names its jars, and one jar more where no registry has it."""

    source: str
    pom: str
    name: str
    jar: Path | None = None


SVARUT = Program(
    "SvarUt.java",
    "pom.xml",
    "svarut-client",
    Path(os.environ.get("FIKS_CLIENT_JARS") or ROOT.parent / "shared" / "clients") / "fiks-svarut-klient-4.8.0.jar",
)
DOKUMENTLAGER = Program("Dokumentlager.java", "dokumentlager.xml", "dokumentlager-client")


class Failed(Exception):
    """The client threw: its message, its class, and the status that it took from the answer."""

    def __init__(self, error: str, type: str, status: int | None = None) -> None:  # noqa: A002
        super().__init__(error)
        self.type = type
        self.status = status


class Client:
    """The client in a JVM of its own. Every call is that of the caller that was named last."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, program: Program, log: Path) -> AsyncIterator[Self]:
        """A JVM with the client; what the client logs goes to ``log``."""
        class_path = f"{await libraries(program.pom, program.name)}/*"
        if program.jar:
            class_path = f"{program.jar}:{class_path}"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *("java", "-XX:+UseSerialGC", "-cp", class_path, str(JAVA / program.source)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def call_as(self, system: System, who: dict[str, str], **instead: Any) -> None:
        """Be that caller from now on, with a certificate of its organisation."""
        key_store = system.files / f"{who['orgnr']}.p12"
        if not key_store.exists():
            key_store.write_bytes(_key_store(who["orgnr"]))
        caller = {
            "url": system.addresses["gateway"],
            "issuer": system.addresses["issuer"],
            "clientId": f"test-{who['orgnr']}",
            "integrasjonId": who["integrasjonId"],
            "integrasjonPassord": who["integrasjonPassord"],
            "keyStore": str(key_store),
            "keyStorePassword": PASSWORD,
            "alias": "virk",
        }
        await self.call("caller", **caller | instead)

    async def call(self, what: str, **asked: Any) -> Any:
        """What the client answers. Raises Failed when it throws."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what} | asked).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "the JVM has ended: see its log"
        said = json.loads(line)
        if "error" in said:
            raise Failed(**said)
        return said["answer"]


def _key_store(orgnr: str) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = BestAvailableEncryption(PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(b"virk", key, certificate(key, orgnr), None, secret)


async def libraries(file: str = SVARUT.pom, name: str = SVARUT.name) -> Path:
    """The folder of the jars that a pom names, fetched once a machine; by default the client's third-party ones."""
    pom = JAVA / file

    async def fetch(folder: Path) -> None:
        await provide_java()
        goal = "dependency:copy-dependencies"
        await run("mvn", "-q", "-B", "-f", str(pom), goal, f"-DoutputDirectory={folder}", "-DincludeScope=runtime")

    return await cached(f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}", fetch)
