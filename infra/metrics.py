"""Every metric of the system, with its meaning. None is defined elsewhere.

A label never takes a value that a caller chooses: routes are templates, reasons are words of ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

FAST = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

APPEND_SECONDS = Histogram(
    "fiks_append_seconds",
    "From handing over a record to the acknowledgement of all in-sync replicas",
    ["topic"],
    buckets=FAST,
)
APPEND_FAILURES = Counter(
    "fiks_append_failures_total",
    "Records that were not appended; reason: unavailable, full (too many wait), refused (the broker says why)",
    ["topic", "reason"],
)
AGENT_LAG = Gauge(
    "fiks_agent_lag_events",
    "Records of a claimed partition that no batch has taken up yet; gone when the claim is",
    ["role", "topic", "partition"],
)
WORKER_CLAIMS = Gauge("fiks_worker_claims", "Partitions that this worker holds", ["role"])
WORKER_BLOCKED = Gauge(
    "fiks_worker_blocked", "Partitions of these that this worker does not read on: a newer release must", ["role"]
)
PROJECTED_EVENTS = Counter(
    "fiks_projected_events_total", "Events whose rows and checkpoint are committed", ["projection"]
)
CARRIED_SECONDS = Histogram(
    "fiks_carried_seconds",
    "From the append of a record to the commit of what follows from it; the oldest of each batch",
    ["role"],
    buckets=SLOW,
)
DECISIONS = Counter("fiks_decisions_total", "Decisions that were made, repeats included", ["role"])
BATCH_RETRIES = Counter(
    "fiks_batch_retries_total", "Batches begun again because PostgreSQL or Kafka was away", ["role"]
)
REBUILD_EVENTS = Gauge("fiks_rebuild_events", "Events that a running rebuild has applied so far", ["projection"])
REBUILD_EXPECTED = Gauge(
    "fiks_rebuild_events_expected",
    "Events that a running rebuild has to apply in all",
    ["projection"],
)
PROJECTION_LAG = Gauge(
    "fiks_projection_lag_events",
    "Records of a claimed partition that the projection has not applied; gone when the claim is",
    ["projection", "topic", "partition"],
)
PROJECTION_LOST = Gauge(
    "fiks_projection_lost",
    "1 while tables of the live version are gone, and the others go on without it",
    ["projection"],
)
DLQ_RECORDS = Counter(
    "fiks_dlq_records_total",
    "Events dead-lettered; topic: where they stood; reason: the kind of fault",
    ["topic", "reason"],
)
DLQ_SIZE = Gauge("fiks_dlq_size", "Dead letters of this topic that were not replayed", ["topic"])
REQUEST_SECONDS = Histogram(
    "fiks_request_seconds",
    "From the request's head until its answer is made, or its content handed out; "
    "route: the template, 'unknown' where none matched",
    ["method", "route", "status"],
    buckets=SLOW,
)
GATEWAY_STARTED = Gauge(
    "fiks_gateway_started_seconds",
    "When this gateway was started, since 1970; the newest process; 0 of what is none",
    multiprocess_mode="livemax",
)
MEMORY_STALENESS = Gauge(
    "fiks_gateway_memory_staleness_seconds",
    "Since this gateway's memory of the configuration last was level with the end of the log; the worst process",
    multiprocess_mode="livemax",
)
AUDIT_MISSED = Counter(
    "fiks_audit_missed_total", "Refusals that were given but are not on the log, since it did not take them"
)
AUDIT_SUMMED = Counter(
    "fiks_audit_summed_total", "Refusals that the log tells by their number alone, since there were too many"
)
DOWNLOADS_MISSED = Counter(
    "fiks_downloads_missed_total", "Documents that were handed out without an event, since the log did not answer"
)
AMQP_CONNECTIONS = Gauge("fiks_amqp_connections", "Connections over AMQP, known or not", multiprocess_mode="livesum")
AMQP_CONSUMERS = Gauge("fiks_amqp_consumers", "Consumers over AMQP", multiprocess_mode="livesum")
AMQP_LOGINS = Histogram(
    "fiks_amqp_login_seconds",
    "From a name and a password over AMQP to its answer; outcome: CONNECTED, or the reply that refused it",
    ["outcome"],
    buckets=SLOW,
)
AMQP_CLOSED = Counter(
    "fiks_amqp_closed_total",
    "Connections over AMQP that ended; reason: CLIENT (closed or lost by it), or the reply that we closed it with",
    ["reason"],
)
AMQP_SETTLED = Counter(
    "fiks_amqp_settled_total",
    "Messages whose lease to a consumer has ended; outcome: acked, rejected, requeued, lost, returned, unseen, unfit",
    ["outcome"],
)
FIKS_IO_WAITED = Histogram(
    "fiks_io_waited_seconds", "From the sending of a message of Fiks IO to when it is first handed out", buckets=SLOW
)
FIKS_IO_UNREADABLE = Counter(
    "fiks_io_unreadable_total",
    "Messages of Fiks IO that were not handed out, since their content cannot be read",
)
FIKS_IO_PUT_OFF = Counter(
    "fiks_io_put_off_total",
    "Messages of Fiks IO that others of their account went before, since their content did not come; each time",
)
FIKS_IO_UNSAID = Gauge(
    "fiks_io_unsaid",
    "What was done with messages of Fiks IO and is not on the log yet; it grows while the log is away",
    multiprocess_mode="livesum",
)
BLOB_FAILURES = Counter(
    "fiks_blob_failures_total", "Times that the blob store was away as a whole, did not answer, or took no more"
)
SWEPT = Counter("fiks_swept_blobs_total", "Blobs that were swept up, since no event tells of them")
SWEPT_KEYS = Counter("fiks_swept_keys_total", "Data keys that were destroyed, since no event tells of their stream")

_SHARED = "PROMETHEUS_MULTIPROC_DIR"


class Defined(NamedTuple):
    """A metric as it is documented and asked for. A histogram is asked for by its name and ``_bucket`` and so on."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def defined() -> tuple[Defined, ...]:
    """All metrics of this module."""
    return tuple(_defined(value) for value in globals().values() if isinstance(value, MetricWrapperBase))


def _defined(metric: MetricWrapperBase) -> Defined:
    name = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name
    return Defined(name, str(metric._type), tuple(metric._labelnames), metric._documentation)


def exposition() -> tuple[bytes, str]:
    """What GET /metrics answers, and its content type: of this process, or of all that share one folder."""
    if folder := os.environ.get(_SHARED):
        _forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    else:
        registry = REGISTRY
    return generate_latest(registry), CONTENT_TYPE_LATEST


def values_of(gauge: Gauge, said: str) -> list[tuple[dict[str, str], float]]:
    """The labels and the value of each sample of a gauge in what GET /metrics of some process answered."""
    families = text_string_to_metric_families(said)
    return [(one.labels, one.value) for family in families if family.name == gauge._name for one in family.samples]


def serve(host: str, port: int) -> None:
    """Serve /metrics of this process on a port of its own, from a thread, until the process ends."""
    start_http_server(port, addr=host)


def _forget_the_dead(folder: Path) -> None:
    """What killed processes last said of their state does not hold any more (their counters still do)."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
