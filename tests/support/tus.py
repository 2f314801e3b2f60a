"""A client that uploads in several calls, as TUS 1.0.0 says, one call at a time."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlsplit

from gateway.tus import CONTENT_TYPE
from tests.support.dokumentlager import Answer, Lager, said_of

RESUMABLE = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Upload:
    """An upload that was begun. ``at`` another gateway it is the same."""

    lager: Lager
    path: str

    def at(self, lager: Lager) -> Upload:
        return Upload(lager, self.path)

    async def send(self, offset: int, content: bytes = b"", **headers: str) -> Answer:
        """PATCH. Names of headers are written with ``_`` for ``-``."""
        named = {"Content-Type": CONTENT_TYPE, "Upload-Offset": str(offset)} | _dashed(headers)
        return await self.lager.ask("PATCH", self.path, data=BytesIO(content), headers=RESUMABLE | named)

    async def head(self) -> Answer:
        return await self.lager.ask("HEAD", self.path, headers=RESUMABLE)

    async def delete(self) -> Answer:
        return await self.lager.ask("DELETE", self.path, headers=RESUMABLE)

    async def break_off(self, offset: int, content: bytes, length: int, **more: str) -> None:
        """Begin to send ``length`` bytes, and go away after ``content``."""
        url = urlsplit(self.lager.url)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        headers = {**self.lager.headers, **RESUMABLE, "Host": "x", "Content-Type": CONTENT_TYPE}
        headers |= {"Upload-Offset": str(offset), "Content-Length": str(length)} | _dashed(more)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"PATCH {self.path} HTTP/1.1\r\n{head}\r\n".encode() + content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def offset(self) -> int:
        answer = await self.head()
        assert answer.status == 200, answer.status
        return int(answer.headers["Upload-Offset"])


async def create(lager: Lager, metadata: str | None, query: str = "", **headers: str) -> Answer:
    """POST."""
    said = {} if metadata is None else {"Upload-Metadata": metadata}
    return await lager.ask("POST", f"{lager.konto}/opplastinger{query}", headers=RESUMABLE | said | _dashed(headers))


async def begun(lager: Lager, length: int | None, query: str = "", **said: object) -> Upload:
    """An upload that must be accepted."""
    measure = {"Upload_Defer_Length": "1"} if length is None else {"Upload_Length": str(length)}
    answer = await create(lager, metadata_of(**said), query, **measure)
    assert answer.status == 201, answer.body
    return Upload(lager, answer.headers["Location"])


def metadata_of(**said: object) -> str:
    """The header Upload-Metadata."""
    return f"filename eC50eHQ=,metadata {base64.b64encode(said_of(**said)).decode()}"


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
