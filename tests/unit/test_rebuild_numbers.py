"""The numbers of a rebuild end no worker, whatever is away and whoever rebuilds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from projections import gauges
from streams.domain.errors import Unavailable


class _Connection:
    """Knows of one rebuild, of that name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def fetch(self, statement: str, *_: Any) -> list[dict[str, Any]]:
        return [{"name": self.name, "events": 1}] if statement is gauges.BUILT else []

    async def close(self) -> None:
        pass


async def _shown(monkeypatch: pytest.MonkeyPatch, name: str, ends: Any) -> list[BaseException]:
    async def connect(_dsn: str) -> _Connection:
        return _Connection(name)

    died: list[BaseException] = []
    monkeypatch.setattr(gauges, "EVERY", 0.0)
    monkeypatch.setattr(gauges.asyncpg, "connect", connect)
    monkeypatch.setattr(gauges, "end_offsets", ends)
    monkeypatch.setattr(gauges, "die", lambda _where, fault: died.append(fault))
    settings: Any = type("S", (), {"postgres": "", "kafka": ""})
    watching = asyncio.create_task(gauges.watch_projections(settings, dict))
    await asyncio.sleep(0.2)
    watching.cancel()
    return died


async def test_a_broker_that_is_away_during_a_rebuild_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """``end_offsets`` raises Unavailable after 20 seconds (``watermarks``), as its docstring says."""

    def away(*_: Any) -> Any:
        raise Unavailable("Kafka does not say where it ends")

    assert not await _shown(monkeypatch, "audit", away)


async def test_a_rebuild_of_what_only_a_newer_release_has_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await _shown(monkeypatch, "of_a_newer_release", lambda *_: {("fiks.io", 0): 1})
