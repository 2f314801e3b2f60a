"""The main job, as a stranger does it: `fiks demo`, then what the running system shows of itself, then `--once`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from infra import metrics
from infra.local.ports import free_port
from tests.support.stack import temporary_folder

ROOT = Path(__file__).parents[2]
SEEN = (
    "accepted",
    "status",
    "history",
    "events on the log",
    "the document's size and SHA-256",
    "lines of the audit trail",
    r"dropped svarut_status_v\d+",
    "the same after the rebuild",
)
PAYLOAD = ("byggesøknad", "Rådhusgata", "JVBERi0", "%PDF")
"""What was sent, in part: titles, addresses, names of documents, content."""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A place of its own for the system; whatever is started there is stopped."""
    with temporary_folder() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FIKS_")} | {
            "FIKS_STATE": str(folder),
            "FIKS_KAFKA": f"127.0.0.1:{free_port()}",
            "FIKS_POSTGRES": f"postgresql://fiks@127.0.0.1:{free_port()}/fiks",
            "FIKS_GATEWAY_PORT": str(free_port()),
            "FIKS_ISSUER_PORT": str(free_port()),
        }
        yield environment
        fiks(environment, "down")


def fiks(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gateway.cli", *command]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def addresses(environment: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fiks(environment, "status", "--json").stdout)["addresses"]
    return found


def text_of(url: str) -> str:
    with urlopen(url) as answer:
        text: str = answer.read().decode()
        return text


def wrong(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the demo did not show, or showed to be wrong."""
    return [what for what in SEEN if not re.search(rf"^ok +{what}$", done.stdout, re.MULTILINE)]


@pytest.mark.timeout(900)
def test_everything_is_shown_and_goes_on_running(environment: dict[str, str]) -> None:
    done = fiks(environment, "demo")
    assert wrong(done) == [], done.stdout + done.stderr
    assert done.returncode == 0
    assert fiks(environment, "status").returncode == 0
    commands = re.findall(r"^curl .*$", done.stdout, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        line = command.replace(".venv/bin/fiks", f"{sys.executable} -m gateway.cli")
        answer = subprocess.run(line, shell=True, cwd=ROOT, env=environment, capture_output=True, check=True)
        assert "status" not in json.loads(answer.stdout), answer.stdout


def test_gateways_and_workers_tell_their_metrics(environment: dict[str, str]) -> None:
    told = addresses(environment)["metrics"]
    shown = "\n".join(text_of(url) for url in told.values())
    told_names = set(re.findall(r"^# TYPE (\w+) ", shown, re.MULTILINE))
    assert {one.name for one in metrics.defined()} - told_names == set()
    for line in ("fiks_worker_claims", "fiks_agent_lag_events", "fiks_projected_events_total", "fiks_append_seconds"):
        assert re.search(rf"^{line}\w*{{", shown, re.MULTILINE), line


def test_logs_are_json_and_hold_nothing_that_was_sent(environment: dict[str, str]) -> None:
    logs = {path.name: path.read_text() for path in Path(environment["FIKS_STATE"], "logs").glob("*.log")}
    assert {"gateway-1.log", "gateway-2.log", "worker-1.log", "worker-2.log"} <= logs.keys()
    assert [(name, one) for name, text in logs.items() for one in PAYLOAD if one in text] == []
    ours = [line for name, text in logs.items() if re.match("gateway|worker", name) for line in text.splitlines()]
    assert ours
    assert all({"time", "level", "logger", "event"} <= json.loads(line).keys() for line in ours)


@pytest.mark.timeout(900)
def test_once_stops_everything(environment: dict[str, str]) -> None:
    done = fiks(environment, "demo", "--once")
    assert wrong(done) == [], done.stdout + done.stderr
    assert done.returncode == 0
    assert fiks(environment, "status").returncode == 1
