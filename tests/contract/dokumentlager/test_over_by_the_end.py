"""What a 201 promises can be had: the time of a document begins when it has come (contract 4.1: ttl 'from upload')."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.dokumentlager import Lager, form, said_of


@pytest.mark.parametrize("kind", ["ttl", "tilgjengeligTil"])
async def test_a_document_whose_time_is_over_when_it_has_come_is_not_taken_in(lager: Lager, kind: str) -> None:
    """An upload may take an hour. In several calls (TUS) the time is looked at when all has come."""
    said: dict[str, Any] = (
        {"ttl": 1}
        if kind == "ttl"
        else {"ttl": None, "tilgjengeligTil": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}
    )
    whole = form(said_of(**said), b"innhold")

    async def slowly() -> AsyncIterator[bytes]:
        yield whole[:-20]
        await asyncio.sleep(2)
        yield whole[-20:]

    answer = await lager.upload(slowly())
    if answer.status == 201:
        got = await lager.download(answer.json["id"])
        assert got.status == 200, f"201, and then {got.status}: {got.body!r}"
    else:
        assert answer.status == 400
