"""The content of documents that come encrypted for the platform, as they pass. Contract: svarut.md 7.2."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fiks_cms import Decryptor, NotReadable
from schemas.errors import Unreadable


class NotDeciphered(Unreadable):
    """It is no CMS message for a certificate of ours, or not all of one. It never tells which."""

    def __init__(self) -> None:
        super().__init__(
            "Ugyldig innhold: dokumentet kan ikke dekrypteres. "
            "Krypter hele dokumentet som CMS for sertifikatet som gjelder nå, og send det på nytt"
        )


async def deciphered(chunks: AsyncIterator[bytes], decryptor: Decryptor) -> AsyncIterator[bytes]:
    """The content of a CMS message. Raises NotDeciphered, and whatever ``chunks`` raises."""
    try:
        async for chunk in chunks:
            if plain := decryptor.update(chunk):
                yield plain
        yield decryptor.finish()
    except NotReadable:
        raise NotDeciphered from None
