"""Uploads in several calls by the client of the protocol's own authors, unchanged."""

from __future__ import annotations

import asyncio
import os
from io import BytesIO

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader import Uploader

from tests.support.dokumentlager import Lager, said_of

CONTENT = os.urandom(3_000_017)


def client_of(lager: Lager) -> TusClient:
    return TusClient(f"{lager.url}{lager.konto}/opplastinger", headers=dict(lager.headers))


def uploader(lager: Lager, content: bytes = CONTENT, **more: object) -> Uploader:
    metadata = {"filename": "å.txt", "metadata": said_of().decode()}
    return client_of(lager).uploader(
        file_stream=BytesIO(content), metadata=metadata, metadata_encoding="utf-8", chunk_size=1_000_000, **more
    )


async def result(lager: Lager, done: Uploader) -> bytes:
    assert done.request.status_code == 204
    return (await lager.download(done.request.response_headers["fiks-dokument-id"])).body


@pytest.mark.parametrize("summed", [True, False])
async def test_an_upload(lager: Lager, summed: bool) -> None:
    sending = uploader(lager, upload_checksum=summed)
    await asyncio.to_thread(sending.upload)
    assert await result(lager, sending) == CONTENT


async def test_one_that_is_gone_on_with_at_another_gateway(lagre: tuple[Lager, Lager]) -> None:
    one, other = lagre
    begun = uploader(one)
    await asyncio.to_thread(begun.upload, 2_000_000)

    url = begun.url.replace(one.url, other.url)
    rest = await asyncio.to_thread(lambda: uploader(other, url=url))
    assert rest.offset == 2_000_000
    await asyncio.to_thread(rest.upload)
    assert await result(other, rest) == CONTENT


async def test_one_that_is_refused(lager: Lager) -> None:
    with pytest.raises(TusCommunicationError, match="400"):
        await asyncio.to_thread(uploader(lager, b"").upload)
    stranger = uploader(lager)
    stranger.client.headers = {}
    with pytest.raises(TusCommunicationError, match="401"):
        await asyncio.to_thread(stranger.upload)
    wrong = uploader(lager)
    await asyncio.to_thread(wrong.upload_chunk)
    wrong.offset = 0
    with pytest.raises(TusUploadFailed):
        await asyncio.to_thread(wrong.upload_chunk)
