"""Downloads that end before their end: by a reader who stops reading, and by a deletion on the way."""

from __future__ import annotations

import asyncio
import os
from uuid import UUID

import pytest

from gateway import dokument_utlevering
from gateway.dokument_utlevering import DAMAGED
from tests.support.dokumentlager import Lager
from tests.support.eventually import eventually

MORE_THAN_BUFFERS = os.urandom(1 << 20) * 24


def serving() -> set[asyncio.Task[object]]:
    """The tasks of the gateways of this process that serve a connection each."""
    return {task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task.get_coro())}


class Stopped:
    """A reader who has asked for a download, and has read its first line alone."""

    async def begin(self, lager: Lager, dokument_id: str, **headers: str) -> None:
        before = serving()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", lager.settings.gateway_port, limit=1024)
        lines = [f"{name}: {value}\r\n" for name, value in {**lager.headers, "Host": "localhost", **headers}.items()]
        self.writer.write(f"GET /dokumentlager/nedlasting/{dokument_id} HTTP/1.1\r\n{''.join(lines)}\r\n".encode())
        self.status = int((await self.reader.readline()).split()[1])
        [self.served] = serving() - before

    async def rest(self) -> bytes:
        """What still comes, until the connection ends."""
        came = b""
        try:
            while chunk := await self.reader.read(1 << 20):
                came += chunk
        except ConnectionError:
            pass
        self.writer.close()
        return came


async def test_who_stops_reading_is_not_waited_for_without_end(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dokument_utlevering, "LONGEST_WRITE", 0.1, raising=False)
    stopped, dokument_id = Stopped(), await lager.uploaded(MORE_THAN_BUFFERS)
    await stopped.begin(lager, dokument_id)
    assert stopped.status == 200

    await asyncio.wait_for(stopped.served, 20)
    assert len(await stopped.rest()) < len(MORE_THAN_BUFFERS)


async def test_what_is_deleted_between_two_ranges_is_not_told_to_be_damaged(lager: Lager) -> None:
    before = lager.blobs
    dokument_id, stopped = await lager.uploaded(MORE_THAN_BUFFERS), Stopped()
    [blob] = lager.blobs - before
    middle = len(MORE_THAN_BUFFERS) - 10
    await stopped.begin(lager, dokument_id, Range=f"bytes=0-{middle - 1},{middle + 2}-")
    assert stopped.status == 206

    assert (await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")).status == 200
    await eventually(lambda: blob not in lager.blobs)
    assert f"bytes {middle + 2}-".encode() not in await stopped.rest()
    await stopped.served
    assert lager.app[DAMAGED].get(UUID(dokument_id)) is None
