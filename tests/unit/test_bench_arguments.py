"""A benchmark that is asked for what it does not know measures nothing, and says what it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "arguments", "usage"),
    [
        ("accept", "x", "short"),
        ("auth", "large", "small"),
        ("documents", "small", "large"),
        ("fiksio", "many", "CONNECTIONS"),
        ("fiksio", "1 2", "CONNECTIONS"),
        ("latency", "127.0.0.1", "short"),
        ("messages", "x", ""),
        ("rebuild", "many", "EVENTS"),
        ("rebuild", "1000 many", "EVENTS"),
        ("rebuild", "0", "EVENTS"),
    ],
)
def test_arguments_that_a_benchmark_does_not_know_are_refused(name: str, arguments: str, usage: str) -> None:
    command = [sys.executable, "-m", f"tests.bench.{name}", *arguments.split()]
    ran = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"usage: make bench NAME={name}")
    assert usage in line
