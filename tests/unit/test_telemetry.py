"""What is seen from outside: nothing personal in logs and traces, bounded labels, one trace from header to header."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from infra import logs, metrics, tracing
from infra.logs import A_MINUTE, RateLimit
from infra.masking import MASK, is_hidden, masked, masked_fields, masked_text, numbers_of_eleven
from infra.tracing import LINKS, batch_span, current_traceparent, span
from schemas.svarut import Adresse, LestMeldt

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ROOT = Path(inspect.getfile(metrics)).parents[1]
SOURCES = [
    file
    for folder in ("schemas", "streams", "projections", "gateway", "infra")
    for file in (ROOT / folder).rglob("*.py")
]
fodselsnummer = st.from_regex(r"[0-9]{11}", fullmatch=True)
around = st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=20)


# --- Masking ---------------------------------------------------------------------------------------------------------


@given(before=around, number=fodselsnummer, after=around)
def test_no_number_of_eleven_digits_is_ever_shown(before: str, number: str, after: str) -> None:
    assert masked_text(f"{before}{number}{after}") == f"{before}{MASK}{after}"


@given(before=around, number=fodselsnummer, parted=st.sampled_from(["", " ", "-"]), after=around)
def test_what_is_masked_is_found(before: str, number: str, parted: str, after: str) -> None:
    text = f"{before}{number[:6]}{parted}{number[6:]}{after} {UUID(int=12345678901)}"
    assert list(numbers_of_eleven(text)) == [number]


@given(number=fodselsnummer, depth=st.integers(0, 3))
def test_nor_deep_inside_a_value(number: str, depth: int) -> None:
    value: object = {number: [f"a {number[:6]} {number[6:]} b", number.encode(), ValueError(number)]}
    for _ in range(depth):
        value = [{"inside": value}]
    shown = json.dumps(masked(value))
    assert number not in shown
    assert number[6:] not in shown


@given(st.integers(10**10, 10**11 - 1))
def test_nor_as_a_number(number: int) -> None:
    assert masked(number) == MASK
    assert masked(-number) == MASK


@given(st.integers(0, 2**128 - 1))
def test_ids_are_shown_though_eleven_digits_may_stand_in_them(bits: int) -> None:
    for text in (str(UUID(int=bits)), f"{bits:032x}", f"{bits:064x}"):
        assert masked_text(f"id={text}.") == f"id={text}."


def test_other_numbers_are_shown() -> None:
    assert masked([7, 0.25, 1234567890, 123456789012, "974720760", True, None]) == [
        *[7, 0.25, 1234567890, 123456789012, "974720760", True, None]
    ]


@pytest.mark.parametrize(
    "name", ["fnr", "digital_id", "digitalId", "tittel", "Authorization", "IntegrasjonPassord", "mottaker_navn", "dsn"]
)
def test_what_is_called_secret_or_personal_is_hidden(name: str) -> None:
    assert masked_fields({name: "x"}) == {name: MASK}


def test_every_personal_field_of_the_catalogue_is_hidden() -> None:
    from schemas.catalogue import event_types
    from schemas.derive import derive

    text = json.dumps([derive(kind) for kind in event_types().values()])
    names = re.findall(r'"name": "(\w+)", "type": (?:\["null", )?\{"type": "string", "fiks.personal"', text)
    assert {"fnr", "tittel", "adresselinje1"} <= set(names)
    assert [name for name in names if not is_hidden(name)] == []


def test_payload_is_told_by_type_and_size_alone() -> None:
    event = LestMeldt(forsendelse_id=uuid4(), fnr="01010112345", tidspunkt=datetime.now(UTC))
    assert masked([event, Adresse(navn="Kari"), b"%PDF-1.7"]) == ["<LestMeldt>", "<Adresse>", "<8 bytes>"]
    assert len(masked("x" * 100_000)) < 5_000
    assert len(masked(list(range(100_000)))) < 100


def test_plain_values_are_told_as_text() -> None:
    moment, folder = datetime(2026, 1, 2, tzinfo=UTC), Path("/var/x")
    assert masked([moment, timedelta(seconds=1), folder]) == [str(moment), "0:00:01", "/var/x"]


# --- Logs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def written() -> Iterator[io.BytesIO]:
    """What is logged during the test."""
    out, root, hook = io.BytesIO(), logging.getLogger(), sys.excepthook
    handlers, level = list(root.handlers), root.level
    logs.configure("info", out)
    yield out
    structlog.reset_defaults()
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)


def lines(out: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_with_its_fields(written: io.BytesIO) -> None:
    logs.logger("gateway.app").info("request answered", status=200, fnr="x", id=UUID(int=7))
    logs.logger("gateway.app").debug("not at this level")
    (line,) = lines(written)
    assert datetime.fromisoformat(str(line.pop("time"))).utcoffset() == timedelta(0)
    assert line == {
        **{"level": "info", "logger": "gateway.app", "event": "request answered", "status": 200},
        **{"fnr": MASK, "id": str(UUID(int=7))},
    }


def test_libraries_and_exceptions_come_the_same_way(written: io.BytesIO) -> None:
    try:
        raise ValueError("number 01010112345")
    except ValueError:
        logging.getLogger("faust.worker").exception("failed for %s", "01010112345")
    (line,) = lines(written)
    assert (line["logger"], line["level"], line["event"]) == ("faust.worker", "error", f"failed for {MASK}")
    assert str(line["exception"]).endswith(f"ValueError: number {MASK}")


def test_libraries_are_heard_one_level_later(written: io.BytesIO) -> None:
    for name in ("aiokafka.consumer", "faust"):
        logging.getLogger(name).info("starting")
        logging.getLogger(name).warning("odd")
    assert [line["event"] for line in lines(written)] == ["odd", "odd"]


def test_the_trace_is_on_the_line(written: io.BytesIO) -> None:
    with span("x", REMOTE):
        logs.logger("t").info("inside")
    logs.logger("t").info("outside")
    assert [line.get("trace_id") for line in lines(written)] == [REMOTE[3:35], None]


def test_the_exception_that_ends_a_process_is_logged_masked() -> None:
    code = "from infra import logs; logs.configure(); raise RuntimeError('01010112345')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == 1
    assert json.loads(ended.stderr)["level"] == "critical"
    assert b"01010112345" not in ended.stderr


def record(name: str, second: float) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "", 0, "away", None, None)
    made.created = second
    return made


def test_an_outage_does_not_fill_the_log() -> None:
    limit = RateLimit()
    through = [limit.filter(record("aiokafka.conn", 60 + n / 10)) for n in range(500)]
    assert through == [True] * A_MINUTE + [False] * (500 - A_MINUTE)
    assert limit.filter(record("aiokafka.consumer", 60.0)), "each logger has lines of its own"
    following = record("aiokafka.conn", 120.0)
    assert limit.filter(following)
    assert vars(following)["suppressed"] == 500 - A_MINUTE
    assert "suppressed" not in vars(record("aiokafka.conn", 121.0))


def test_a_collector_that_is_away_is_told_in_one_line() -> None:
    """As a process that ends by itself: what it hands over last is tried again and again, and told each time."""
    code = (
        "from infra import logs, tracing\n"
        "logs.configure(); tracing.start('rebuild', tracing.otlp('http://127.0.0.1:9'))\n"
        "with tracing.span('x'): pass"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    (line,) = map(json.loads, ended.stderr.splitlines())
    assert (line["level"], "Connection refused" in line["event"]) == ("warning", True)


def test_our_own_lines_are_never_limited() -> None:
    limit = RateLimit()
    assert all(limit.filter(record("streams.reader", 60.0)) for _ in range(1000))


# --- Metrics ---------------------------------------------------------------------------------------------------------


def test_every_metric_is_ours_and_explained() -> None:
    found = metrics.defined()
    assert found
    for metric in found:
        assert metric.name.startswith("fiks_")
        assert len(metric.meaning.split()) > 2


def test_no_label_is_unbounded() -> None:
    bounded = {"topic", "partition", "role", "projection", "reason", "method", "route", "status", "outcome"}
    assert {label for metric in metrics.defined() for label in metric.labels} <= bounded


def test_every_metric_is_measured_somewhere() -> None:
    names = {name for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}
    text = "\n".join(file.read_text() for file in SOURCES if file.name != "metrics.py")
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b.*\.(inc|set|observe|time)\(", text)] == []


def test_no_metric_is_defined_elsewhere() -> None:
    importing = re.compile(r"^\s*(from|import) prometheus_client", re.MULTILINE)
    assert [file.name for file in SOURCES if importing.search(file.read_text())] == ["metrics.py"]


PROCESS = """
import sys
from pathlib import Path
from infra.settings import Settings
from infra.telemetry import share_metrics
share_metrics(Settings(state=Path(sys.argv[1])))
from infra.metrics import MEMORY_STALENESS, REQUEST_SECONDS, exposition
REQUEST_SECONDS.labels("GET", "/healthz", "200").observe(0.01)
MEMORY_STALENESS.set(float(sys.argv[2]))
print(exposition()[0].decode(), flush=True) if sys.argv[3:] else print("ready", flush=True)
sys.stdin.read()
"""


def test_one_gateway_answers_for_all_and_forgets_the_state_of_the_dead(tmp_path: Path) -> None:
    def start(*argv: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROCESS, str(tmp_path), *argv]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    killed, alive = start("900"), start("5")
    for process in (killed, alive):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    asked, _ = start("1", "answer").communicate()
    alive.communicate()

    samples = {s.name: s.value for family in text_string_to_metric_families(asked.decode()) for s in family.samples}
    assert samples["fiks_request_seconds_count"] == 3
    assert samples["fiks_gateway_memory_staleness_seconds"] == 5


def test_sharing_too_late_is_refused(tmp_path: Path) -> None:
    from infra.settings import Settings
    from infra.telemetry import share_metrics

    with pytest.raises(RuntimeError, match="before"):
        share_metrics(Settings(state=tmp_path))


# --- Traces ----------------------------------------------------------------------------------------------------------


class Kept(SpanExporter):
    """Spans, kept."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def named(self, name: str) -> ReadableSpan:
        tracing.stop()
        (one,) = [one for one in self.spans if one.name == name]
        return one


