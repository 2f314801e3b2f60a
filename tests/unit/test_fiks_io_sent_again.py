"""A message that its decider could not read, and that was sent twice, ends nobody who carries out what follows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from projections.fiks_io_kvitteringer import Kvitteringer, Sendt
from schemas.catalogue import key_of
from schemas.codec import encode
from schemas.envelope import fact
from schemas.errors import Unreadable
from streams.records import recorded
from tests.support.given_when_then import WHEN
from tests.support.queues import sendt
from tests.support.records import Record


class _Connection:
    """Of a decider that set both aside."""

    async def fetch(self, *_: Any) -> list[Any]:
        return []


class _Log:
    async def append_all(self, _events: Any) -> None:
        pass


async def test_a_message_sent_twice_with_bytes_behind_it() -> None:
    """Who reads the event whole, the decider, sets it aside; who reads a view of it, like this role, does not."""
    melding = sendt(uuid4())
    at = fact(melding, time=WHEN, id="1", source="test")
    key = key_of(at.stream).encode()
    first, again = (Record("fiks.io", 0, n, key, encode(melding) + b"\0", at.headers()) for n in (0, 1))
    with pytest.raises(Unreadable):
        recorded(again)
    role = Kvitteringer(_Log(), None, None)  # type: ignore[arg-type]
    void = role._wanted(again)
    assert void is not None
    assert isinstance(void.event, Sendt)
    row = {"blob": void.event.blob, "dokumentlager_id": None, "plass": first.offset}
    known: Any = {(void.event.mottaker_konto_id, void.event.melding_id): row}
    with suppress(Unreadable):
        await role._forget(_Connection(), [void], known)  # type: ignore[arg-type]
