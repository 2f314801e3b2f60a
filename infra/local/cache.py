"""Things that are slow to make and the same for every run (jars, binaries), made once a machine, outside the tree."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path


def cache_folder() -> Path:
    """/var/cache/fiks for root, else fiks under XDG_CACHE_HOME or ~/.cache."""
    if os.geteuid() == 0:
        return Path("/var/cache/fiks")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fiks"


async def cached(name: str, make: Callable[[Path], Awaitable[None]]) -> Path:
    """The folder `name` of the cache, whole. `make` fills an empty one; of processes that ask at once, one makes it."""
    folder = cache_folder() / name
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with _locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
            try:
                await make(unfinished)
                _publish(unfinished, folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _publish(unfinished: Path, folder: Path) -> None:
    unfinished.chmod(0o755)
    unfinished.rename(folder)


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.2)
        yield
