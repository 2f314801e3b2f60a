"""Who loses the right to send while a letter is on its way has not sent it (auth.md 6.3: revoked at once; trap 10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.auth.memory import MEMORY
from tests.support.gateway import Caller, ends_of, events_after, letter


async def test_a_right_that_is_revoked_while_a_letter_comes_is_gone(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Dokumentlager and Fiks IO, where it is looked at again once all has come; a letter may take 15 minutes."""
    sent, before = letter(), await ends_of(caller.settings.kafka)

    async def body() -> AsyncIterator[bytes]:
        yield sent[:-100]
        await asyncio.sleep(1)  # it has been let in by then
        monkeypatch.setattr(caller.app[MEMORY], "may", lambda *_: False)
        yield sent[-100:]

    status, _ = await caller.send(body())
    assert (status, await events_after(caller.settings.kafka, before)) == (403, [])
