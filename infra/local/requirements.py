"""What the machine must have for Kafka (a JDK 17 or newer, Maven): found, installed where we may, or asked for."""

import asyncio
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from infra.local.processes import run

OLDEST_JAVA = 17
DEBIAN_PACKAGES = {"java": "default-jdk-headless", "mvn": "maven"}
"""The JDK is the release's own choice: 17 in Debian 12, 21 in Debian 13 and Ubuntu 24.04. No numbered one is in all."""


@dataclass(frozen=True)
class Install:
    """Packages that we install ourselves."""

    packages: tuple[str, ...]


@dataclass(frozen=True)
class Ask:
    """What a person has to install."""

    text: str


class Missing(Exception):
    """The machine lacks something that only a person can install."""


def decide(java: int | None, maven: bool, *, root: bool, debian: bool) -> Install | Ask | None:
    """`java`: major version found. None: all is there. We install only as root, and only where apt-get is at home."""
    lacking = [name for name, there in (("java", (java or 0) >= OLDEST_JAVA), ("mvn", maven)) if not there]
    if not lacking:
        return None
    packages = tuple(DEBIAN_PACKAGES[name] for name in lacking)
    if root and debian:
        return Install(packages)
    found = f" (found Java {java})" if java and "java" in lacking else ""
    wanted = " and ".join(
        {"java": f"a JDK {OLDEST_JAVA} or newer", "mvn": "Apache Maven 3.8 or newer"}[n] for n in lacking
    )
    programs = " and ".join(lacking)
    how = f"sudo apt-get install {' '.join(packages)}" if debian else f"your system's packages, {programs} on the PATH"
    return Ask(f"Kafka needs {wanted}{found}. Install {'it' if len(lacking) == 1 else 'them'}: {how}")


def major_version(text: str) -> int | None:
    """Of what `java -version` prints: 17 from "17.0.15", 8 from "1.8.0_412"."""
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


async def provide_java() -> str:
    """What `java -version` prints, when java and mvn can be run. Raises Missing with what to install, CommandFailed
    where that cannot be installed.
    """
    java = await _java_found()
    match _decided(java):
        case Install(packages):
            env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            await run("apt-get", "update", "-q", env=env)
            await run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, env=env)
            java = await _java_found()
            if _decided(java) is not None:
                brought = " and ".join(packages)
                raise Missing(
                    f"Kafka needs a JDK {OLDEST_JAVA} or newer and Maven: {brought} of this release are not enough"
                )
        case Ask(text):
            raise Missing(text)
    return java


def _decided(java: str) -> Install | Ask | None:
    return decide(major_version(java), shutil.which("mvn") is not None, root=os.geteuid() == 0, debian=_is_debian())


async def _java_found() -> str:
    if shutil.which("java") is None:
        return ""
    child = await asyncio.create_subprocess_exec("java", "-version", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await child.communicate()
    return output.decode(errors="replace")


def _is_debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None