@pytest.fixture
def kept() -> Iterator[Kept]:
    exporter = Kept()
    tracing.start("test", exporter)
    yield exporter
    tracing.stop()


def ids(one: ReadableSpan) -> tuple[str, str | None]:
    """Its trace and its parent."""
    assert one.context is not None
    return f"{one.context.trace_id:032x}", f"{one.parent.span_id:016x}" if one.parent else None


def test_a_trace_goes_from_the_call_through_the_header_to_the_projection(kept: Kept) -> None:
    with span("send", REMOTE):
        header = current_traceparent()
    assert header is not None
    with batch_span("project", [header, None], events=2):
        pass
    trace_id, caller = REMOTE.split("-")[1:3]
    assert ids(kept.named("send")) == (trace_id, caller)
    assert ids(kept.named("project")) == (trace_id, header.split("-")[2])


def test_what_is_known_only_at_the_end_is_told_masked_and_a_served_call_is_of_that_kind(kept: Kept) -> None:
    with span("call", serves=True, method="GET") as tell:
        tell(status=200, note="to 01010112345")
    call = kept.named("call")
    assert call.kind is SpanKind.SERVER
    assert call.attributes is not None
    assert (call.attributes["method"], call.attributes["status"]) == ("GET", 200)
    assert "01010112345" not in str(call.attributes["note"])


