"""Debian's packages: fetched with apt and unpacked in the cache, so that nothing is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from infra.local.cache import cached
from infra.local.processes import CommandFailed, run


async def unpacked(name: str, packages: tuple[str, ...], *, with_libraries: bool = False) -> Path:
    """The folder of the packages; ``with_libraries`` of what they depend on too, but for what is installed. Skips the
    test where they cannot be had.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip(f"{name} comes from Debian's packages, and this is no Debian")
    wanted = ("install", "-y", "--download-only", "--no-install-recommends") if with_libraries else ("download",)

    async def fetch(folder: Path) -> None:
        if os.geteuid() == 0:
            with suppress(CommandFailed):  # the lists that are there may do
                await run("apt-get", "update", "-q", env=os.environ)
        # Neither the lock nor the folder of packages of the system is needed by an apt that installs nothing.
        own = ("-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={folder}")
        await run("apt-get", "-q", *own, *wanted, *packages, env=os.environ, cwd=folder)
        await run("sh", "-c", "for package in *.deb; do dpkg-deb -x $package . && rm $package; done", cwd=folder)

    try:
        return await cached(f"debian-{name}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}", fetch)
    except CommandFailed as fault:
        pytest.skip(f"Debian's packages of {name} cannot be fetched: {fault}")


def libraries_in(folder: Path) -> str:
    """LD_LIBRARY_PATH with every folder of unpacked packages that holds shared libraries."""
    return ":".join(sorted({str(one.parent) for one in folder.glob("usr/lib/**/*.so.*")}))
