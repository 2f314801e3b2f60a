"""Deciding, folding and projecting are functions of values: no clock is asked, no id drawn, nothing left to chance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.projection import projections

ROOT = Path(__file__).parents[2]
PROJECTIONS = ROOT / "projections"
PURE = [
    *(ROOT / "schemas").rglob("*.py"),
    *(ROOT / "streams/domain").rglob("*.py"),
    *(file.with_suffix(".py") for file in PROJECTIONS.glob("*.sql")),  # handlers stand beside their tables
    *(PROJECTIONS / name for name in ("projection.py", "folding.py", "tables.py")),
]
MODULES = {"time", "random", "secrets"}
NAMES = {
    *("now", "utcnow", "today"),
    *("uuid1", "uuid4", "uuid6", "uuid7", "SystemRandom"),
    *("urandom", "getrandom"),
}
"""As an attribute of whatever it may be, or imported: who is handed the function can call it too."""


def impurities(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                found = {one.name.partition(".")[0] for one in names} & MODULES
            case ast.ImportFrom(module, names):
                found = {module or ""} & MODULES or {one.name for one in names} & NAMES
            case ast.Attribute(attr=name):
                found = {name} & NAMES
            case _:
                continue
        yield from (f"line {node.lineno}: {one}" for one in found)


@pytest.mark.parametrize("file", PURE, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_follows_is_a_function_of_what_was_said(file: Path) -> None:
    assert list(impurities(file.read_text())) == []


def test_every_handler_and_every_fold_is_looked_at() -> None:
    functions = [
        function
        for one in projections().values()
        for function in (
            *(handler for handler, _ in one.handlers.values()),
            *one.envelope_handlers.values(),
            *(() if one.every is None else (one.every,)),
            *(one.fold or ()),
        )
    ]
    looked_at = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in PURE}
    assert len(functions) > len(projections())
    assert {one.__module__ for one in functions} <= looked_at


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import UTC, datetime\ndatetime.now(UTC)",
        "import datetime as dt\ndt.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "clock = datetime.now",
        "field(default_factory=uuid.uuid4)",
        "from uuid import UUID, uuid4",
        "from uuid import uuid1 as new",
        "import time",
        "from time import monotonic",
        "def late() -> float:\n    import time as clock\n    return clock.time()",
        "import random",
        "from random import choice",
        "import secrets",
        "from secrets import token_bytes",
        "import os\nos.urandom(16)",
        "from os import urandom",
    ],
)
def test_a_clock_a_new_id_and_chance_are_found(source: str) -> None:
    assert list(impurities(source))


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import UTC, datetime, time\ndatetime.combine(today, time(), UTC)",
        "from uuid import UUID, uuid5\nuuid5(IDS, name)",
        "def id_of(now: datetime, random: str) -> str:\n    return f'{now}{random}'",
        "self.time.isoformat()",
    ],
)
def test_values_are_not(source: str) -> None:
    assert list(impurities(source)) == []