def test_spans_nest_also_across_tasks(kept: Kept) -> None:
    async def inner() -> None:
        with span("inner"):
            await asyncio.sleep(0)

    async def outer() -> None:
        with span("outer"):
            await asyncio.gather(inner())

    asyncio.run(outer())
    outside, inside = kept.named("outer"), kept.named("inner")
    assert outside.context is not None
    assert ids(inside) == (ids(outside)[0], f"{outside.context.span_id:016x}")
    assert ids(outside)[1] is None


def test_a_batch_of_several_traces_links_to_a_bounded_number(kept: Kept) -> None:
    with batch_span("project", (f"00-{n:032x}-{n:016x}-01" for n in range(1, 1000))):
        pass
    one = kept.named("project")
    assert [link.context.trace_id for link in one.links] == list(range(1, LINKS + 1))
    assert ids(one)[1] is None


def test_a_batch_is_no_part_of_a_trace_around_it(kept: Kept) -> None:
    with span("agent"), batch_span("project", [REMOTE, REMOTE.replace("0af", "1af")]):
        pass
    assert ids(kept.named("project"))[1] is None


def test_attributes_hold_nothing_personal_and_failures_only_their_type(kept: Kept) -> None:
    with pytest.raises(ValueError, match="0101"), span("x", fnr="x", note="to 01010112345", konto=UUID(int=1)):
        raise ValueError("01010112345")
    one = kept.named("x")
    assert dict(one.attributes or {}) == {"fnr": MASK, "note": f"to {MASK}", "konto": str(UUID(int=1))}
    assert (one.status.status_code, one.status.description) == (StatusCode.ERROR, "ValueError")
    assert one.events == ()


@pytest.mark.parametrize("given", ["", "x", "01010112345", REMOTE + "-x", f"00-{'0' * 32}-{'1' * 16}-01"])
def test_a_traceparent_that_is_none_is_not_carried_on(given: str) -> None:
    with span("x", given):
        assert current_traceparent() is None


def test_without_an_exporter_the_callers_trace_is_carried_on() -> None:
    with span("x", REMOTE), span("y"), batch_span("z", [None]):
        assert current_traceparent() == REMOTE
    assert current_traceparent() is None


def test_without_an_exporter_nothing_is_imported() -> None:
    code = (
        "import sys; from infra.tracing import span\nwith span('x', traceparent=sys.argv[1], a=1): pass\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code, REMOTE], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"


def test_spans_reach_a_collector_by_otlp() -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        tracing.start("gateway", tracing.otlp(f"http://127.0.0.1:{server.server_port}/"))
        with span("send", REMOTE):
            pass
        tracing.stop()
        server.shutdown()
        thread.join()
    ((path, body),) = received
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"] == "fiks-gateway"
    assert resource.scope_spans[0].spans[0].trace_id.hex() == REMOTE[3:35]
