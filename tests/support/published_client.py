"""Runs the published Java client of SvarUt, fiks-svarut-klient 4.8.0, unchanged, by tests/contract/java/SvarUt.java.

Its jar is in no registry: FIKS_CLIENT_JARS names the folder that has it; by default ../shared/clients of the checkout.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from infra.local.cache import cached
from infra.local.processes import run
from infra.local.requirements import provide_java

ROOT = Path(__file__).parent.parent.parent
JAVA = ROOT / "tests" / "contract" / "java"
JAR = "fiks-svarut-klient-4.8.0.jar"


def client_jar() -> Path:
    """Where the client's jar is, or would be."""
    return Path(os.environ.get("FIKS_CLIENT_JARS") or ROOT.parent / "shared" / "clients") / JAR


class Failed(Exception):
    """The client threw: its message, its class, and the status that it took from the answer's body."""

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
    async def started(cls, log: Path) -> AsyncIterator[Self]:
        """A JVM with the client; what the client logs goes to ``log``."""
        class_path = f"{client_jar()}:{await libraries()}/*"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *("java", "-XX:+UseSerialGC", "-cp", class_path, str(JAVA / "SvarUt.java")),
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


async def libraries(file: str = "pom.xml", name: str = "svarut-client") -> Path:
    """The folder of the jars that a pom names, fetched once a machine; by default the client's third-party ones."""
    pom = JAVA / file

    async def fetch(folder: Path) -> None:
        await provide_java()
        goal = "dependency:copy-dependencies"
        await run("mvn", "-q", "-B", "-f", str(pom), goal, f"-DoutputDirectory={folder}", "-DincludeScope=runtime")

    return await cached(f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}", fetch)
