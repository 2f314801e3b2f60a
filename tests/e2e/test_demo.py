"""The main job, as a stranger does it: `fiks demo`, then what the running system shows of itself, then `--once`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from infra import metrics
from tests.support.eventually import eventually
from tests.support.ports import wanted_port
from tests.support.stack import temporary_folder

ROOT = Path(__file__).parents[2]
SEEN = (
    "accepted",
    "status",
    "history",
    "events on the log",
    "the document's size, its name and SHA-256 sealed",
    "lines of the audit trail",
    r"dropped svarut_status_v\d+",
    "the same after the rebuild",
)
PAYLOAD = ("byggesøknad", "Rådhusgata", "JVBERi0", "%PDF")
"""What was sent, in part: titles, addresses, names of documents, content."""


@pytest.fixture(scope="module")
def collected() -> Iterator[list[ResourceSpans]]:
    """What an OpenTelemetry collector receives; its address is in FIKS_OTEL."""
    received: list[ResourceSpans] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIKS_OTEL", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield received
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def environment(collected: list[ResourceSpans]) -> Iterator[dict[str, str]]:
    """A place of its own for the system; whatever is started there is stopped."""
    assert collected == []
    with temporary_folder() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FIKS_")} | {
            "FIKS_OTEL": os.environ["FIKS_OTEL"],
            "FIKS_STATE": str(folder),
            "FIKS_KAFKA": f"127.0.0.1:{wanted_port()}",
            "FIKS_POSTGRES": f"postgresql://fiks@127.0.0.1:{wanted_port()}/fiks",
            "FIKS_GATEWAY_PORT": str(wanted_port()),
            "FIKS_ISSUER_PORT": str(wanted_port()),
        }
        yield environment
        fiks(environment, "down")


def fiks(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return python(environment, "-m", "gateway.cli", *command)


def python(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *arguments]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def until_well(environment: dict[str, str]) -> None:
    """Until all of the system is healthy: what answers late on a busy machine is not, until the next look at it."""
    while fiks(environment, "status").returncode:
        time.sleep(0.1)


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


def marks(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the closing table says of each thing that was shown, in order."""
    return re.findall(r"^│ ([✓✗]) ", done.stdout.partition("What happened")[2], re.MULTILINE)


@pytest.mark.timeout(900)
def test_everything_is_shown_and_goes_on_running(environment: dict[str, str]) -> None:
    done = fiks(environment, "demo")
    assert wrong(done) == [], done.stdout + done.stderr
    assert marks(done) == ["✓"] * len(SEEN)
    assert done.returncode == 0
    until_well(environment)
    commands = re.findall(r"^curl .*$", done.stdout, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        line = command.replace(".venv/bin/fiks", f"{sys.executable} -m gateway.cli")
        answer = subprocess.run(line, shell=True, cwd=ROOT, env=environment, capture_output=True, check=True)
        assert "status" not in json.loads(answer.stdout), answer.stdout


async def test_gateways_and_workers_tell_their_metrics(environment: dict[str, str]) -> None:
    told = addresses(environment)["metrics"].values()

    def found(pattern: str) -> set[str]:
        return {one for url in told for one in re.findall(pattern, text_of(url), re.MULTILINE)}

    assert {one.name for one in metrics.defined()} - found(r"^# TYPE (\w+) ") == set()
    started = sorted(map(float, found(rf"^{metrics.GATEWAY_STARTED._name} (\S+)$")))
    assert started[0] == 0, "of the workers"
    assert time.time() - 3600 < started[1] <= time.time(), "of the newest gateway"
    for line in ("fiks_worker_claims", "fiks_agent_lag_events", "fiks_projected_events_total", "fiks_append_seconds"):
        await eventually(lambda line=line: found(rf"^({line})\w*{{") == {line})  # type: ignore[misc]


def test_logs_are_json_and_hold_nothing_that_was_sent(environment: dict[str, str]) -> None:
    logs = {path.name: path.read_text() for path in Path(environment["FIKS_STATE"], "logs").glob("*.log")}
    assert {"gateway-1.log", "gateway-2.log", "worker-1.log", "worker-2.log"} <= logs.keys()
    assert [(name, one) for name, text in logs.items() for one in PAYLOAD if one in text] == []
    ours = [line for name, text in logs.items() if re.match("gateway|worker", name) for line in text.splitlines()]
    assert ours
    assert all({"time", "level", "logger", "event"} <= json.loads(line).keys() for line in ours)


def test_one_thing_that_is_not_right_ends_with_one(environment: dict[str, str]) -> None:
    done = python(environment, "-c", "from gateway import cli, demo; demo.SEALED = 'not this'; cli.main()", "demo")
    (what,) = wrong(done)
    assert f"NOT  {what}" in done.stdout
    assert marks(done) == ["✗" if one == what else "✓" for one in SEEN]
    assert done.returncode == 1
    until_well(environment)


@pytest.mark.timeout(900)
def test_once_stops_everything(environment: dict[str, str]) -> None:
    done = fiks(environment, "demo", "--once")
    assert wrong(done) == [], done.stdout + done.stderr
    assert marks(done) == ["✓"] * len(SEEN)
    assert done.returncode == 0
    assert fiks(environment, "status").returncode == 1


def test_a_call_and_all_that_followed_are_one_trace(collected: list[ResourceSpans]) -> None:
    """Comes last: what a process has recorded reaches the collector at the latest when it ends."""
    seen = {
        (span.trace_id, attribute.value.string_value, role.value.string_value)
        for one in collected
        for attribute in one.resource.attributes
        if attribute.key == "service.name"
        for scope in one.scope_spans
        for span in scope.spans
        for role in span.attributes
        if role.key in ("route", "role")
    }
    sent = [trace for trace, _, what in seen if what == "/api/v2/kontoer/{kontoId}/forsendelser/"]
    assert len(sent) == 3
    for trace in sent:
        followed = {(service, what) for other, service, what in seen if other == trace}
        assert {("fiks-worker", "decider:svarut"), ("fiks-worker", "projections")} <= followed
    text = str(collected)
    assert [one for one in PAYLOAD if one in text] == []
