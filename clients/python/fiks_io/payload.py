"""What is in a message: files in a signed container, in an envelope for its receiver. Never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from cryptography import x509

from fiks_cms import Decryptor, Encryptor, KeyPair, NotReadable
from fiks_io.container import MOST, Container, container
from fiks_io.errors import Refused
from fiks_io.packing import File, packed
from fiks_io.signature import Signer

IN_MEMORY = 8 * 1024 * 1024
"""Octets of content beyond which it lies in a temporary file until it is checked and read."""


async def sealed(files: Sequence[File], signer: Signer, receiver: x509.Certificate) -> AsyncGenerator[bytes, None]:
    """The files as they are sent. Raises TypeError if the receiver's key is not RSA, and as ``packed``."""
    encryptor = Encryptor([receiver])
    async with aclosing(packed(files, signer)) as chunks:
        async for chunk in chunks:
            if data := encryptor.update(chunk):
                yield data
    yield encryptor.finish()


@asynccontextmanager
async def unsealed(
    message: AsyncIterable[bytes], pairs: Sequence[KeyPair], *, allow_sha1: bool
) -> AsyncIterator[Container]:
    """The files of what was sent, once all of it has come and was checked. Raises Refused, and as ``message``."""
    with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        try:
            await _decipher(message, Decryptor(pairs), cast("IO[bytes]", file))
        except NotReadable as fault:
            raise Refused("it is not whole, or not for one of our keys") from fault
        yield await asyncio.to_thread(container, cast("IO[bytes]", file), allow_sha1=allow_sha1)


async def _decipher(message: AsyncIterable[bytes], decryptor: Decryptor, file: IO[bytes]) -> None:
    async for chunk in message:
        await asyncio.to_thread(file.write, decryptor.update(chunk))
        if file.tell() > MOST:
            raise Refused("it is too large")
    file.write(decryptor.finish())
