"""An object store that has what lies in a folder, and lets whoever asks for some of it wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from infra.blobs import Blobs


class SlowStore:
    """``blobs`` asks for what is there by S3; who asks for a name in ``late`` is answered once that is set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.late: dict[str, asyncio.Event] = {}
        self.asked: defaultdict[str, int] = defaultdict(int)
        """How often for each name."""
        self.blobs: Blobs

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked[name] += 1
        if (late := self.late.get(name)) is not None:
            await late.wait()
        return web.FileResponse(self._folder / name)


@asynccontextmanager
async def slow_store(folder: Path) -> AsyncIterator[SlowStore]:
    """Served and stopped."""
    store, app = SlowStore(folder), web.Application()
    app.add_routes([web.get("/blobs/{name}", store.answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            patch.setenv(name, "test")
        patch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
        patch.setenv("AWS_ALLOW_HTTP", "true")
        store.blobs = Blobs("s3://blobs")
    yield store
    await runner.cleanup()
