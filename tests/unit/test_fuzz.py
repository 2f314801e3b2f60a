"""A short look at each check by the fuzzer, in a process of its own, and a proof that it finds what is there.

It looks the same way each time: what nobody has seen yet is looked for by ``make fuzz``, not by chance in a test.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.checks import CHECKS, planted

pytestmark = pytest.mark.skipif(find_spec("atheris") is None, reason="there is no atheris for this machine")


def looked(name: str, seconds: int, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--seed", "1"]
    return subprocess.run([*command, "--folder", str(folder)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CHECKS)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    done = looked(name, 1, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "DONE" in done.stderr
    assert [one.name for one in (tmp_path / name).iterdir()] == ["reached"]


def test_a_planted_fault_is_found_and_shown_again(tmp_path: Path) -> None:
    """What the fuzzer begins from does not show it."""
    _, seeds = CHECKS["range"]
    for seed in seeds():
        planted(seed)
    done = looked("planted", 60, tmp_path)
    assert done.returncode == 77, done.stderr
    [found] = (tmp_path / "planted").glob("crash-*")
    with pytest.raises(AssertionError):
        planted(found.read_bytes())
    again = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "planted", str(found)], capture_output=True, check=False
    )
    assert again.returncode == 1
