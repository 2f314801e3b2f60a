"""Traces: W3C traceparent in, spans out by OTLP/HTTP. Nothing is recorded, and nothing costs, until `start` was called.

A traceparent that a caller gave is carried on in any case, so that our part of a trace can be switched off alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import TYPE_CHECKING, Any

from infra.masking import masked_fields

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext, SpanKind, Tracer

LINKS = 32
"""Traces that one span of a batch links to, at most."""
EXPORT_TIMEOUT = 3.0
"""Seconds that the collector may take; then the spans are dropped."""

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_provider: TracerProvider | None = None
_tracer: Tracer | None = None


def current_traceparent() -> str | None:
    """What goes into a header, so that what follows there belongs to this trace. None outside any trace."""
    return _current.get()


def current_trace_id() -> str | None:
    """The trace that runs here, 32 hex digits."""
    current = _current.get()
    return None if current is None else current[3:35]


@contextmanager
def span(
    name: str, traceparent: str | None = None, *, links: Iterable[str] = (), serves: bool = False, **attributes: Any
) -> Iterator[Callable[..., None]]:
    """One piece of work: a child of ``traceparent``, else of the span around it, else the root of a new trace.

    ``name`` is constant (details are attributes), so that spans can be counted by it. Attributes are masked as logs
    are; what is given takes more of them, which are known only later. ``serves`` says that it answers a call from
    outside. A traceparent that is none by W3C is as good as none given. An exception is told by its type alone.
    """
    parent = traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else _current.get()
    if _tracer is None:
        with _carried(parent):
            yield _nothing
        return
    context, masked = _context(parent), masked_fields(attributes)
    made = _tracer.start_span(name, context=context, kind=_kind(serves), attributes=masked, links=_links(links))
    try:
        with _carried(_traceparent(made)):
            yield lambda **later: made.set_attributes(masked_fields(later))
    except Exception as error:
        _fail(made, error)
        raise
    finally:
        made.end()


@contextmanager
def batch_span(name: str, traceparents: Iterable[str | None], **attributes: Any) -> Iterator[None]:
    """Work on events of several traces: belongs to their trace where it is one, else links to the first 32."""
    if _tracer is None:
        yield
        return
    distinct = list(islice(dict.fromkeys(one for one in traceparents if one), LINKS))
    only = distinct[0] if len(distinct) == 1 else None
    with _carried(None), span(name, only, links=() if only else distinct, **attributes):
        yield


def start(service: str, exporter: SpanExporter) -> None:
    """Record spans from now on, and hand them to ``exporter`` in batches from a thread of its own."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _tracer, _provider
    provider = TracerProvider(resource=Resource.create({"service.name": f"fiks-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _provider, _tracer = provider, provider.get_tracer("fiks")


def stop() -> None:
    """Hand over what is recorded, and record no more. A process that ends does so by itself."""
    global _tracer, _provider  # noqa: PLW0603
    if _provider:
        _provider.shutdown()
    _provider = _tracer = None


def otlp(endpoint: str) -> SpanExporter:
    """To the collector at ``endpoint``, for example http://127.0.0.1:4318."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT)


@contextmanager
def _carried(traceparent: str | None) -> Iterator[None]:
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def _span_context(traceparent: str) -> SpanContext | None:
    from opentelemetry.trace import SpanContext, TraceFlags

    if not (found := _TRACEPARENT.fullmatch(traceparent)):
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def _context(parent: str | None) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    above = _span_context(parent) if parent else None
    return set_span_in_context(NonRecordingSpan(above), Context()) if above else Context()


def _nothing(**_attributes: Any) -> None:
    """Nothing is recorded."""


def _kind(serves: bool) -> SpanKind:
    from opentelemetry.trace import SpanKind

    return SpanKind.SERVER if serves else SpanKind.INTERNAL


def _links(traceparents: Iterable[str]) -> list[Any]:
    from opentelemetry.trace import Link

    return [Link(context) for one in traceparents if (context := _span_context(one))]


def _traceparent(made: Span) -> str:
    context = made.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _fail(made: Span, error: Exception) -> None:
    from opentelemetry.trace import StatusCode

    made.set_status(StatusCode.ERROR, type(error).__name__)
