"""Logs: one JSON line an event on standard error, with a constant message and fields. Libraries that log by `logging`
come the same way. What must not be read in a log is masked here, whoever logs it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from infra.masking import masked_fields, masked_text
from infra.tracing import current_trace_id

A_MINUTE = 10
LIMITED = {"aiokafka": A_MINUTE, "confluent_kafka": A_MINUTE, "opentelemetry": 1, "urllib3": A_MINUTE}
"""Lines a minute of each logger of a library, which may report the same outage up to 200 times a second. A collector
that is away costs traces alone, and a command that ends by itself says so on somebody's terminal.
"""
LONGEST_TRACEBACK = 8000


def logger(name: str) -> FilteringBoundLogger:
    """The logger of a module: ``log = logger(__name__)``, then ``log.info("constant message", field=value)``."""
    made: FilteringBoundLogger = structlog.get_logger(name)
    return made


def configure(level: str = "INFO", out: BinaryIO | None = None) -> None:
    """Send all logs of this process, and the exception that ends it, to ``out`` (standard error).

    Libraries are heard one level later than our own modules: at INFO, their warnings.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _with_trace,
            structlog.processors.format_exc_info,
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(out or sys.stderr.buffer),
    )
    handler = Forward()
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.getLevelNamesMapping()[level.upper()] + 10, handlers=[handler], force=True)
    sys.excepthook = _log_end


class Forward(logging.Handler):
    """Hands on what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        suppressed = {"suppressed": record.suppressed} if hasattr(record, "suppressed") else {}
        logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info, **suppressed)


class RateLimit(logging.Filter):
    """Lets so many lines a minute of each logger in LIMITED through; the next line after tells how many did not come.

    The minute is that of the record's own time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        most = LIMITED.get(record.name.partition(".")[0])
        if most is None:
            return True
        minute, (last, lines) = int(record.created // 60), self._seen.get(record.name, (0, 0))
        if minute != last:
            if lines > most:
                record.suppressed = lines - most
            lines = 0
        self._seen[record.name] = (minute, lines + 1)
        return lines < most


def _with_trace(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if trace_id := current_trace_id():
        fields["trace_id"] = trace_id
    return fields


def _line(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> bytes:
    """One line of JSON: time, level, logger and event first, and all that must not be read masked."""
    head = {name: fields.pop(name, None) for name in ("time", "level", "logger", "event")}
    tail = {"exception": masked_text(fields.pop("exception"))[-LONGEST_TRACEBACK:]} if "exception" in fields else {}
    return orjson.dumps(masked_fields(head) | masked_fields(fields) | tail)


def _log_end(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        logger("fiks").critical("ended by an exception that nobody handled", exc_info=(kind, error, traceback))
