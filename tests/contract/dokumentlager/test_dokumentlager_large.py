"""A document of 5 GB in several calls, by the client of the protocol's own authors. Takes minutes: TEST_LARGE=1."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from tests.contract.dokumentlager.test_published_tus_client import client_of
from tests.support.dokumentlager import Lager, gateway_process, said_of
from tests.support.files import some
from tests.support.memory import Peak

SIZE = 5_000_000_017
MOST_MEMORY = 150_000_000


@pytest.mark.skipif("TEST_LARGE" not in os.environ, reason="TEST_LARGE is not set")
@pytest.mark.timeout(3600)
async def test_five_gigabytes_in_several_calls(lager: Lager, tmp_path: Path) -> None:
    file, before = await asyncio.to_thread(some, tmp_path, "stor.bin", SIZE), lager.blobs
    with file.open("rb") as content:
        expected = await asyncio.to_thread(hashlib.file_digest, content, "sha256")
    async with gateway_process(lager) as (alone, process):
        peak = Peak(process.pid)
        with file.open("rb") as content:
            sending = client_of(alone).uploader(
                file_stream=content, metadata={"metadata": said_of().decode()}, chunk_size=50_000_000
            )
            await asyncio.to_thread(sending.upload)
        dokument_id = sending.request.response_headers["fiks-dokument-id"]
        came, size = hashlib.sha256(), 0
        address = f"{alone.url}/dokumentlager/nedlasting/{dokument_id}"
        async with alone.session.get(address, headers=alone.headers, timeout=None) as answer:
            async for chunk in answer.content.iter_any():
                came.update(chunk)
                size += len(chunk)
        assert (answer.status, size, came.digest()) == (200, SIZE, expected.digest())
        assert peak.bytes < MOST_MEMORY, peak.bytes
    left = {name for name in lager.blobs - before if not name.startswith("opplasting-")}
    assert len(left) == 1, "the document, and nothing of what it came in"
    assert (await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")).status == 200
    while left & lager.blobs:
        await asyncio.sleep(0.5)
