"""`fiks demo` says of each thing whether it is right, and whether all is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from gateway.demo import (
    FOLLOWS,
    PDF,
    TOPIC,
    Shown,
    _audit,
    _settled,
    _waiting,
    show_accepted,
    show_api,
    show_audit,
    show_dropped,
    show_events,
    show_same,
)
from infra.settings import Settings
from schemas.personal import SEALED

HENDELSER = [{"tidspunkt": f"2026-01-02T03:04:0{number}Z", "hendelse": one} for number, one in enumerate(FOLLOWS)]
Answers = list[tuple[int, Any]]


def answers(*statuser: str, hendelser: list[dict[str, str]] = HENDELSER) -> Answers:
    """Of status and of history."""
    return [(200, {"statuser": [{"status": one} for one in statuser]}), (200, {"hendelser": hendelser})]


def events(*types: str, **changed: Any) -> list[dict[str, Any]]:
    """Those events, of a letter whose document is as it was sent, but for what is ``changed``."""
    document = {"filnavn": f"{SEALED}x", "sha256": f"{SEALED}y", "storrelse": len(PDF)} | changed
    return [
        {"position": (TOPIC, 3, offset), "type": one, "event": {"dokumenter": [document]}}
        for offset, one in enumerate(types)
    ]


def rows(*offsets: int, partition: int = 3) -> list[dict[str, Any]]:
    """Of the audit trail."""
    place = {"topic": TOPIC, "partition": partition, "type": "x", "actor": "y"}
    return [place | {"offset": offset} for offset in offsets]


HAPPENED = events(*FOLLOWS)
Show = Callable[[Shown], None]
SILENT: dict[str, Any] = {"status.return_value": (503, {}), "hendelser.return_value": (503, {})}


@pytest.mark.parametrize(
    "show",
    [
        partial(show_accepted, 200, {"id": "1"}),
        partial(show_api, answers("KLAR_FOR_MOTTAK")),
        partial(show_events, HAPPENED),
        partial(show_audit, rows(0, 1, 2), HAPPENED),
        partial(show_dropped, "svarut_status_v1", 503, {"message": "no tables"}),
        partial(show_same, answers("KLAR_FOR_MOTTAK"), answers("KLAR_FOR_MOTTAK")),
    ],
)
def test_what_is_right_is_said_to_be(show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown()
    show(shown)
    assert "NOT" not in capsys.readouterr().out
    assert shown.right


@pytest.mark.parametrize(
    ("what", "show"),
    [
        ("accepted", partial(show_accepted, 503, {"id": "1"})),
        ("status", partial(show_api, answers())),
        ("status", partial(show_api, answers("AKSEPTERT"))),
        ("status", partial(show_api, answers("KLAR_FOR_MOTTAK", "KLAR_FOR_MOTTAK"))),
        ("history", partial(show_api, answers("KLAR_FOR_MOTTAK", hendelser=[]))),
        ("history", partial(show_api, answers("KLAR_FOR_MOTTAK", hendelser=HENDELSER[:2]))),
        ("events on the log", partial(show_events, [])),
        ("events on the log", partial(show_events, events(*FOLLOWS[:2]))),
        ("events on the log", partial(show_events, events(*FOLLOWS[::-1]))),
        ("the document's size", partial(show_events, events(*FOLLOWS, storrelse=len(PDF) - 1))),
        ("the document's size", partial(show_events, events(*FOLLOWS, filnavn="vedtak.pdf"))),
        ("the document's size", partial(show_events, events(*FOLLOWS, sha256="0" * 64))),
        ("lines of the audit trail", partial(show_audit, [], [])),
        ("lines of the audit trail", partial(show_audit, rows(0, 1), HAPPENED)),
        ("lines of the audit trail", partial(show_audit, rows(0, 1, 3), HAPPENED)),
        ("lines of the audit trail", partial(show_audit, rows(0, 1, 2, partition=4), HAPPENED)),
        ("dropped svarut_status_v1", partial(show_dropped, "svarut_status_v1", 200, {})),
        ("the same after the rebuild", partial(show_same, answers("KLAR_FOR_MOTTAK"), answers("AKSEPTERT"))),
    ],
)
def test_what_is_wrong_is_named_and_all_is_wrong(what: str, show: Show, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown()
    shown.say("before", "", "", True)
    show(shown)
    shown.say("after", "", "", True)
    assert f"NOT  {what}" in capsys.readouterr().out
    assert not shown.right


async def test_what_takes_long_is_named_and_so_is_what_did_not_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.demo.SILENCE", 0.01)
    monkeypatch.setattr("gateway.demo.PATIENCE", 0.2)
    async with _waiting("an answer"):
        await asyncio.sleep(60)
    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert said == ["waiting for an answer (fiks status)", "not come within 0.2 s: an answer"]


async def test_of_what_comes_soon_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    async with _waiting("an answer"):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "wait", [lambda: _settled(AsyncMock(**SILENT), uuid4()), lambda: _audit(Settings(), uuid4(), 1)]
)
async def test_each_wait_for_a_worker_is_named(
    wait: Callable[[], Coroutine[Any, Any, object]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection = AsyncMock(fetch=AsyncMock(return_value=[]))
    monkeypatch.setattr("gateway.demo.asyncpg.connect", AsyncMock(return_value=connection))
    monkeypatch.setattr("gateway.demo.SILENCE", 0.01)
    monkeypatch.setattr("gateway.demo.PATIENCE", 0.2)
    await wait()
    assert "waiting for what a worker adds to the " in capsys.readouterr().out


def test_where_nothing_was_shown_nothing_is_right() -> None:
    assert not Shown().right


def test_the_closing_table_marks_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown()
    shown.say("one", "here", "[this]", True)
    shown.say("two", "there", "[that]", False)
    capsys.readouterr()
    shown.show()
    table = capsys.readouterr().out
    assert "What happened" in table
    marks = {cells[1]: (cells[0], cells[3]) for cells in lines_of(table)}
    assert (marks["one"], marks["two"]) == (("✓", "[this]"), ("✗", "[that]"))


def lines_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│ ").split("│")] for line in table.splitlines() if "│" in line]
