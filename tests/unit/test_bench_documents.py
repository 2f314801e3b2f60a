"""The benchmark of documents fails where the gateway held too much."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.documents import conclude
from tests.bench.report import Report


def report_of(**peaks: float) -> Report:
    report = Report("documents")
    for name, value in peaks.items():
        report.add(name, value, "MiB")
    report.add("download_100_MB", 500.0, "MB/s")
    return report


@pytest.mark.parametrize(
    ("small", "large", "told"),
    [
        (12.5, 143.1, "peak_memory_100_MB 143.1 MiB"),
        (200.0, 150.0, "peak_memory_1_MB 200.0 MiB, peak_memory_100_MB 150.0 MiB"),
    ],
)
def test_a_gateway_that_held_too_much_is_told_by_the_last_line_and_the_exit_code(
    small: float, large: float, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        conclude(report_of(peak_memory_1_MB=small, peak_memory_100_MB=large))
    assert ended.value.code == f"The gateway held more than 143.1 MiB (150 MB): {told}"
    assert (tmp_path / ".local/bench/documents.json").exists(), "the figures are kept in any case"


def test_one_that_held_little_ends_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    conclude(report_of(peak_memory_1_MB=12.5, peak_memory_100_MB=143.0))
