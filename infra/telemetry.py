"""Logs, metrics and traces of a process: switched on here, once, first thing in its command.

    from infra.telemetry import start
    start(settings, "worker")                  # JSON logs; traces if settings.otel, /metrics if settings.metrics_port

    from infra.logs import logger
    log = logger(__name__)                     # at the top of a module
    log.info("forsendelse accepted", forsendelse_id=id)      # the message is constant, all else is a field
    structlog.contextvars.bind_contextvars(request_id=...)   # on every line from here on in this task

    from infra.metrics import APPEND_SECONDS   # all metrics stand in infra/metrics.py
    with APPEND_SECONDS.labels("fiks.svarut").time(): ...
    body, content_type = exposition()          # the gateway's GET /metrics

    from infra.tracing import batch_span, current_traceparent, span
    with span("send forsendelse", request.headers.get("traceparent"), konto_id=id):
        fact(..., traceparent=current_traceparent())
    with batch_span("project svarut_status", (one.traceparent for one in batch), events=len(batch)): ...
    with span("decide", because.at.traceparent): ...         # a decision belongs to the trace of its cause

librdkafka writes to standard error by itself: make its clients with infra.kafka.kafka_settings.
"""

from __future__ import annotations

import os
import sys

from infra import logs, tracing
from infra.settings import Settings


def start(settings: Settings, service: str) -> None:
    """Switch on what the settings ask for. ``service``: gateway, worker, rebuild or issuer."""
    logs.configure(settings.log_level)
    if settings.otel:
        tracing.start(service, tracing.otlp(settings.otel))
    if settings.metrics_port is not None:
        from infra import metrics

        metrics.serve(settings.metrics_host, settings.metrics_port)


def share_metrics(settings: Settings) -> None:
    """Let processes on one port answer /metrics for all of them, through files in the state folder.

    Raises RuntimeError where it comes too late: prometheus_client chooses when it is imported.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("share_metrics must be called before anything imports infra.metrics")
    folder = settings.state.absolute() / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
