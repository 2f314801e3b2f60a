"""Who polls holds a message for so long since it was first shown, and no longer (gateway/fiks_io_manuell.py)."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from gateway.fiks_io_manuell import Caller
from streams.domain.errors import NotFound
from tests.integration.test_fiks_io_polling import ME, office  # noqa: F401
from tests.support.queues import Post


async def test_answers_that_are_refused_do_not_hold_a_message_for_ever(
    office: Post,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """neste/svarOgAck with a type that may not be sent: claimed and shown again each time, for HELD seconds from then.

    Meanwhile nobody else gets it, and it does not expire: its sender never hears.
    """
    monkeypatch.setattr("gateway.fiks_io_manuell.HELD", 1.0)
    polling, me = office.gateways[0].polling, Caller(uuid4(), ME)
    await office.send(me.konto_id)
    while await polling.first(me, 1.0) is None:
        await asyncio.sleep(0.05)
    begun = asyncio.get_running_loop().time()
    with pytest.raises(NotFound):
        while asyncio.get_running_loop().time() < begun + 5:
            await polling.show_again(me, await polling.claim(me))
            await asyncio.sleep(0.3)
