"""`fiks demo` says of each thing whether it is right, and whether all is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gateway.demo import (
    FOLLOWS,
    PDF,
    TOPIC,
    Shown,
    show_accepted,
    show_api,
    show_audit,
    show_dropped,
    show_events,
    show_same,
)
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
