"""NAV's mock-oauth2-server 6.0.2: issuers that are not ours, one for each first segment of a path. Jars from Maven."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession

from infra.local.cache import cached
from infra.local.processes import plain_environment, run
from infra.local.requirements import provide_java
from tests.support.ports import free_port

POM = Path(__file__).with_name("pom.xml")
MAIN = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt"


@asynccontextmanager
async def mock_oauth2(folder: Path, claims: dict[str, dict[str, Any]]) -> AsyncIterator[str]:
    """The server's address while it runs. ``claims`` are what the tokens of each issuer say."""
    settings = {
        "interactiveLogin": False,
        "httpServer": "NettyWrapper",
        "tokenCallbacks": [
            {
                "issuerId": issuer,
                "tokenExpiry": 120,
                "requestMappings": [{"requestParam": "grant_type", "match": "*", "claims": said}],
            }
            for issuer, said in claims.items()
        ],
    }
    (folder / "mock.json").write_text(json.dumps(settings))
    port = free_port()
    environment = plain_environment() | {
        "SERVER_HOSTNAME": "127.0.0.1",
        "SERVER_PORT": str(port),
        "JSON_CONFIG_PATH": str(folder / "mock.json"),
    }
    jars = await _jars()
    with (folder / "mock.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", MAIN),
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        await _alive(process, f"http://127.0.0.1:{port}/isalive")
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _alive(process: asyncio.subprocess.Process, url: str) -> None:
    async with ClientSession() as session:
        while process.returncode is None:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except ClientError:
                await asyncio.sleep(0.1)
    raise AssertionError("mock-oauth2-server has ended: see mock.log")


async def _jars() -> Path:
    """The folder of its jars, fetched once a machine."""

    async def fetch(folder: Path) -> None:
        await provide_java()
        goal = "dependency:copy-dependencies"
        await run("mvn", "-q", "-B", "-f", str(POM), goal, f"-DoutputDirectory={folder}", "-DincludeScope=runtime")

    return await cached(f"mock-oauth2-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}", fetch)
