"""Deletes content that no event names: what an upload leaves when the gateway that received it was killed.

Content is stored before its event is appended, so only what is older than any call can be is looked at. Reads all that
the log says of content, and remembers nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from infra.blobs import Blobs
from schemas.codec import decode
from schemas.dokumentlager import DokumentLastetOpp
from schemas.svarut import ForsendelseMottatt
from schemas.topics import TOPICS
from streams.domain.dokumentlager import dokumentlager, key_id_of
from streams.domain.svarut import svarut
from streams.log import Log
from streams.whole import messages_of

YOUNG = timedelta(hours=2)
"""Content may be as old as this before its event is on the log: a call takes an hour at the most."""
NAMING = {one.__name__.encode() for one in (DokumentLastetOpp, ForsendelseMottatt)}


async def sweep(bootstrap: str, blobs: Blobs, log: Log, before: datetime) -> list[str]:
    """Delete what was stored before ``before`` and is named by no event, and its key; returns the names.

    Raises Unavailable when the store or the log does not answer.
    """
    if not (old := await blobs.stored_before(before)):
        return []
    named = await asyncio.to_thread(lambda: set(names(bootstrap)))
    orphans = [name for name in old if name not in named]
    for name in orphans:
        with suppress(ValueError):  # the content of a letter has no key of its own, nor is it named after an id
            await log.keys.destroy(key_id_of(UUID(name.partition(".")[0])))
    await blobs.delete(orphans)
    return orphans


def names(bootstrap: str) -> Iterator[str]:
    """The names of all content that the log names."""
    for decider in (dokumentlager, svarut):
        for message in messages_of(bootstrap, TOPICS[decider.topic].name):
            if dict(message.headers() or []).get("ce_type") not in NAMING:
                continue
            match decode(message.value() or b""):
                case DokumentLastetOpp(blob=blob):
                    yield blob
                case ForsendelseMottatt(dokumenter=dokumenter):
                    yield from (one.blob for one in dokumenter if one.blob)
