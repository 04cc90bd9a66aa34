"""Sampled spans to an OpenTelemetry collector.

A request that is not sampled costs one random number. One that is costs its span only when it has ended: it is made
then, with the times it really had. It leaves in a thread of the SDK; a collector that is slow or dead holds nobody up,
what does not fit its queue is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

#: How long the last spans may take to leave.
GOODBYE_SECONDS = 2.0


class Sampled(NamedTuple):
    """A request whose span will be made; whose child it is, or 0 and 0."""

    trace: int
    parent: int


_ROOT = Sampled(0, 0)


class Tracer:
    """Decides who is sampled, and makes the spans; see `open`."""

    def __init__(self, ratio: float, provider: TracerProvider) -> None:
        self._ratio = ratio
        self._provider = provider
        self._tracer = provider.get_tracer("xiaoer")

    @classmethod
    def open(cls, settings: TracingSettings) -> Tracer | None:
        """The tracer of the settings; None without an endpoint."""
        if not settings.endpoint:
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": "xiaoer"}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(settings.ratio, provider)

    def sampled(self, traceparent: bytes | None) -> Sampled | None:
        """Whether this request is traced: as its caller decided (W3C Trace Context), else by the ratio."""
        if traceparent is not None:
            match = _PARENT.fullmatch(traceparent)
            if match is not None:
                trace, parent, flags = match.groups()
                return Sampled(int(trace, 16), int(parent, 16)) if int(flags, 16) & 1 else None
        return _ROOT if random.random() < self._ratio else None  # noqa: S311 - picks samples, guards nothing

    def finish(
        self, sampled: Sampled, name: str, start: int, end: int, attributes: Mapping[str, Any], error: str | None
    ) -> None:
        """Make the span of a request that has ended; times in nanoseconds since the epoch."""
        from opentelemetry import trace

        context = None
        if sampled.trace and sampled.parent:
            parent = trace.SpanContext(sampled.trace, sampled.parent, True, trace.TraceFlags(trace.TraceFlags.SAMPLED))
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        span = self._tracer.start_span(
            name, context, kind=trace.SpanKind.CLIENT, attributes=attributes, start_time=start
        )
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end(end)

    async def close(self) -> None:
        """Send what is left, for at most two seconds."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def leave() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(done.set)

        # A thread that may be left behind: the collector decides how long it takes.
        threading.Thread(target=leave, name="xiaoer-tracing", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), GOODBYE_SECONDS)
