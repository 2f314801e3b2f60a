"""What a Kafka node is made of, made once a machine: the jars, an archive of their classes as loaded,
and a log dir that is formatted.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from infra.local.cache import cached
from infra.local.processes import run

POM = Path(__file__).with_name("kafka-pom.xml")


async def jars() -> Path:
    """The folder of the node's jars, resolved by Maven (checksums enforced) the first time."""

    async def resolve(folder: Path) -> None:
        copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}")
        maven = ("mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM))
        # With the whole environment: proxies and mirrors may be set there.
        await run(*maven, *copy, env=os.environ, cwd=folder)

    return await cached(_name(), resolve) / "libs"


async def classes(java: str, train: Callable[[Path], Awaitable[None]]) -> Path:
    """The class archive for this version of Java (what `java -version` prints), which `train` writes to a path.

    With it a node starts with half the CPU time. The JVM ignores an archive that does not fit it.
    """

    async def make(folder: Path) -> None:
        await train(folder / "kafka.jsa")

    return await cached(f"{_name()}-classes-{_digest(java.encode())}", make) / "kafka.jsa"


async def formatted(cluster_id: str, format_: Callable[[Path], Awaitable[None]]) -> Path:
    """The log dir of a new node of this cluster, which `format_` leaves as `data` in a folder. For all to copy."""
    return await cached(f"{_name()}-formatted-{_digest(cluster_id.encode())}", format_) / "data"


def _name() -> str:
    """In the cache: another pom, another folder."""
    return f"kafka-{_digest(POM.read_bytes())}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
