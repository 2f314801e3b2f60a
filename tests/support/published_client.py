"""Runs a published Java client of KS, unchanged, by a program of tests/contract/java that takes and gives JSON lines.

Some jars are in no registry: FIKS_CLIENT_JARS names the folder that has them; by default ../shared/clients of the
checkout.
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
JARS = Path(os.environ.get("FIKS_CLIENT_JARS") or ROOT.parent / "shared" / "clients")
PASSWORD = "changeit"
LONGEST_LINE = 64 << 20
"""Octets of one answer."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program of tests/contract/java, the pom that names its jars, and one jar more where no registry has it."""

    source: str
    pom: str
    name: str
    jar: Path | None = None


SVARUT = Program("SvarUt.java", "pom.xml", "svarut-client", JARS / "fiks-svarut-klient-4.8.0.jar")
DOKUMENTLAGER = Program("Dokumentlager.java", "dokumentlager.xml", "dokumentlager-client")
FIKS_IO = Program("FiksIo.java", "fiks-io.xml", "fiks-io-client")
FIKS_IO_NEWER_AMQP = Program("FiksIo.java", "fiks-io-amqp-5.37.xml", "fiks-io-client-amqp-5.37")
FIKS_IO_3_6 = Program("FiksIo.java", "fiks-io-3.6.xml", "fiks-io-client-3.6", JARS / "fiks-io-klient-java-3.6.3.jar")


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
    async def started(cls, program: Program, log: Path, *options: str) -> AsyncIterator[Self]:
        """A JVM with the client and ``options`` of its own; what the client logs goes to ``log``."""
        class_path = f"{await classes(program)}:{await class_path_of(program)}"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *("java", "-XX:+UseSerialGC", *options, "-cp", class_path, Path(program.source).stem),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LONGEST_LINE,
            )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def call_as(self, system: System, who: dict[str, str], **instead: Any) -> None:
        """Be that caller from now on, with a certificate of its organisation."""
        await self.call("caller", url=system.addresses["gateway"], **caller(system, who) | instead)

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


def caller(system: System, who: dict[str, str]) -> dict[str, str]:
    """By what the integration of an organisation shows who it is, with a certificate of the organisation."""
    key_store = system.files / f"{who['orgnr']}.p12"
    if not key_store.exists():
        key_store.write_bytes(_key_store(who["orgnr"]))
    return {
        "issuer": system.addresses["issuer"],
        "clientId": f"test-{who['orgnr']}",
        "integrasjonId": who["integrasjonId"],
        "integrasjonPassord": who["integrasjonPassord"],
        "keyStore": str(key_store),
        "keyStorePassword": PASSWORD,
        "alias": "virk",
    }


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


async def class_path_of(program: Program) -> str:
    """Where the JVM finds the client."""
    jars = f"{await libraries(program.pom, program.name)}/*"
    return f"{program.jar}:{jars}" if program.jar else jars


async def classes(program: Program) -> Path:
    """The folder of the program's own classes, compiled once a machine."""
    class_path = await class_path_of(program)
    sources = (JAVA / program.source, JAVA / "Lines.java")
    made_of = b"".join([class_path.encode(), *(source.read_bytes() for source in sources)])

    async def compile_(folder: Path) -> None:
        where = ("-proc:none", "-cp", class_path, "-sourcepath", str(JAVA), "-d", str(folder))
        await run("javac", *where, str(JAVA / program.source))

    return await cached(f"{program.name}-classes-{hashlib.sha256(made_of).hexdigest()[:12]}", compile_)
