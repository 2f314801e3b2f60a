"""The benchmark of rebuilding runs to its end, peers and all. What it measures at this size means nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_figure_is_measured(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.rebuild", "12000"],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads((tmp_path / ".local/bench/rebuild.json").read_text())
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    compared = {
        "rebuild_one_process_vs_raw",
        "rebuild_two_processes_vs_one",
        "rebuild_one_process_vs_faust_topic_agent",
        "rebuild_one_process_with_personal_texts",
        "rebuild_one_process_into_large",
        "rebuild_one_process_into_large_indexed",
    }
    assert compared <= set(figures)
    assert all(value > 0 for value in figures.values())
